import type pg from 'pg'
import { cancelStatement } from '../../db/cancel-statement.ts'
import { dayTable } from '../../db/day-partitions.ts'
import { LOCKS } from '../../db/locks.ts'
import { isApplied } from './applied-days.ts'

const INDEX = 'event_by_occurrence'
/** Reading a day of 20 GB takes a minute or two. */
const BUILD_MS_MAX = 600_000
/** Statements behind a lock that waits wait as well. */
const LOCK_MS_MAX = 250

/**
 * Gives the days from before migration 19 the index that later ones have from the start, one day in a transaction.
 * Only days that nothing is written into any more: writing waits meanwhile. Until then their rows are found by when they
 * were received.
 * @param signal cancels the build that runs
 * @returns the names of the days' tables
 * @throws AggregateError with the error of each day that could not be indexed; the others were
 */
export async function indexOldDays(pool: pg.Pool, signal: AbortSignal): Promise<string[]> {
  const indexed: string[] = []
  const errors: unknown[] = []
  for (const day of await findOldDays(pool)) {
    if (signal.aborted) break
    try {
      if (await indexDay(pool, day, signal)) indexed.push(dayTable('event', day))
    } catch (error) {
      errors.push(error)
    }
  }
  if (errors.length > 0)
    throw new AggregateError(errors, `${errors.length} days got no index: ${errors[0]}`)
  return indexed
}

/** The newest first. */
async function findOldDays(client: Pick<pg.ClientBase, 'query'>): Promise<number[]> {
  const { rows } = await client.query<{ day: number }>(`
    SELECT to_date(right(c.relname, 8), 'YYYYMMDD') - date '1970-01-01' AS day
      FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
     WHERE i.inhparent = 'event'::regclass AND c.relname ~ '^event_[0-9]{8}$'
       AND NOT EXISTS (SELECT FROM pg_index x JOIN pg_inherits p ON p.inhrelid = x.indexrelid
                        WHERE x.indrelid = c.oid AND p.inhparent = '${INDEX}'::regclass)
     ORDER BY 1 DESC`)
  return rows.map(({ day }) => day)
}

/** @returns false where another worker does it, or has done it, and where the day is not over */
async function indexDay(pool: pg.Pool, day: number, signal: AbortSignal): Promise<boolean> {
  const client = await pool.connect()
  const cancel = () => cancelStatement(client)
  let broken: Error | undefined
  try {
    const { rows } = await client.query<{ mine: boolean }>(
      `SELECT pg_try_advisory_lock(${LOCKS.indexOldDays.key}) AS mine`,
    )
    if (!rows[0]?.mine) return false
    if (!(await findOldDays(client)).includes(day) || !(await isApplied(client, day))) return false
    if (signal.aborted) return false
    signal.addEventListener('abort', cancel)
    const name = dayTable('event', day)
    const build = {
      text: `BEGIN; SET LOCAL lock_timeout = ${LOCK_MS_MAX}; SET LOCAL statement_timeout = ${BUILD_MS_MAX};
        CREATE INDEX ${name}_occurred_at_name_idx ON ${name} USING brin (
          occurred_at timestamptz_minmax_multi_ops (values_per_range = 16), name text_bloom_ops (n_distinct_per_range = 200)
        ) WITH (pages_per_range = 32, autosummarize = on);
        ALTER INDEX ${INDEX} ATTACH PARTITION ${name}_occurred_at_name_idx; COMMIT`,
      query_timeout: BUILD_MS_MAX,
    }
    await client.query(build)
    return true
  } catch (error) {
    broken = error as Error
    throw error
  } finally {
    signal.removeEventListener('abort', cancel)
    // Also where the connection is closed now: the next day is tried before Postgres has noticed that.
    await client
      .query(`ROLLBACK; SELECT pg_advisory_unlock(${LOCKS.indexOldDays.key})`)
      .catch(() => {})
    client.release(broken)
  }
}
