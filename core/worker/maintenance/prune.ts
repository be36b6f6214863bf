import type pg from 'pg'
import { LIMITS } from '../../../contract/limits.ts'
import { DAY_MS } from '../../db/day-partitions.ts'
import { WORKBENCH_LIMITS } from '../../dead-letters/limits.ts'

/** What one run deleted. */
export interface PruneResult {
  deadLettersDeleted: number
}

export interface PruneDeps {
  pool: pg.Pool
  /** Of raw events. */
  retentionDays: number
  now: () => number
  /** Rows that one statement deletes. */
  rowsMax?: number
}

/** For one table in one run. A table that was never pruned is done within a few hours. */
const PRUNE_MS_MAX = 2_000

/**
 * Deletes what would grow for ever, after as long as LIMITS say. Several workers may do it at once: each takes
 * rows that no other one has locked. No sum changes by it: outcome_total_by_partition stays what it is.
 */
export async function prune(deps: PruneDeps): Promise<PruneResult> {
  const { retentionDays } = deps
  // A replay of records that are older than this would create their dead letters again, and count them twice.
  const deadLetterDays = Math.max(LIMITS.deadLetterDays, retentionDays + 2)
  const deadLettersDeleted = await repeat(deps, DELETE_DEAD_LETTERS, deadLetterDays)
  await repeat(deps, DELETE_DEAD_LETTER_HOURS, deadLetterDays)
  await repeat(deps, DELETE_DEAD_LETTER_JOBS, WORKBENCH_LIMITS.jobDays)
  return { deadLettersDeleted }
}

async function repeat({ pool, now, rowsMax = 5_000 }: PruneDeps, sql: string, days: number) {
  const before = new Date(now() - days * DAY_MS).toISOString()
  let all = 0
  for (const deadline = performance.now() + PRUNE_MS_MAX; performance.now() < deadline; ) {
    const { rows } = await pool.query<{ count: number }>(sql, [before, rowsMax])
    const count = rows[0]?.count ?? 0
    all += count
    if (count < rowsMax) break
  }
  return all
}

/** Only those that are in events.dlq. Those without a tenant are in no total while they are kept, so they get one of their own. */
const DELETE_DEAD_LETTERS = `
WITH deleted AS (
  DELETE FROM dead_letter WHERE dead_letter_id IN (
    SELECT dead_letter_id FROM dead_letter WHERE dead_at < $1 AND forwarded_at IS NOT NULL
     ORDER BY dead_at LIMIT $2 FOR UPDATE SKIP LOCKED)
  RETURNING tenant_id, state
), folded AS (
  INSERT INTO outcome_total_by_partition AS t (partition, dead)
  SELECT -1, count(*) FROM deleted WHERE tenant_id IS NULL AND state <> 'replayed' HAVING count(*) > 0
  ON CONFLICT (partition) DO UPDATE SET dead = t.dead + EXCLUDED.dead
)
SELECT count(*)::int AS count FROM deleted`

const DELETE_DEAD_LETTER_HOURS = `
WITH deleted AS (
  DELETE FROM dead_letter_hour WHERE (tenant_id, fingerprint, hour) IN (
    SELECT tenant_id, fingerprint, hour FROM dead_letter_hour WHERE hour < $1 ORDER BY hour LIMIT $2 FOR UPDATE SKIP LOCKED)
  RETURNING 1
)
SELECT count(*)::int AS count FROM deleted`

const DELETE_DEAD_LETTER_JOBS = `
WITH deleted AS (
  DELETE FROM dead_letter_job WHERE job_id IN (
    SELECT job_id FROM dead_letter_job WHERE finished_at < $1 ORDER BY job_id LIMIT $2 FOR UPDATE SKIP LOCKED)
  RETURNING 1
)
SELECT count(*)::int AS count FROM deleted`
