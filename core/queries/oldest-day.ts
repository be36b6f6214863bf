import { sql } from 'kysely'
import type { Database } from '../db/database.ts'
import type { TenantViewer } from '../identity/viewer.ts'
import {
  BUCKET_15M_MICROS,
  ceilBucket15m,
  floorBucket15m,
  fromMicros,
  type Instant,
  isBefore,
  toMicros,
} from './instant.ts'
import type { Range } from './sql/buckets.ts'
import { countsFromRollups, whereOccurred } from './sql/counts.ts'
import { resolveNames, whereNames } from './sql/names.ts'

/**
 * Since when single events of a range are held, where others of it were dropped already; undefined
 * where all are there. Rollups know of every event that ever was: what they count and no row shows was dropped.
 * They know it by the quarter of an hour, so whole ones are compared.
 * Where nothing came in before (most tenants are young) there is nothing to count.
 */
export async function rawSince(
  db: Database,
  viewer: TenantViewer,
  range: Range,
): Promise<Instant | undefined> {
  const since = (await oldestEventDay(db)) ?? range.end
  if (!isBefore(range.start, since)) return undefined
  // Up to five minutes of the first day held may have come in on the day before.
  const until = fromMicros(toMicros(since) + BUCKET_15M_MICROS)
  const end = ceilBucket15m(range.end)
  const early = { start: floorBucket15m(range.start), end: isBefore(until, end) ? until : end }
  const names = await resolveNames(db, viewer, undefined)
  const { rows } = await sql<{ dropped: boolean }>`
    SELECT EXISTS (SELECT FROM outcome_minute
                    WHERE tenant_id = ${viewer.tenantId} AND minute < ${since}::timestamptz AND stored > 0)
       AND (SELECT coalesce(sum(c.count), 0) FROM (${countsFromRollups(viewer, names, early).sql}) c)
         > (SELECT count(*) FROM event e WHERE ${whereNames(viewer, names)} AND ${whereOccurred(early)})
        AS dropped`.execute(db)
  return rows[0]?.dropped ? since : undefined
}

/** Since when single events are still held; what was received earlier lives on in rollups only. */
export async function oldestEventDay(db: Database): Promise<Instant | undefined> {
  const { rows } = await sql<{ day: string | null }>`
    SELECT min(right(c.relname, 8)) AS day
      FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
     WHERE i.inhparent = 'event'::regclass AND c.relname ~ '^event_[0-9]{8}$'`.execute(db)
  const day = rows[0]?.day
  return day ? `${day.slice(0, 4)}-${day.slice(4, 6)}-${day.slice(6)}T00:00:00Z` : undefined
}
