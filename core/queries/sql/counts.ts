import { type RawBuilder, sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import { OTHER_METRIC } from '../../db/series-names.ts'
import type { TenantViewer } from '../../identity/viewer.ts'
import { ceilBucket15m, floorBucket15m, toMicros } from '../instant.ts'
import type { Source } from '../query-result.ts'
import type { Interval, Range } from './buckets.ts'
import type { DayWindow } from './day-windows.ts'
import { daysReceived, whereOccurred } from './days-received.ts'
import { longSelects, type StoredRuns, storedRuns, whereShort, withEdges } from './long-rollups.ts'
import { type Names, whereNames, whereSeries } from './names.ts'

export interface CountArgs {
  range: Range
  /** Of the result's buckets: each row is in one of them. */
  interval: Interval
  timeZone: string
  /** Else all names of a row are one: its `name` means nothing. */
  byName: boolean
}

export interface CountedParts {
  sql: RawBuilder<unknown>
  source: Source
  /** Of rollups. */
  runs: StoredRuns
}

/**
 * Rows `(at, name, count, value_count, sum, min, max)` that together are all events of the range,
 * each counted once: rollups for the 15-minute buckets wholly inside it, as days and hours where these are derived, and
 * `event` for the partial ones at its ends. A batch that is committed meanwhile is in all of it or in none.
 * @param db of one snapshot, see `snapshotFor`: what is derived, and which days' events are read, is read first
 */
export async function countsFromRollups(
  db: Database,
  viewer: TenantViewer,
  names: Names,
  args: CountArgs,
): Promise<CountedParts> {
  const { range } = args
  const fromEvents = async (part: Range) =>
    countsFromEvents(viewer, names, part, await daysReceived(db, viewer, names, part))
  const first = ceilBucket15m(range.start)
  const last = floorBucket15m(range.end)
  if (toMicros(first) >= toMicros(last))
    return { sql: await fromEvents(range), source: 'raw', runs: [] }

  const runs = await storedRuns(db, viewer, { ...args, range: { start: first, end: last } })
  const parts = partsOfRuns(viewer, names, runs, args)
  let source: Source = 'rollup'
  for (const edge of [
    { start: range.start, end: first },
    { start: last, end: range.end },
  ])
    if (toMicros(edge.start) < toMicros(edge.end)) {
      parts.push(await fromEvents(edge))
      source = 'rollup+raw'
    }
  return { sql: sql.join(parts, sql` UNION ALL `), source, runs }
}

/** SQL: how many events rollups count in the 15-minute buckets of a range, which begins and ends with one. */
export async function rolledUpCount(
  db: Database,
  viewer: TenantViewer,
  names: Names,
  range: Range,
): Promise<RawBuilder<number>> {
  const runs = await storedRuns(db, viewer, { range, interval: 'TOTAL', timeZone: 'UTC' })
  const parts = partsOfRuns(viewer, names, runs, { byName: false })
  return sql<number>`(SELECT coalesce(sum(c.count), 0)::bigint FROM (${sql.join(parts, sql` UNION ALL `)}) c)`
}

function partsOfRuns(
  viewer: TenantViewer,
  names: Names,
  runs: StoredRuns,
  { byName }: Pick<CountArgs, 'byName'>,
): RawBuilder<unknown>[] {
  const sums = sql`r.count, r.value_count, r.sum, r.min, r.max`
  const name = ownOrShared(
    sql`s.metric`,
    sql`s.created_at <= ${names.sharedSince}::timestamptz`,
    names,
  )
  const where = whereSeries(viewer, names)
  const isTotal = !byName && names.only === undefined
  const parts = longSelects(viewer, {
    runs,
    columns: sql`r.bucket AS at, ${isTotal ? sql`''` : name} AS name, ${sums}`,
    series: isTotal ? undefined : { from: sql`series s`, where },
  })
  const short = whereShort(runs)
  if (short)
    parts.push(sql`SELECT r.bucket AS at, ${name} AS name, ${sums}
          FROM series s JOIN rollup_15m r ON r.tenant_id = s.tenant_id AND r.series_id = s.series_id
         WHERE ${where} AND ${short}`)
  return parts
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

/**
 * Rows `(bucket, late_count, revised_at)`, whatever the grouping or the filter.
 * @param runs of the 15-minute buckets that are wholly in the range; empty: all are read from 15-minute rows
 */
export function marksOfNames(
  viewer: TenantViewer,
  names: Names,
  range: Range,
  runs: StoredRuns = [],
): RawBuilder<unknown> {
  const where = whereSeries(viewer, names)
  const columns = sql`r.bucket, r.late_count, r.revised_at`
  const all = withEdges(runs, range)
  const parts = longSelects(viewer, {
    runs: all,
    columns,
    series: names.only === undefined ? undefined : { from: sql`series s`, where },
  })
  const short = whereShort(all)
  if (short)
    parts.push(sql`SELECT ${columns}
        FROM series s JOIN rollup_15m r ON r.tenant_id = s.tenant_id AND r.series_id = s.series_id
       WHERE ${where} AND (r.late_count > 0 OR r.revised_at IS NOT NULL) AND ${short}`)
  return sql.join(parts, sql` UNION ALL `)
}
