import { sql } from 'kysely'
import type { Database } from '../../db/database.ts'

/** Dead letters of all tenants that are not in events.dlq yet: for the operator, so it takes no viewer. */
export async function countDeadLettersToForward(db: Database): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    SELECT count(*) AS count FROM dead_letter WHERE forwarded_at IS NULL`.execute(db)
  return rows[0]?.count ?? 0
}
