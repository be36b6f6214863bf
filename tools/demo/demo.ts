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
  /** Holds `on` or `off`; looked at all the time. */
  switchFile: string
  onAtStart: boolean
  onTrouble: (what: string) => void
}

const TICK_MS = 250
const EVENTS_A_TICK = 5
const SEND_MS_MAX = 5_000

export function startDemo(options: DemoOptions): Demo {
  writeSwitch(options.switchFile, options.onAtStart)
  const traffic = createTraffic(options.seed)
  const stopping = new AbortController()
  let sending: Promise<void> | undefined
  let troubled = false
  const timer = setInterval(() => {
    // One tick at a time: an edge that is away must not find a crowd when it comes back.
    if (sending || !readSwitch(options.switchFile)) return
    sending = send(traffic.next(EVENTS_A_TICK, Date.now())).finally(() => {
      sending = undefined
    })
  }, TICK_MS)

  async function send(events: object[]): Promise<void> {
    try {
      // Single events and batches, as real clients send both.
      const [first, ...rest] = events
      for (const body of [first, rest]) await post(body)
      troubled = false
    } catch (error) {
      if (stopping.signal.aborted) return
      if (!troubled) options.onTrouble(`demo traffic is not taken: ${error}`)
      troubled = true
    }
  }

  async function post(body: unknown): Promise<void> {
    const response = await fetch(`${options.edgeUrl}/v1/events`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${options.key}`, 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.any([stopping.signal, AbortSignal.timeout(SEND_MS_MAX)]),
    })
    await response.body?.cancel()
    if (response.status >= 500) throw new Error(`status ${response.status}`)
  }

  return {
    async stop() {
      clearInterval(timer)
      stopping.abort()
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
