import type pg from 'pg'
import { LIMITS } from '../../../contract/limits.ts'
import { DAY_MS } from '../../db/day-partitions.ts'

/** What was made smaller this time. */
export interface Pruned {
  lettersForgotten: number
  minutesFolded: number
}

export interface PruneDeps {
  pool: pg.Pool
  /** Of single events. */
  retentionDays: number
  now: () => number
  /** Rows that one statement takes away. */
  rowsMax?: number
}

/** The worker waits for this before it begins. A table that was never pruned is done within a few hours. */
const PRUNE_MS_MAX = 2_000

/**
 * What would grow for ever, as far as LIMITS say how long it is kept. Several workers may do it at
 * once: each takes rows that no other one holds. No sum changes by it: outcome_total stays what it
 * is, and a range counts the same, to the quarter of an hour.
 */
export async function prune(deps: PruneDeps): Promise<Pruned> {
  const { retentionDays } = deps
  // A replay of records that are older than what is kept would make their letters anew, and count them twice.
  const letterDays = Math.max(LIMITS.deadLetterDays, retentionDays + 2)
  return {
    lettersForgotten: await repeat(deps, FORGET_LETTERS, letterDays),
    minutesFolded: await repeat(deps, FOLD_MINUTES, LIMITS.outcomeMinuteDays),
  }
}

async function repeat({ pool, now, rowsMax = 5_000 }: PruneDeps, sql: string, days: number) {
  const before = new Date(now() - days * DAY_MS).toISOString()
  let all = 0
  for (const deadline = Date.now() + PRUNE_MS_MAX; Date.now() < deadline; ) {
    const { rows } = await pool.query<{ count: number }>(sql, [before, rowsMax])
    const count = rows[0]?.count ?? 0
    all += count
    if (count < rowsMax) break
  }
  return all
}

/** Only such as are in events.dlq. Those of no tenant are in nobody's sum, so they are put into one. */
const FORGET_LETTERS = `
WITH gone AS (
  DELETE FROM dead_letter WHERE dead_letter_id IN (
    SELECT dead_letter_id FROM dead_letter WHERE dead_at < $1 AND forwarded_at IS NOT NULL
     ORDER BY dead_at LIMIT $2 FOR UPDATE SKIP LOCKED)
  RETURNING tenant_id, state
), kept AS (
  INSERT INTO outcome_total AS t (tenant_id, dead)
  SELECT 0, count(*) FROM gone WHERE tenant_id IS NULL AND state <> 'replayed' HAVING count(*) > 0
  ON CONFLICT (tenant_id) DO UPDATE SET dead = t.dead + EXCLUDED.dead
)
SELECT count(*)::int AS count FROM gone`

const FOLD_MINUTES = `
WITH fine AS (
  SELECT tenant_id, minute FROM outcome_minute
   WHERE minute < $1 AND minute <> date_bin('15 minutes', minute, 'epoch')
   ORDER BY minute LIMIT $2 FOR UPDATE SKIP LOCKED
), gone AS (
  DELETE FROM outcome_minute o USING fine f WHERE o.tenant_id = f.tenant_id AND o.minute = f.minute
  RETURNING o.*
), kept AS (
  INSERT INTO outcome_minute AS o (tenant_id, minute, stored, duplicate, dead)
  SELECT g.tenant_id, date_bin('15 minutes', g.minute, 'epoch'), sum(g.stored)::bigint, sum(g.duplicate)::bigint, sum(g.dead)::bigint
    FROM gone g
   GROUP BY 1, 2
   ORDER BY 1, 2
  ON CONFLICT (tenant_id, minute) DO UPDATE SET
    stored = o.stored + EXCLUDED.stored,
    duplicate = o.duplicate + EXCLUDED.duplicate,
    dead = o.dead + EXCLUDED.dead
)
SELECT count(*)::int AS count FROM gone`
