import { sql } from 'kysely'
import type { Database } from '../db/database.ts'
import type { TenantViewer } from '../identity/viewer.ts'
import type { QueryResult } from './query-result.ts'
import type { Range } from './sql/buckets.ts'

/**
 * Outcomes of the events received in the minutes that the range touches; of older ones in the 15-minute buckets
 * that begin in it (LIMITS.outcomeMinuteDays). Dead letters are counted here longer than they are kept.
 * @returns one row
 */
export async function outcomeCount(
  db: Database,
  viewer: TenantViewer,
  { range, outcome }: { range: Range; outcome: 'dead' | 'duplicate' | 'conflicting' },
): Promise<QueryResult<number>> {
  // As a constant: Postgres plans for the days of the range only.
  const first = `${range.start.slice(0, 16)}:00Z`
  const { rows } = await sql<{ count: number }>`
    SELECT coalesce(sum(${sql.ref(outcome)}), 0)::bigint AS count FROM outcome_minute
     WHERE tenant_id = ${viewer.tenantId}
       AND minute >= ${first}::timestamptz
       AND minute < ${range.end}::timestamptz`.execute(db)
  return {
    rows: [rows[0]?.count ?? 0],
    source: 'rollup',
    dependencies: [{ viewer, range, interval: 'TOTAL', final: true }],
  }
}
