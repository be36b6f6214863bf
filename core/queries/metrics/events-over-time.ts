import { type RawBuilder, sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import type { TenantViewer } from '../../identity/viewer.ts'
import { type Instant, isBefore } from '../instant.ts'
import { QUERY_LIMITS } from '../limits.ts'
import { oldestEventDay } from '../oldest-event-day.ts'
import type { QueryResult, ResultInfo, Source } from '../query-result.ts'
<<<<<<< HEAD
import { bucketOf } from '../sql/buckets.ts'
import { countsFromRollups, marksOfNames } from '../sql/counts.ts'
import { partsOfCoveringMetric } from '../sql/covering-metric.ts'
import type { DayWindow } from '../sql/day-windows.ts'
import { daysReceived, inSnapshot, whereOccurred } from '../sql/days-received.ts'
=======
import { bucketOf, bucketStart, endOfBucket, lateIntervalOf } from '../sql/buckets.ts'
import { marksOfNames } from '../sql/counts.ts'
import { inOneSnapshot, inSnapshot } from '../sql/days-received.ts'
>>>>>>> h-why
import {
  describeMetric,
  isCounted,
  marksOfMetric,
  partsOfMetric,
  resolveMetric,
} from '../sql/declared-metric.ts'
<<<<<<< HEAD
import { dimensionsOf, shownDimensions, whereFilters } from '../sql/dimensions.ts'
import { countBucketsOf, type StoredRuns, snapshotFor } from '../sql/long-rollups.ts'
import { type Names, resolveNames, shownName, whereNames } from '../sql/names.ts'
import { eventNumber } from '../sql/numbers.ts'
import { checkRawBudget } from '../sql/raw-budget.ts'
import type { MetricsArgs, MetricsInput } from './metrics-args.ts'
=======
import { type Names, OTHER, resolveNames } from '../sql/names.ts'
import { canUseRollups, partsFromEvents, partsOfNames } from '../sql/parts-of-names.ts'
import type { Aggregate, MetricsArgs, MetricsInput } from './metrics-args.ts'
>>>>>>> h-why
import { tooManyPoints } from './metrics-points.ts'
import { metricsSql, type PointRow, pointsOf } from './metrics-sql.ts'
import { queryIdOf } from './query-id.ts'
import { estimateOverTime } from './sketches/estimate-over-time.ts'
import { isAddable } from './stored-buckets.ts'

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
  // So has what a metric counts.
  const read = <T>(work: (db: Database) => Promise<T>) =>
    metric || !canUseRollups(args, names) ? inSnapshot(db, work) : snapshotFor(db, args, work)
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
    (onlyRaw || metric
      ? await partsFromEvents(db, viewer, names, args)
      : await partsOfNames(db, viewer, names, args))
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

<<<<<<< HEAD
function canUseRollups(args: MetricsArgs, names: Names): boolean {
  return isAddable(args) && canUseStoredBuckets(args, names)
}

interface Parts {
  sql: RawBuilder<unknown>
  source: Source
  /** Of rollups; none where single events are read. */
  runs?: StoredRuns
}

/** From rollups of names, of a declared metric that counts the same, or from single events. */
async function partsOfNames(
  db: Database,
  viewer: TenantViewer,
  names: Names,
  args: MetricsArgs,
): Promise<Parts> {
  if (canUseRollups(args, names)) return partsFromRollups(db, viewer, names, args)
  return (
    (await partsOfCoveringMetric(db, viewer, names, args)) ??
    partsFromEvents(db, viewer, names, args)
  )
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
=======
/** How parts become a value; null (no event had a value) leaves the point out. */
const VALUE: Record<Aggregate, RawBuilder<unknown>> = {
  COUNT: sql`sum(p.count)`,
  SUM: sql`sum(p.sum)`,
  MIN: sql`min(p.min)`,
  MAX: sql`max(p.max)`,
  AVG: sql`sum(p.sum) / nullif(sum(p.value_count), 0)`,
  UNIQUES: sql`count(DISTINCT p.actor)`,
  P50: sql`percentile_cont(0.50) WITHIN GROUP (ORDER BY p.value)`,
  P95: sql`percentile_cont(0.95) WITHIN GROUP (ORDER BY p.value)`,
  P99: sql`percentile_cont(0.99) WITHIN GROUP (ORDER BY p.value)`,
}

/** Without groups each part is another actor already, and count() is cheaper than count(DISTINCT). */
function aggregateOf({ aggregate, groupBy }: MetricsArgs): RawBuilder<unknown> {
  return aggregate === 'UNIQUES' && groupBy.length === 0 ? sql`count(p.actor)` : VALUE[aggregate]
}

interface PointRow {
  timestamp: Instant
  dims: (string | null)[]
  value: number
  final: boolean
  late: number
  revised_at: Instant | null
  groups: number
  final_through: Instant | null
  as_of: Instant
}

/** Without points there is one row all the same, for `final_through`: it must be of the same snapshot. */
type MetricsRow = PointRow | (Omit<PointRow, 'timestamp'> & { timestamp: null })

function buildMetricsSql(
  viewer: TenantViewer,
  names: Names,
  args: MetricsArgs,
  parts: RawBuilder<unknown>,
  pointsMax: number,
  marks: RawBuilder<unknown> = marksOfNames(viewer, names, args.range),
): RawBuilder<MetricsRow> {
  const { range, interval, timeZone, groupBy } = args
  const bucket = sql`v.bucket`
  const lateInterval = lateIntervalOf(interval)
  const lateBucketOf = (time: RawBuilder<unknown>) => bucketOf(time, lateInterval, timeZone, range)
  const isMinutes = interval === 'MINUTE'
  const other = sql`array_fill(${OTHER}::text, ARRAY[${sql.lit(groupBy.length)}])`
  const ranked = sql`SELECT dims, row_number() OVER (ORDER BY sum(count) DESC, dims) AS rank FROM parts GROUP BY dims`
  return sql<MetricsRow>`
    WITH parts AS (${parts}),
    ranked AS (${groupBy.length === 0 ? sql`SELECT '{}'::text[] AS dims, 1 AS rank` : ranked}),
    valued AS (
      SELECT p.bucket, CASE WHEN r.rank <= ${sql.lit(QUERY_LIMITS.groupsMax)} THEN p.dims ELSE ${other} END AS dims,
             min(r.rank) AS rank, (${aggregateOf(args)})::float8 AS value
        FROM parts p JOIN ranked r ON r.dims = p.dims
       GROUP BY 1, 2
    ),
    late AS (
      SELECT ${lateBucketOf(sql`r.bucket`)} AS bucket, sum(r.late_count)::bigint AS count,
             max(r.revised_at) AS revised_at
        FROM (${marks}) r
       GROUP BY 1
    ),
    mark AS (
      SELECT ${watermark(viewer.tenantId)} AS at
    )
    SELECT ${bucketStart(bucket, interval, timeZone, range)} AS timestamp, v.dims, v.value,
           coalesce(mark.at >= ${endOfBucket(bucket, interval, timeZone, range)}, false) AS final,
           coalesce(late.count, 0) AS late, late.revised_at, (SELECT count(*) FROM ranked) AS groups,
           ${isMinutes ? lateBucketOf(sql`mark.at`) : sql`mark.at`} AS final_through, now() AS as_of
      FROM mark LEFT JOIN valued v ON v.value IS NOT NULL LEFT JOIN late ON late.bucket = ${isMinutes ? lateBucketOf(bucket) : bucket}
     ORDER BY v.bucket, v.rank LIMIT ${sql.lit(pointsMax + 1)}`
>>>>>>> h-why
}
