import pg from 'pg'
import { backoffMs } from '../lib/backoff.ts'

export interface Listener {
  /** Whether every notification is received right now. */
  readonly up: boolean
  close(): Promise<void>
}

export interface ListenOptions {
  url: string
  channel: string
  /** The connection's application_name. */
  name: string
  /** Called with each notification's payload, and with undefined when some may have been missed. */
  onNotification: (payload: string | undefined) => void
  /** Called when the connection is lost; it reconnects by itself. */
  onError: (error: unknown) => void
}

const RECONNECT_MS_MAX = 5_000
/** A connection that died in silence is noticed within this. */
const PROBE_MS = 10_000

/** LISTENs to a channel on a connection of its own that reconnects for ever. */
export function listen({ url, channel, name, onNotification, onError }: ListenOptions): Listener {
  let client: pg.Client | undefined
  let closed = false
  let up = false
  let retry: NodeJS.Timeout | undefined
  let probe: NodeJS.Timeout | undefined
  let failures = 0

  async function connect(): Promise<void> {
    const opened = new pg.Client({
      connectionString: url,
      application_name: name,
      connectionTimeoutMillis: 5_000,
      query_timeout: 5_000,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
    })
    client = opened
    let lost = false
    const onLost = (error?: unknown) => {
      if (lost || closed) return
      lost = true
      up = false
      clearInterval(probe)
      if (error) onError(error)
      opened.end().catch(() => {})
      const wait = backoffMs(failures++, { baseMs: 100, maxMs: RECONNECT_MS_MAX })
      retry = setTimeout(() => void connect(), wait)
    }
    opened.on('error', onLost)
    opened.on('end', () => onLost())
    opened.on('notification', ({ payload }) => onNotification(payload))
    try {
      await opened.connect()
      await opened.query(`LISTEN ${channel}`)
      if (closed) return
      failures = 0
      up = true
      // Notifications may have been sent before this.
      onNotification(undefined)
      probe = setInterval(() => void opened.query('SELECT 1').catch(onLost), PROBE_MS)
    } catch (error) {
      onLost(error)
    }
  }
  void connect()

  return {
    get up() {
      return up
    },
    async close() {
      closed = true
      up = false
      clearTimeout(retry)
      clearInterval(probe)
      await client?.end().catch(() => {})
    },
  }
}
