import type pg from 'pg'
import { LOCKS } from '../../db/locks.ts'

const INDEX = 'event_by_occurrence'
/** Reading a day of 20 GB takes a minute or two. */
const BUILD_MS_MAX = 600_000
/** Whoever comes after a lock that waits waits as well. */
const LOCK_MS_MAX = 250

/**
 * Gives the days from before migration 19 the index that later ones have from the start, one day in a transaction.
 * Only days that are past: nearly nothing is written into them, and writing waits meanwhile. Until then their rows are
 * found by when they were received.
 * @returns the names of the days' tables
 */
export async function indexOldDays(pool: pg.Pool): Promise<string[]> {
  const indexed: string[] = []
  const { rows } = await pool.query<{ day: string }>(OLD_DAYS)
  for (const { day } of rows) if (await indexDay(pool, day)) indexed.push(day)
  return indexed
}

const OLD_DAYS = `
SELECT c.relname AS day FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
 WHERE i.inhparent = 'event'::regclass AND c.relname ~ '^event_[0-9]{8}$'
   AND right(c.relname, 8) < to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYYMMDD')
   AND NOT EXISTS (SELECT FROM pg_index x JOIN pg_inherits p ON p.inhrelid = x.indexrelid
                    WHERE x.indrelid = c.oid AND p.inhparent = '${INDEX}'::regclass)
 ORDER BY 1 DESC`

/** @returns false where another worker does it, or has done it */
async function indexDay(pool: pg.Pool, day: string): Promise<boolean> {
  const client = await pool.connect()
  let broken: Error | undefined
  try {
    const { rows } = await client.query<{ mine: boolean }>(
      `SELECT pg_try_advisory_lock(${LOCKS.indexOldDays.key}) AS mine`,
    )
    if (!rows[0]?.mine) return false
    const old = await client.query<{ day: string }>(OLD_DAYS)
    if (!old.rows.some((row) => row.day === day)) return false
    const build = {
      text: `BEGIN; SET LOCAL lock_timeout = ${LOCK_MS_MAX}; SET LOCAL statement_timeout = ${BUILD_MS_MAX};
        CREATE INDEX ${day}_occurred_at_name_idx ON ${day} USING brin (
          occurred_at timestamptz_minmax_multi_ops (values_per_range = 16), name text_bloom_ops (n_distinct_per_range = 200)
        ) WITH (pages_per_range = 32, autosummarize = on);
        ALTER INDEX ${INDEX} ATTACH PARTITION ${day}_occurred_at_name_idx; COMMIT`,
      query_timeout: BUILD_MS_MAX,
    }
    await client.query(build)
    return true
  } catch (error) {
    broken = error as Error
    throw error
  } finally {
    if (!broken)
      await client.query(`SELECT pg_advisory_unlock(${LOCKS.indexOldDays.key})`).catch(() => {})
    client.release(broken)
  }
}
