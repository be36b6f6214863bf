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
import { oldestEventDay } from './oldest-event-day.ts'
import type { QueryResult } from './query-result.ts'
import type { Range } from './sql/buckets.ts'
import { countsFromRollups } from './sql/counts.ts'
import { dayWindows, windowsWithin } from './sql/day-windows.ts'
import { firstDayReceived, inSnapshot, whereOccurred } from './sql/days-received.ts'
import { resolveNames, whereNames } from './sql/names.ts'

/**
 * Since when single events of a range are held, where others of it were dropped already. Rollups know of every
 * event that ever was: what they count and no row shows was dropped. They know it by 15-minute buckets, so whole
 * ones are compared.
 * @returns one row; none where every event of the range is held
 */
export async function rawSince(
  db: Database,
  viewer: TenantViewer,
  { range }: { range: Range },
): Promise<QueryResult<Instant>> {
  return inSnapshot(db, (db) => findRawSince(db, viewer, { range }))
}

/** @param db of one snapshot: what is counted and what is held are compared */
export async function findRawSince(
  db: Database,
  viewer: TenantViewer,
  { range }: { range: Range },
): Promise<QueryResult<Instant>> {
  const since = (await oldestEventDay(db)) ?? range.end
  const isDropped =
    isBefore(range.start, since) && (await hasDroppedEvents(db, viewer, range, since))
  return {
    rows: isDropped ? [since] : [],
    source: 'rollup+raw',
    dependencies: [{ viewer, range, interval: 'TOTAL', final: true }],
  }
}

async function hasDroppedEvents(
  db: Database,
  viewer: TenantViewer,
  range: Range,
  since: Instant,
): Promise<boolean> {
  // Up to five minutes of the first day held may have been received on the day before.
  const until = fromMicros(toMicros(since) + BUCKET_15M_MICROS)
  const end = ceilBucket15m(range.end)
  const early = { start: floorBucket15m(range.start), end: isBefore(until, end) ? until : end }
  const names = await resolveNames(db, viewer, undefined)
  const { sql: counts } = await countsFromRollups(db, viewer, names, {
    range: early,
    // Not of one snapshot: from 15-minute rows alone.
    interval: 'QUARTER_HOUR',
    timeZone: 'UTC',
    byName: false,
  })
  const { rows } = await sql<{ count: number }>`
    SELECT coalesce(sum(c.count), 0)::bigint AS count FROM (${counts}) c`.execute(db)
  const counted = rows[0]?.count ?? 0
  const windows = windowsWithin(await dayWindows(db), { first: firstDayReceived(early.start) })
  let held = 0
  // The oldest days first: there most of them were received.
  for (const window of windows.reverse()) {
    if (held >= counted) return false
    const { rows } = await sql<{ count: number }>`
      SELECT count(*) AS count FROM event e
       WHERE ${whereNames(viewer, names)} AND ${whereOccurred(early, window)}`.execute(db)
    held += rows[0]?.count ?? 0
  }
  return held < counted
}
