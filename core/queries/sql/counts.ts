import { type RawBuilder, sql } from 'kysely'
import { LIMITS } from '../../../contract/limits.ts'
import { OTHER_METRIC } from '../../db/series-names.ts'
import type { TenantViewer } from '../../identity/viewer.ts'
import { ceilBucket15m, floorBucket15m, type Instant, toMicros } from '../instant.ts'
import type { Source } from '../query-result.ts'
import type { Range } from './buckets.ts'
import { type Names, whereNames, whereSeries } from './names.ts'

/**
 * Rows `(at, name, count, value_count, sum, min, max)` that together are all events of the range,
 * each counted once: `rollup_15m` for the 15-minute buckets wholly inside it, `event` for the partial ones at
 * its ends. One SELECT, so one snapshot: a batch that is committed meanwhile is in both or in neither.
 */
export function countsFromRollups(
  viewer: TenantViewer,
  names: Names,
  range: Range,
): { sql: RawBuilder<unknown>; source: Source } {
  const first = ceilBucket15m(range.start)
  const last = floorBucket15m(range.end)
  if (toMicros(first) >= toMicros(last))
    return { sql: countsFromEvents(viewer, names, range), source: 'raw' }

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
    if (toMicros(edge.start) < toMicros(edge.end)) parts.push(countsFromEvents(viewer, names, edge))
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

function countsFromEvents(viewer: TenantViewer, names: Names, range: Range): RawBuilder<unknown> {
  const hasOwnSeries = sql`EXISTS (
    SELECT FROM series s WHERE s.tenant_id = e.tenant_id AND s.metric = e.name
                           AND s.created_at <= ${names.sharedSince}::timestamptz)`
  return sql`
    SELECT date_bin('15 minutes', e.occurred_at, 'epoch') AS at, ${ownOrShared(sql`e.name`, hasOwnSeries, names)} AS name, count(*) AS count,
           count(e.value) AS value_count, coalesce(sum(e.value), 0) AS sum, min(e.value) AS min, max(e.value) AS max
      FROM event e WHERE ${whereNames(viewer, names)} AND ${whereOccurred(range)} GROUP BY 1, 2`
}

/**
 * The rows of `event e` that occurred in the range. No event is received more than a few minutes
 * before it occurred, so partitions of earlier days are not read.
 */
export function whereOccurred({ start, end }: Range): RawBuilder<unknown> {
  return sql`e.occurred_at >= ${start}::timestamptz AND e.occurred_at < ${end}::timestamptz
         AND e.received_on >= ${firstDayReceived(start)}::date`
}

function firstDayReceived(start: Instant): string {
  const ms = Date.parse(`${start.slice(0, 19)}Z`) - LIMITS.futureSecondsMax * 1000
  return new Date(Math.max(ms, FIRST_DAY_MS)).toISOString().slice(0, 10)
}

/** Nothing was received before. */
const FIRST_DAY_MS = 0
