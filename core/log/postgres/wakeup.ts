import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { CHANNELS } from '../../db/channels.ts'
import { backoffMs } from '../../lib/backoff.ts'
import { aborted, pause } from '../../lib/pause.ts'
import { socketOf } from '../../lib/socket.ts'

const CONNECT_MS_MAX = 5_000
const RECONNECT = { baseMs: 100, maxMs: 5_000 }
/** A silently dead connection is noticed this late; until then readers read once a second. */
const PROBE_MS = 30_000

export interface Wakeup {
  /** Watches partitions for as long as somebody reads them. */
  watch(topic: string, partitions: Iterable<number>): Watch
  close(): Promise<void>
}

export interface Watch {
  /** Forgets earlier notifications. Called before a read, so that none is missed that comes during it. */
  reset(): void
  /** Resolves when a notification has come since `reset`, `ms` have passed or the signal aborts. */
  wait(ms: number, signal: AbortSignal): Promise<void>
  end(): void
}

interface Watching extends Watch {
  topic: string
  partitions: ReadonlySet<number>
  notify(): void
}

/** Listens on a connection of its own and reconnects; while it is lost, waits take their full time. */
export function createWakeup(url: string, onError: (error: unknown) => void): Wakeup {
  const watches = new Set<Watching>()
  const closing = new AbortController()

  /** Appenders notify of the partitions that have grown: `topic 0,3,5`. */
  function onNotification(payload: string): void {
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
      client.on('end', () => reject(new Error('the LISTEN connection was closed')))
    })
    lost.catch(() => {})
    client.on('notification', ({ payload = '' }) => onNotification(payload))
    const closed = aborted(closing.signal)
    try {
      await Promise.race([client.connect(), closed])
      await Promise.race([client.query(`LISTEN ${CHANNELS.log}`), lost, closed])
      onReady()
      // For appends that came while nobody listened.
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

  async function keepListening(): Promise<void> {
    for (let failures = 0; !closing.signal.aborted; failures++) {
      try {
        await listen(() => {
          failures = 0
        })
      } catch (error) {
        if (closing.signal.aborted) return
        onError(error)
        await pause(backoffMs(failures, RECONNECT), closing.signal)
      }
    }
  }
  const listening = keepListening()

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
  let notified = false
  let wake = () => {}
  return {
    topic,
    partitions,
    end,
    reset() {
      notified = false
    },
    notify() {
      notified = true
      wake()
    },
    wait(ms, signal) {
      if (notified || signal.aborted) return Promise.resolve()
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
