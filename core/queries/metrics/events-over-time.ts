import type { Database } from '../../db/database.ts'
import type { TenantViewer } from '../../identity/viewer.ts'
import { type Instant, isBefore } from '../instant.ts'
import { QUERY_LIMITS } from '../limits.ts'
import { oldestEventDay } from '../oldest-event-day.ts'
import type { QueryResult, ResultInfo, Source } from '../query-result.ts'
import { marksOfNames } from '../sql/counts.ts'
import { inSnapshot } from '../sql/days-received.ts'
import {
  describeMetric,
  isCounted,
  marksOfMetric,
  partsOfMetric,
  resolveMetric,
} from '../sql/declared-metric.ts'
import { countBucketsOf, snapshotFor } from '../sql/long-rollups.ts'
import { resolveNames } from '../sql/names.ts'
import { canUseRollups, partsFromEvents, partsOfNames } from '../sql/parts-of-names.ts'
import type { MetricsArgs, MetricsInput } from './metrics-args.ts'
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
    verifiedThrough: found[0]?.verified_through ?? undefined,
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
  verifiedThrough: Instant | undefined
  /** Of sketches: events received earlier may be missing. */
  rawSince?: Instant | undefined
}

async function describeResult(
  db: Database,
  viewer: TenantViewer,
  args: MetricsArgs,
  { source, errorBound, groups, asOf, finalThrough, verifiedThrough, rawSince }: Found,
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
  if (verifiedThrough !== undefined) info.verifiedThrough = verifiedThrough
  if (groupBy.length > 0)
    info.groups = { found: groups, listed: Math.min(groups, QUERY_LIMITS.groupsMax) }
  if (rawSince) info.rawSince = rawSince
  if (source === 'raw' || source === 'rollup+raw') {
    const since = await oldestEventDay(db)
    if (since !== undefined && isBefore(range.start, since)) info.rawSince = since
  }
  return info
}
