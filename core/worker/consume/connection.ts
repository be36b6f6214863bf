import pg from 'pg'
import { LIMITS } from '../../../contract/limits.ts'
import { type DatabaseRoles, roleOption } from '../../db/roles.ts'
import { socketOf } from '../../lib/socket.ts'
import { withTimeout } from '../../lib/timeout.ts'

/** Executes one statement outside a batch's transaction. */
export type ExecuteQuery = (
  sql: string,
  values: unknown[],
) => Promise<{ rows: Record<string, unknown>[] }>

/**
 * A partition consumer reads by key only, so the planner is kept from plans that read whole days: without
 * statistics on a new day they look as cheap as any.
 */
const PLANS =
  '-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c enable_bitmapscan=off -c enable_hashjoin=off -c enable_mergejoin=off'

/**
 * A connection of its own, for a partition consumer that writes. Every statement has a deadline on both sides:
 * `statement_timeout` where the server still answers, `query_timeout` where it does not.
 * After any error the caller discards it and opens another; a broken client is never used again.
 */
export async function connect(
  url: string,
  name: string,
  role?: DatabaseRoles['write'],
): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: url,
    application_name: `sluice ${name}`,
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
    statement_timeout: LIMITS.workerStatementMsMax,
    query_timeout: LIMITS.workerStatementMsMax + 5_000,
    // A frozen worker must not hold the row lock of a position for longer than it may own its partitions.
    idle_in_transaction_session_timeout: LIMITS.workerLeaseMs,
    options: `-c timezone=UTC ${PLANS} ${roleOption(role)}`,
  })
  // Without a listener a cut connection would end the process; the query under way rejects as well.
  client.on('error', () => {})
  await client.connect()
  return client
}

/**
 * Postgres' clock, in milliseconds since 1970: all that work on one database have it in common, and the machine's
 * own may be wrong by days.
 */
export async function readDatabaseMs(execute: ExecuteQuery): Promise<number> {
  const { rows } = await execute(
    'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS ms',
    [],
  )
  return Number(rows[0]?.ms)
}

/** The same, going on by this process' own clock: only for what ends within seconds, because that stands still while a machine sleeps. */
export async function createDatabaseClock(execute: ExecuteQuery): Promise<() => number> {
  const databaseMs = await readDatabaseMs(execute)
  const readAt = performance.now()
  return () => databaseMs + performance.now() - readAt
}

const DISCONNECT_MS_MAX = 1_000

/** Ends a connection whatever state it is in, within a second. */
export async function disconnect(client: pg.Client): Promise<void> {
  await withTimeout(DISCONNECT_MS_MAX, 'Postgres', client.end()).catch(() => {})
  socketOf(client).destroy()
}
