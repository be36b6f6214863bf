import pg from 'pg'
import { socketOf } from '../../lib/socket.ts'
import { TimeoutError, withTimeout } from '../../lib/timeout.ts'

/** A few connections, each piece of work on one of them within a deadline. */
export interface Connections {
  /**
   * Lends a connection to `work`. Rejects at the deadline (waiting for a connection included) and as soon as
   * the signal aborts; the statement on its way may then still be executed.
   */
  use<T>(work: (client: pg.PoolClient) => Promise<T>, signal?: AbortSignal): Promise<T>
  /** For callers that manage connections themselves; their statements have the same deadline. */
  readonly pool: pg.Pool
  /** Ends within a second or so, even when Postgres is silent. */
  close(): Promise<void>
}

export interface ConnectionsOptions {
  url: string
  name: string
  max: number
  msMax: number
}

/** A server that still answers gives up first and responds with an error: then nothing has happened. */
const SERVER_GIVES_UP_BEFORE_MS = 200
const CLOSE_MS_MAX = 1_000

/**
 * Plans are kept, and the first ones are made when a day is new and empty, when reading all of it looks cheap.
 * So the planner gets a hint: everything here is found by its key. And a statement whose caller has
 * given up ends on the server too, instead of waiting for its lock and appending later.
 */
const OPTIONS =
  '-c enable_seqscan=off -c enable_bitmapscan=off -c client_connection_check_interval=100ms -c timezone=UTC'
/** A host that vanishes or freezes within a transaction must not hold its locks on the log until TCP gives up. */
const IDLE_IN_TRANSACTION_MS_MAX = 5_000

export function createConnections({ url, name, max, msMax }: ConnectionsOptions): Connections {
  const pool = new pg.Pool({
    connectionString: url,
    application_name: name,
    max,
    connectionTimeoutMillis: msMax,
    statement_timeout: Math.max(1, msMax - SERVER_GIVES_UP_BEFORE_MS),
    query_timeout: msMax,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS_MAX,
    keepAlive: true,
    idleTimeoutMillis: 60_000,
    options: OPTIONS,
  })
  const clients = new Set<pg.PoolClient>()
  let closed: Promise<void> | undefined
  pool.on('error', () => {})
  pool.on('connect', (client) => {
    clients.add(client)
    client.once('end', () => clients.delete(client))
    // The pool listens while a client is idle only; without this a cut connection would end the process.
    client.on('error', () => {})
  })

  return {
    pool,

    use(work, signal) {
      return new Promise((resolve, reject) => {
        let lent: pg.PoolClient | undefined
        let over = false
        function end(error: unknown, resolveOrReject: () => void): void {
          if (over) return
          over = true
          clearTimeout(timer)
          signal?.removeEventListener('abort', abort)
          lent?.release(error !== undefined && !isReusableAfter(error))
          resolveOrReject()
        }
        const fail = (error: unknown) => end(error ?? new Error('no reason'), () => reject(error))
        const abort = () => fail(signal?.reason)
        const timer = setTimeout(() => fail(new PostgresTimeoutError(name, msMax)), msMax)
        if (signal?.aborted) return abort()
        signal?.addEventListener('abort', abort)
        pool
          .connect()
          .then((client) => {
            // Nobody waits for it any more, and no statement was sent over it.
            if (over) return client.release()
            lent = client
            return work(client).then((result) => end(undefined, () => resolve(result)))
          })
          .catch(fail)
      })
    },

    close() {
      closed ??= close()
      return closed
    },
  }

  async function close(): Promise<void> {
    await withTimeout(CLOSE_MS_MAX, 'the last query', pool.end()).catch((error) => {
      if (!(error instanceof TimeoutError)) throw error
    })
    for (const client of clients) socketOf(client).destroy()
  }
}

export class PostgresTimeoutError extends Error {
  constructor(name: string, ms: number) {
    super(`${name}: no answer from Postgres within ${ms} ms`)
    this.name = 'PostgresTimeoutError'
  }
}

/**
 * Whether a connection can be reused after this error: the server responded with an SQLSTATE and does not hang up
 * (57P, 08). After a time-out it is half open, and would hang the next user (brianc/node-postgres#3399).
 */
function isReusableAfter(error: unknown): boolean {
  const { code } = error as { code?: unknown }
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && !/^(57P|08|EPIPE)/.test(code)
}
