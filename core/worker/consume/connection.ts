import pg from 'pg'
import { LIMITS } from '../../../contract/limits.ts'
import { socketOf } from '../../db/socket.ts'

/** One question to Postgres outside a batch's transaction. */
export type Ask = (sql: string, values: unknown[]) => Promise<{ rows: Record<string, unknown>[] }>

/**
 * All that a lane asks are look-ups by key, so the planner is kept from the plans that read whole days:
 * without statistics on a new day they look as cheap as any.
 */
const PLANS =
  '-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c enable_bitmapscan=off -c enable_hashjoin=off -c enable_mergejoin=off'

/**
 * A connection of one's own, for a lane that writes. Every statement has a deadline on both sides:
 * `statement_timeout` where the server still answers, `query_timeout` where it does not.
 * After any error the caller ends it and makes a new one; a broken client is never used again.
 */
export async function connect(url: string, name: string): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: url,
    application_name: `sluice ${name}`,
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
    statement_timeout: LIMITS.workerStatementMsMax,
    query_timeout: LIMITS.workerStatementMsMax + 5_000,
    // A frozen worker must not hold the row of a position for longer than it may hold its partitions.
    idle_in_transaction_session_timeout: LIMITS.workerLeaseMs,
    options: `-c timezone=UTC ${PLANS}`,
  })
  // Without a listener a cut connection would end the process; the query under way rejects as well.
  client.on('error', () => {})
  await client.connect()
  return client
}

/**
 * A clock that goes by Postgres' own, in milliseconds since 1970: all that work on one database have it in common, and
 * that of the machine may be wrong by days.
 */
export async function clockOf(ask: Ask): Promise<() => number> {
  const { rows } = await ask(
    'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS ms',
    [],
  )
  const then = performance.now()
  return () => Number(rows[0]?.ms) + performance.now() - then
}

/** Ends a connection whatever state it is in, within a second. */
export async function disconnect(client: pg.Client): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const ended = client.end().catch(() => {})
  const gaveUp = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, 1_000)
  })
  await Promise.race([ended, gaveUp])
  clearTimeout(timer)
  socketOf(client).destroy()
}
