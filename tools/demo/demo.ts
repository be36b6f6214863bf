import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createTraffic } from './traffic.ts'

/** Demo traffic through the real edge. A file that `sluice demo` writes switches it on and off. */
export interface Demo {
  stop(): Promise<void>
}

export interface DemoOptions {
  edgeUrl: string
  /** Another one when the former was revoked. */
  key: () => string
  seed: number
  /** Holds `on` or `off`; read at every tick. */
  switchFile: string
  isOnAtStart: boolean
  /** Called at the first of several failures in a row. */
  onError: (message: string) => void
}

const TICK_MS = 250
const EVENTS_A_TICK = 5
const SEND_MS_MAX = 5_000

export function startDemo(options: DemoOptions): Demo {
  writeSwitch(options.switchFile, options.isOnAtStart)
  const traffic = createTraffic(options.seed)
  const stopping = new AbortController()
  let sending: Promise<void> | undefined
  let isFailing = false
  const timer = setInterval(() => {
    // One tick at a time: an edge that was unavailable must not receive a backlog at once.
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
      isFailing = false
    } catch (error) {
      if (stopping.signal.aborted) return
      if (!isFailing) options.onError(`demo traffic was not accepted, trying again: ${error}`)
      isFailing = true
    }
  }

  async function post(body: unknown): Promise<void> {
    const response = await fetch(`${options.edgeUrl}/v1/events`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${options.key()}`, 'Content-Type': 'application/json' },
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
