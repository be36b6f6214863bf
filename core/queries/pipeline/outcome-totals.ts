import { sql } from 'kysely'
import type { Database } from '../../db/database.ts'

export type OutcomeTotals = Record<'stored' | 'duplicate' | 'conflicting' | 'dead', number>

/** Outcomes of all events since the beginning, over all tenants: for the operator, so it takes no viewer. */
export async function readOutcomeTotals(db: Database): Promise<OutcomeTotals> {
  // One row for each partition of the log, what former versions counted by tenant, and dead letters of no tenant.
  const { rows } = await sql<OutcomeTotals>`
    SELECT coalesce(sum(stored), 0)::bigint AS stored, coalesce(sum(duplicate), 0)::bigint AS duplicate,
           coalesce(sum(conflicting), 0)::bigint AS conflicting,
           (coalesce(sum(dead), 0) + (SELECT count(*) FROM dead_letter WHERE tenant_id IS NULL AND state <> 'replayed'))::bigint AS dead
      FROM (SELECT stored, duplicate, conflicting, dead FROM outcome_total_by_partition
            UNION ALL SELECT stored, duplicate, conflicting, dead FROM outcome_total) t`.execute(db)
  return rows[0] ?? { stored: 0, duplicate: 0, conflicting: 0, dead: 0 }
}
