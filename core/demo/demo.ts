import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createTraffic } from './traffic.ts'

/** Demo traffic through the real edge, switched on and off by a file that `sluice demo` writes. */
export interface Demo {
  stop(): Promise<void>
}

export interface DemoOptions {
  edgeUrl: string
  key: string
  seed: number
  /** Holds `on` or `off`; looked at each second. */
  switchFile: string
  onAtStart: boolean
  onTrouble: (what: string) => void
}

const TICK_MS = 1_000
const EVENTS_A_TICK = 20
const SEND_MS_MAX = 5_000

export function startDemo(options: DemoOptions): Demo {
  writeSwitch(options.switchFile, options.onAtStart)
  const traffic = createTraffic(options.seed)
  let sending: Promise<void> = Promise.resolve()
  let troubled = false
  const timer = setInterval(() => {
    if (!readSwitch(options.switchFile)) return
    // One tick at a time: an edge that is away must not find a crowd when it comes back.
    sending = sending.then(() => send(traffic.next(EVENTS_A_TICK, Date.now())))
  }, TICK_MS)

  async function send(events: object[]): Promise<void> {
    try {
      // Single events and batches, as real clients send both.
      const [first, ...rest] = events
      for (const body of [first, rest]) await post(body)
      troubled = false
    } catch (error) {
      if (!troubled) options.onTrouble(`demo traffic is not taken: ${error}`)
      troubled = true
    }
  }

  async function post(body: unknown): Promise<void> {
    const response = await fetch(`${options.edgeUrl}/v1/events`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${options.key}`, 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(SEND_MS_MAX),
    })
    await response.body?.cancel()
    if (response.status >= 500) throw new Error(`status ${response.status}`)
  }

  return {
    async stop() {
      clearInterval(timer)
      await sending
    },
  }
}

export function writeSwitch(file: string, on: boolean): void {
  writeFileSync(file, on ? 'on\n' : 'off\n')
}

function readSwitch(file: string): boolean {
  return existsSync(file) && readFileSync(file, 'utf8').trim() === 'on'
}
