import { sql } from 'kysely'
import type { Database } from '../db/database.ts'
import type { Instant } from './instant.ts'

/**
 * The first day of which single events are held; what was received earlier lives on in rollups only.
 * About the partitions of the table and no tenant, so it takes no viewer.
 */
export async function oldestEventDay(db: Database): Promise<Instant | undefined> {
  const { rows } = await sql<{ day: string | null }>`
    SELECT min(right(c.relname, 8)) AS day
      FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
     WHERE i.inhparent = 'event'::regclass AND c.relname ~ '^event_[0-9]{8}$'`.execute(db)
  const day = rows[0]?.day
  return day ? `${day.slice(0, 4)}-${day.slice(4, 6)}-${day.slice(6)}T00:00:00Z` : undefined
}
