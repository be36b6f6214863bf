import type pg from 'pg'
import { LOCKS } from '../../db/locks.ts'

/**
 * Adds to outcome_total what only outcome_minute has: during an upgrade, workers of the former version still count by
 * the minute alone. Those of this version change both at once, so in any one snapshot all that the two differ by is of
 * the former version; what others add meanwhile is added to as well. One at a time, or two would add the same.
 * @returns for how many tenants they differed
 */
export async function reconcileTotals(pool: pg.Pool): Promise<number> {
  // As one message it is one transaction, and each statement sees what was committed before it.
  const results = (await pool.query(
    `SELECT pg_advisory_xact_lock(${LOCKS.reconcileTotals.key}); ${RECONCILE}`,
  )) as unknown as pg.QueryResult[]
  return results[1]?.rowCount ?? 0
}

const RECONCILE = `
INSERT INTO outcome_total AS t (tenant_id, stored, duplicate, conflicting, dead)
SELECT tenant_id, m.stored - coalesce(o.stored, 0), m.duplicate - coalesce(o.duplicate, 0),
       m.conflicting - coalesce(o.conflicting, 0), m.dead - coalesce(o.dead, 0)
  FROM (SELECT tenant_id, sum(stored)::bigint AS stored, sum(duplicate)::bigint AS duplicate,
               sum(conflicting)::bigint AS conflicting, sum(dead)::bigint AS dead
          FROM outcome_minute GROUP BY tenant_id) m
  LEFT JOIN outcome_total o USING (tenant_id)
 WHERE (m.stored, m.duplicate, m.conflicting, m.dead) IS DISTINCT FROM (o.stored, o.duplicate, o.conflicting, o.dead)
 ORDER BY tenant_id
ON CONFLICT (tenant_id) DO UPDATE SET
  stored = t.stored + EXCLUDED.stored,
  duplicate = t.duplicate + EXCLUDED.duplicate,
  conflicting = t.conflicting + EXCLUDED.conflicting,
  dead = t.dead + EXCLUDED.dead`
