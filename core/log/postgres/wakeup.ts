import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { CHANNELS } from '../../db/channels.ts'
import { socketOf } from '../../db/socket.ts'
import { aborted, pause } from '../../lib/pause.ts'

/** The channel on which log_append says which partitions have grown: `topic 0,3,5`. */
const CONNECT_MS_MAX = 5_000
const RECONNECT_MS_MAX = 5_000
/** A connection that died in silence is noticed this late; until then readers look once a second. */
const PROBE_MS = 30_000

export interface Wakeup {
  /** Watches partitions for as long as somebody reads them. */
  watch(topic: string, partitions: Iterable<number>): Watch
  close(): Promise<void>
}

export interface Watch {
  /** Forgets what has rung. Called before one looks, nothing that comes while one looks is missed. */
  reset(): void
  /** Resolves when it has rung since, `ms` have passed or the signal aborts. */
  wait(ms: number, signal: AbortSignal): Promise<void>
  end(): void
}

interface Watching extends Watch {
  topic: string
  partitions: ReadonlySet<number>
  notify(): void
}

/** Listens on a connection of its own and mends it for ever; while it is broken, waits take their full time. */
export function createWakeup(url: string, onTrouble: (error: unknown) => void): Wakeup {
  const watches = new Set<Watching>()
  const closing = new AbortController()

  function heard(payload: string): void {
    const space = payload.lastIndexOf(' ')
    const topic = payload.slice(0, space)
    const partitions = payload.slice(space + 1).split(',')
    for (const watch of watches)
      if (watch.topic === topic && partitions.some((p) => watch.partitions.has(Number(p))))
        watch.notify()
  }

  /** Rejects when the connection is lost, resolves when it is no longer wanted. */
  async function listen(onReady: () => void): Promise<void> {
    const client = new pg.Client({
      connectionString: url,
      application_name: 'sluice log wakeup',
      connectionTimeoutMillis: CONNECT_MS_MAX,
      query_timeout: CONNECT_MS_MAX,
      keepAlive: true,
    })
    const lost = new Promise<never>((_, reject) => {
      client.on('error', reject)
      client.on('end', () => reject(new Error('the connection that listens was closed')))
    })
    lost.catch(() => {})
    client.on('notification', ({ payload = '' }) => heard(payload))
    const closed = aborted(closing.signal)
    try {
      await Promise.race([client.connect(), closed])
      await Promise.race([client.query(`LISTEN ${CHANNELS.log}`), lost, closed])
      onReady()
      // Whatever was appended while nobody listened.
      for (const watch of watches) watch.notify()
      while (!closing.signal.aborted) {
        await Promise.race([sleep(PROBE_MS, undefined, { signal: closing.signal }), lost])
        await Promise.race([client.query('SELECT 1'), lost, closed])
      }
    } finally {
      client.end().catch(() => {})
      socketOf(client).destroy()
    }
  }

  async function listenForEver(): Promise<void> {
    for (let failures = 0; !closing.signal.aborted; failures++) {
      try {
        await listen(() => {
          failures = 0
        })
      } catch (error) {
        if (closing.signal.aborted) return
        onTrouble(error)
        await pause(Math.min(RECONNECT_MS_MAX, 100 * 2 ** failures), closing.signal)
      }
    }
  }
  const listening = listenForEver()

  return {
    watch(topic, partitions) {
      const watch = createWatch(topic, new Set(partitions), () => watches.delete(watch))
      watches.add(watch)
      return watch
    },
    async close() {
      closing.abort()
      await listening
    },
  }
}

function createWatch(topic: string, partitions: ReadonlySet<number>, end: () => void): Watching {
  let rung = false
  let wake = () => {}
  return {
    topic,
    partitions,
    end,
    reset() {
      rung = false
    },
    notify() {
      rung = true
      wake()
    },
    wait(ms, signal) {
      if (rung || signal.aborted) return Promise.resolve()
      return new Promise((resolve) => {
        const done = () => {
          clearTimeout(timer)
          signal.removeEventListener('abort', done)
          wake = () => {}
          resolve()
        }
        const timer = setTimeout(done, ms)
        signal.addEventListener('abort', done)
        wake = done
      })
    },
  }
}
