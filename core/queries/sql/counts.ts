import { type RawBuilder, sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import { OTHER_METRIC } from '../../db/series-names.ts'
import type { TenantViewer } from '../../identity/viewer.ts'
import { ceilBucket15m, floorBucket15m, toMicros } from '../instant.ts'
import type { Source } from '../query-result.ts'
import type { Range } from './buckets.ts'
import type { DayWindow } from './day-windows.ts'
import { daysReceived, whereOccurred } from './days-received.ts'
import { type Names, whereNames, whereSeries } from './names.ts'

/**
 * Rows `(at, name, count, value_count, sum, min, max)` that together are all events of the range,
 * each counted once: `rollup_15m` for the 15-minute buckets wholly inside it, `event` for the partial ones at
 * its ends. One SELECT, so one snapshot: a batch that is committed meanwhile is in both or in neither.
 * @param db of one snapshot (`inOneSnapshot`): which days' events are read is read first
 */
export async function countsFromRollups(
  db: Database,
  viewer: TenantViewer,
  names: Names,
  range: Range,
): Promise<{ sql: RawBuilder<unknown>; source: Source }> {
  const fromEvents = async (part: Range) =>
    countsFromEvents(viewer, names, part, await daysReceived(db, viewer, names, part))
  const first = ceilBucket15m(range.start)
  const last = floorBucket15m(range.end)
  if (toMicros(first) >= toMicros(last)) return { sql: await fromEvents(range), source: 'raw' }

  const parts = [
    sql`SELECT r.bucket AS at, ${ownOrShared(sql`s.metric`, sql`s.created_at <= ${names.sharedSince}::timestamptz`, names)} AS name, r.count, r.value_count, r.sum, r.min, r.max
          FROM series s JOIN rollup_15m r ON r.tenant_id = s.tenant_id AND r.series_id = s.series_id
         WHERE ${whereSeries(viewer, names)}
           AND r.bucket >= ${first}::timestamptz AND r.bucket < ${last}::timestamptz`,
  ]
  for (const edge of [
    { start: range.start, end: first },
    { start: last, end: range.end },
  ])
    if (toMicros(edge.start) < toMicros(edge.end)) parts.push(await fromEvents(edge))
  return {
    sql: sql.join(parts, sql` UNION ALL `),
    source: parts.length === 1 ? 'rollup' : 'rollup+raw',
  }
}

/**
 * The name as it is listed. Where some names share a series, those without a settled series of their own are counted
 * there in all parts of the range: else a name would be listed by its own for the partial buckets alone.
 */
function ownOrShared(
  name: RawBuilder<unknown>,
  hasOwn: RawBuilder<unknown>,
  { only, sharedSince }: Names,
): RawBuilder<unknown> {
  if (only !== undefined || sharedSince === undefined) return name
  return sql`CASE WHEN ${hasOwn} THEN ${name} ELSE ${OTHER_METRIC} END`
}

function countsFromEvents(
  viewer: TenantViewer,
  names: Names,
  range: Range,
  days: DayWindow,
): RawBuilder<unknown> {
  const hasOwnSeries = sql`EXISTS (
    SELECT FROM series s WHERE s.tenant_id = e.tenant_id AND s.metric = e.name
                           AND s.created_at <= ${names.sharedSince}::timestamptz)`
  return sql`
    SELECT date_bin('15 minutes', e.occurred_at, 'epoch') AS at, ${ownOrShared(sql`e.name`, hasOwnSeries, names)} AS name, count(*) AS count,
           count(e.value) AS value_count, coalesce(sum(e.value), 0) AS sum, min(e.value) AS min, max(e.value) AS max
      FROM event e WHERE ${whereNames(viewer, names)} AND ${whereOccurred(range, days)} GROUP BY 1, 2`
}

/** Rows `(bucket, late_count, revised_at)`, whatever the grouping or the filter. */
export function marksOfNames(
  viewer: TenantViewer,
  names: Names,
  range: Range,
): RawBuilder<unknown> {
  return sql`
      SELECT r.bucket, r.late_count, r.revised_at
        FROM series s JOIN rollup_15m r ON r.tenant_id = s.tenant_id AND r.series_id = s.series_id
       WHERE ${whereSeries(viewer, names)} AND (r.late_count > 0 OR r.revised_at IS NOT NULL)
         AND r.bucket >= ${floorBucket15m(range.start)}::timestamptz
         AND r.bucket < ${ceilBucket15m(range.end)}::timestamptz`
}
