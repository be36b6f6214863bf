import pg from 'pg'

export interface Listening {
  /** Whether every notification is heard right now. */
  readonly up: boolean
  close(): Promise<void>
}

export interface ListenOptions {
  url: string
  channel: string
  /** The connection's application_name. */
  name: string
  /** Told each notification's payload, and undefined when some may have gone by unheard. */
  onNotice: (payload: string | undefined) => void
  onTrouble: (error: unknown) => void
}

const RECONNECT_MS_MAX = 5_000
/** A connection that died in silence is noticed this late. */
const PROBE_MS = 10_000

/** Hears what Postgres notifies, on a connection of its own that is mended for ever. */
export function listen({ url, channel, name, onNotice, onTrouble }: ListenOptions): Listening {
  let client: pg.Client | undefined
  let closed = false
  let up = false
  let retry: NodeJS.Timeout | undefined
  let probe: NodeJS.Timeout | undefined
  let failures = 0

  async function connect(): Promise<void> {
    const fresh = new pg.Client({
      connectionString: url,
      application_name: name,
      connectionTimeoutMillis: 5_000,
      query_timeout: 5_000,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
    })
    client = fresh
    let lost = false
    const lose = (error?: unknown) => {
      if (lost || closed) return
      lost = true
      up = false
      clearInterval(probe)
      if (error) onTrouble(error)
      fresh.end().catch(() => {})
      const wait = Math.min(RECONNECT_MS_MAX, 100 * 2 ** Math.min(failures++, 10))
      retry = setTimeout(() => void connect(), wait)
    }
    fresh.on('error', lose)
    fresh.on('end', () => lose())
    fresh.on('notification', ({ payload }) => onNotice(payload))
    try {
      await fresh.connect()
      await fresh.query(`LISTEN ${channel}`)
      if (closed) return
      failures = 0
      up = true
      // Whatever was said while nobody listened.
      onNotice(undefined)
      probe = setInterval(() => void fresh.query('SELECT 1').catch(lose), PROBE_MS)
    } catch (error) {
      lose(error)
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
