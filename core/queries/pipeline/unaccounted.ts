import { sql } from 'kysely'
import type { Database } from '../../db/database.ts'

/** What the regular comparison of the log's counts with the outcomes has found (core/proof/check-balance.ts). */
export interface UnaccountedEvents {
  /** In all minutes that are kept: records without an outcome, and outcomes without a record. */
  events: number
  /** Since the newest minutes were compared; null: never. */
  checkedSecondsAgo: number | null
}

/** Of all tenants, for the operator and /metrics, so it takes no viewer. */
export async function readUnaccounted(db: Database): Promise<UnaccountedEvents> {
  const { rows } = await sql<UnaccountedEvents>`
    SELECT (SELECT coalesce(sum(abs(unaccounted)), 0)::float8 FROM unaccounted_minute) AS events,
           (SELECT extract(epoch FROM clock_timestamp() - checked_at)::float8 FROM balance_check) AS "checkedSecondsAgo"`.execute(
    db,
  )
  return rows[0] ?? { events: 0, checkedSecondsAgo: null }
}
