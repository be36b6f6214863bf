import { sql } from 'kysely'
import type { Database } from '../db/database.ts'
import type { Instant } from './instant.ts'
import { EVENT_DAYS, isoDate } from './sql/day-windows.ts'

/**
 * The first day of which single events are held; what was received earlier lives on in rollups only.
 * About the partitions of the table and no tenant, so it takes no viewer.
 */
export async function oldestEventDay(db: Database): Promise<Instant | undefined> {
  const { rows } = await sql<{ day: string | null }>`
    SELECT min(day) AS day FROM (${EVENT_DAYS}) d`.execute(db)
  const day = rows[0]?.day
  return day ? `${isoDate(day)}T00:00:00Z` : undefined
}
