import pg from 'pg'

/** The channel on which log_append says which topic has grown. */
const CHANNEL = 'sluice_log'
const RECONNECT_MS_MAX = 5_000

export interface Wakeup {
  /** Resolves when the topic has grown, `ms` have passed, or the signal aborts. */
  wait(topic: string, ms: number, signal: AbortSignal): Promise<void>
  close(): Promise<void>
}

/** Listens on a connection of its own and mends it for ever; while it is broken, waits just take their full time. */
export function createWakeup(url: string, onTrouble: (error: unknown) => void): Wakeup {
  const waiting = new Map<string, Set<() => void>>()
  let client: pg.Client | undefined
  let closed = false
  let retry: NodeJS.Timeout | undefined
  let failures = 0

  function wake(topic: string): void {
    for (const resolve of waiting.get(topic) ?? []) resolve()
  }

  async function listen(): Promise<void> {
    const fresh = new pg.Client({
      connectionString: url,
      application_name: 'sluice log wakeup',
      connectionTimeoutMillis: 5_000,
      keepAlive: true,
    })
    let lost = false
    const lose = (error?: unknown) => {
      if (lost || closed) return
      lost = true
      if (error) onTrouble(error)
      fresh.end().catch(() => {})
      retry = setTimeout(listen, Math.min(RECONNECT_MS_MAX, 100 * 2 ** failures++))
    }
    fresh.on('error', lose)
    fresh.on('end', () => lose())
    fresh.on('notification', ({ payload }) => wake(payload ?? ''))
    try {
      await fresh.connect()
      await fresh.query(`LISTEN ${CHANNEL}`)
      client = fresh
      failures = 0
      if (closed) await fresh.end()
      // Whatever was appended while nobody listened.
      for (const topic of waiting.keys()) wake(topic)
    } catch (error) {
      lose(error)
    }
  }
  void listen()

  return {
    wait(topic, ms, signal) {
      if (signal.aborted || closed) return Promise.resolve()
      return new Promise((resolve) => {
        const waiters = waiting.get(topic) ?? new Set()
        waiting.set(topic, waiters)
        const done = () => {
          clearTimeout(timer)
          signal.removeEventListener('abort', done)
          waiters.delete(done)
          resolve()
        }
        const timer = setTimeout(done, ms)
        signal.addEventListener('abort', done)
        waiters.add(done)
      })
    },
    async close() {
      closed = true
      clearTimeout(retry)
      for (const topic of waiting.keys()) wake(topic)
      await client?.end().catch(() => {})
    },
  }
}
