import { type RawBuilder, sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import type { TenantViewer } from '../../identity/viewer.ts'
import { type Instant, isBefore } from '../instant.ts'
import { QUERY_LIMITS } from '../limits.ts'
import { oldestEventDay } from '../oldest-event-day.ts'
import type { QueryResult, ResultInfo, Source } from '../query-result.ts'
import { bucketOf } from '../sql/buckets.ts'
import { countsFromRollups, marksOfNames } from '../sql/counts.ts'
import type { DayWindow } from '../sql/day-windows.ts'
import { daysReceived, inSnapshot, whereOccurred } from '../sql/days-received.ts'
import {
  describeMetric,
  isCounted,
  marksOfMetric,
  partsOfMetric,
  resolveMetric,
} from '../sql/declared-metric.ts'
import { dimensionsOf, shownDimensions, whereFilters } from '../sql/dimensions.ts'
import { countBucketsOf, type StoredRuns, snapshotFor } from '../sql/long-rollups.ts'
import { type Names, resolveNames, shownName, whereNames } from '../sql/names.ts'
import { eventNumber } from '../sql/numbers.ts'
import { checkRawBudget } from '../sql/raw-budget.ts'
import type { MetricsArgs, MetricsInput } from './metrics-args.ts'
import { tooManyPoints } from './metrics-points.ts'
import { metricsSql, type PointRow, pointsOf } from './metrics-sql.ts'
import { queryIdOf } from './query-id.ts'
import { estimateOverTime } from './sketches/estimate-over-time.ts'
import { canUseStoredBuckets, isAddable } from './stored-buckets.ts'

export interface MetricPoint {
  /** Start of the bucket. */
  timestamp: Instant
  value: number
  /** One member for each of groupBy; null where events have none. */
  dimensions: Record<string, string | null>
  /** The watermark has passed the bucket's end, or the range's where that is earlier: only late events can still change it. */
  isFinal: boolean
  /** Late events in the bucket (of a minute: in its 15-minute bucket), whatever the grouping or the filter. */
  lateCount: number
  /** When an event, late or imported, was last added after the bucket may have been called final; null: never. */
  revisedAt: Instant | null
}

export interface MetricsResult extends QueryResult<MetricPoint> {
  info: ResultInfo
}

/** Of rows of one series: that many more than the buckets of a result are no reason to add them up first. */
const FEW_BUCKETS = 400

/**
 * Counts, sums and so on for start ≤ occurred_at < end. Buckets without events are left out. All are exact but for
 * distinct actors and percentiles from sketches, unless `exactness` is EXACT.
 * @throws BAD_USER_INPUT that names the argument
 */
export async function eventsOverTime(
  db: Database,
  viewer: TenantViewer,
  input: MetricsInput,
  { onlyRaw = false } = {},
): Promise<MetricsResult> {
  const { metric, args } = await resolveMetric(db, viewer, input)
  const names = await resolveNames(db, viewer, args.names)
  const pointsMax = input.pointsMax ?? QUERY_LIMITS.pointsMax
  const estimate = onlyRaw || metric ? undefined : await estimateOverTime(db, viewer, names, args)
  if (estimate) {
    const { points, source } = estimate
    if (points.length > pointsMax) throw tooManyPoints(pointsMax)
    const info = await describeResult(db, viewer, args, estimate)
    return resultOf(viewer, args, points, source, info)
  }
  // A filter is counted from series only where none are counted together, which has to hold while they are read.
  const read = <T>(work: (db: Database) => Promise<T>) =>
    metric ? inSnapshot(db, work) : snapshotFor(db, args, work)
  const { found, source, isLimited } = await read(async (db) => {
    const ofMetric =
      metric && !onlyRaw && isAddable(args)
        ? await partsOfMetric(db, viewer, metric, names, args)
        : undefined
    const {
      sql: parts,
      source,
      runs,
    } = ofMetric ??
    (onlyRaw || metric || !canUseRollups(args, names)
      ? await partsFromEvents(db, viewer, names, args)
      : await partsFromRollups(db, viewer, names, args))
    const areFew = runs !== undefined && countBucketsOf(runs) <= FEW_BUCKETS
    const marks = metric
      ? marksOfMetric(viewer, metric, args.range, runs)
      : marksOfNames(viewer, names, args.range, runs)
    const { rows } = await metricsSql(viewer, args, { parts, pointsMax, marks, areFew }).execute(db)
    return { found: rows, source, isLimited: ofMetric?.isLimited ?? false }
  })
  if (found.length > pointsMax) throw tooManyPoints(pointsMax)
  const points = pointsOf(found)
  const isWhole = (row: PointRow) => !metric || source === 'raw' || isCounted(metric, row)
  const rows = points.map((row) => toPoint({ ...row, final: row.final && isWhole(row) }, args))
  const info = await describeResult(db, viewer, args, {
    source,
    errorBound: 0,
    groups: points.length === 0 ? 0 : (found[0]?.groups ?? 0),
    // Without points there is one row all the same.
    asOf: found[0]?.as_of as Instant,
    finalThrough: found[0]?.final_through ?? undefined,
  })
  if (!metric) return resultOf(viewer, args, rows, source, info)
  const described = describeMetric(metric, info, { range: args.range, isLimited })
  const result = resultOf(viewer, args, rows, source, described)
  // No notification tells how far a history is counted.
  return metric.isBackfilling ? { ...result, dependencies: null } : result
}

function resultOf(
  viewer: TenantViewer,
  { range, interval }: MetricsArgs,
  rows: MetricPoint[],
  source: Source,
  info: ResultInfo,
): MetricsResult {
  const final = rows.every(({ isFinal }) => isFinal)
  return { rows, source, dependencies: [{ viewer, range, interval, final }], info }
}

function toPoint(row: PointRow, { groupBy }: MetricsArgs): MetricPoint {
  return {
    timestamp: row.timestamp,
    value: row.value,
    dimensions: Object.fromEntries(groupBy.map((name, i) => [name, row.dims[i] ?? null])),
    isFinal: row.final,
    lateCount: row.late,
    revisedAt: row.revised_at,
  }
}

interface Found {
  source: Source
  errorBound: number
  /** Beyond QUERY_LIMITS.groupsMax they are counted together as `(other)`. */
  groups: number
  asOf: Instant
  finalThrough: Instant | undefined
  /** Of sketches: events received earlier may be missing. */
  rawSince?: Instant | undefined
}

async function describeResult(
  db: Database,
  viewer: TenantViewer,
  args: MetricsArgs,
  { source, errorBound, groups, asOf, finalThrough, rawSince }: Found,
): Promise<ResultInfo> {
  const { interval, timeZone, groupBy, range, names } = args
  const info: ResultInfo = {
    source,
    asOf,
    final: finalThrough !== undefined && !isBefore(finalThrough, range.end),
    definition: { metric: names?.join(',') ?? '*', kind: 'event', version: 1 },
    errorBound,
    queryId: queryIdOf(viewer, args),
    interval,
    timeZone,
  }
  if (finalThrough !== undefined) info.finalThrough = finalThrough
  if (groupBy.length > 0)
    info.groups = { found: groups, listed: Math.min(groups, QUERY_LIMITS.groupsMax) }
  if (rawSince) info.rawSince = rawSince
  if (source === 'raw' || source === 'rollup+raw') {
    const since = await oldestEventDay(db)
    if (since !== undefined && isBefore(range.start, since)) info.rawSince = since
  }
  return info
}

function canUseRollups(args: MetricsArgs, names: Names): boolean {
  return isAddable(args) && canUseStoredBuckets(args, names)
}

interface Parts {
  sql: RawBuilder<unknown>
  source: Source
  /** Of rollups; none where single events are read. */
  runs?: StoredRuns
}

/** Rows `(bucket, dims, count, value_count, sum, min, max)`, several for one group and bucket. */
async function partsFromRollups(
  db: Database,
  viewer: TenantViewer,
  names: Names,
  args: MetricsArgs,
): Promise<Parts> {
  const { range, interval, timeZone, groupBy } = args
  const byName = groupBy.length > 0
  const counts = await countsFromRollups(db, viewer, names, { range, interval, timeZone, byName })
  const dims = groupBy.length === 0 ? sql`'{}'::text[]` : sql`ARRAY[${shownName}]::text[]`
  return {
    source: counts.source,
    runs: counts.runs,
    sql: sql`SELECT ${bucketOf(sql`c.at`, interval, timeZone, range)} AS bucket, ${dims} AS dims,
                    count, value_count, sum, min, max
               FROM (${counts.sql}) c`,
  }
}

/** The same from single events, with the columns that the aggregate needs beyond these. */
async function partsFromEvents(
  db: Database,
  viewer: TenantViewer,
  names: Names,
  args: MetricsArgs,
): Promise<Parts> {
  await checkRawBudget(db, viewer, names, args.range)
  const days = await daysReceived(db, viewer, names, args.range)
  return { sql: eventParts(viewer, names, args, days), source: 'raw' }
}

function eventParts(
  viewer: TenantViewer,
  names: Names,
  args: MetricsArgs,
  days: DayWindow,
): RawBuilder<unknown> {
  const { range, interval, timeZone, groupBy, filters, aggregate } = args
  const value = eventNumber(args.value)
  const bucket = bucketOf(sql`e.occurred_at`, interval, timeZone, range)
  const from = sql`
    FROM event e
   WHERE ${whereNames(viewer, names)} AND ${whereOccurred(range, days)} ${whereFilters(filters)}`
  const dims = dimensionsOf(groupBy)
  if (aggregate === 'UNIQUES')
    return sql`SELECT ${bucket} AS bucket, ${dims} AS dims, e.actor, count(*) AS count ${from} GROUP BY 1, 2, 3`
  if (aggregate.startsWith('P'))
    return sql`SELECT ${bucket} AS bucket, ${dims} AS dims, ${value} AS value, 1 AS count ${from}`
  const columns = shownDimensions(groupBy).map((shown, i) => sql`${shown} AS ${sql.ref(`d${i}`)}`)
  const shown = groupBy.map((_, i) => sql.ref(`g.d${i}`))
  const grouped = sql.join([sql`bucket`, ...groupBy.map((_, i) => sql.ref(`d${i}`))])
  // What a count does not need is not computed for each of a million rows.
  const sums =
    aggregate === 'COUNT'
      ? sql`count(*) AS count`
      : sql`count(*) AS count, count(${value}) AS value_count, coalesce(sum(${value}), 0) AS sum, min(${value}) AS min, max(${value}) AS max`
  return sql`
    SELECT g.*, ${groupBy.length === 0 ? sql`'{}'::text[]` : sql`ARRAY[${sql.join(shown)}]::text[]`} AS dims
      FROM (SELECT ${sql.join([sql`${bucket} AS bucket`, ...columns, sums])} ${from} GROUP BY ${grouped}) g`
}
