import { type RawBuilder, sql } from 'kysely'
import type { Database } from '../db/database.ts'
import type { TenantViewer } from '../identity/viewer.ts'
import { ceilBucket15m, floorBucket15m, type Instant, isBefore } from './instant.ts'
import { QUERY_LIMITS } from './limits.ts'
import type { Aggregate, MetricsArgs } from './metrics-args.ts'
import { bucketOf, bucketStart, endOfBucket } from './sql/buckets.ts'
import { countsFromRollups, whereOccurred } from './sql/counts.ts'
import { dimensionsOf, whereFilters } from './sql/dimensions.ts'
import { type Names, OTHER, resolveNames, shownName, whereNames, whereSeries } from './sql/names.ts'
import { watermark } from './watermark.ts'

export interface MetricPoint {
  /** Start of the bucket. */
  timestamp: Instant
  value: number
  /** One member for each of groupBy; null where events have none. */
  dimensions: Record<string, string | null>
  /** The watermark has passed the bucket's end, or the range's where that is earlier: only late events can still change it. */
  isFinal: boolean
  /** Late events in the bucket, whatever the grouping or the filter. */
  lateCount: number
}

export interface MetricsAnswer {
  points: MetricPoint[]
  source: 'rollup' | 'raw' | 'rollup+raw'
  /** Groups there are; beyond QUERY_LIMITS.groupsMax they are given together as `(other)`. */
  groupCount: number
}

/** Offsets from UTC are multiples of fifteen minutes since Liberia gave up its own on that day. */
const QUARTER_OFFSETS_SINCE = '1972-01-07T00:44:30Z'

/** Exact counts, sums and so on for start ≤ occurred_at < end. Buckets without events are left out. */
export async function eventsOverTime(
  db: Database,
  viewer: TenantViewer,
  question: MetricsArgs,
  { onlyRaw = false } = {},
): Promise<MetricsAnswer> {
  const names = await resolveNames(db, viewer, question.names)
  const { sql: parts, source } =
    onlyRaw || !rollupsHold(question, names)
      ? { sql: partsFromEvents(viewer, names, question), source: 'raw' as const }
      : partsFromRollups(viewer, names, question)
  const { rows } = await answer(viewer, names, question, parts).execute(db)
  return {
    source,
    groupCount: rows[0]?.groups ?? 0,
    points: rows.map(({ timestamp, dims, value, final, late }) => ({
      timestamp,
      value,
      dimensions: Object.fromEntries(question.groupBy.map((name, i) => [name, dims[i] ?? null])),
      isFinal: final,
      lateCount: late,
    })),
  }
}

function rollupsHold(question: MetricsArgs, names: Names): boolean {
  const { aggregate, groupBy, filters, timeZone, range } = question
  return (
    names.haveOwnSeries &&
    filters.length === 0 &&
    groupBy.every((dimension) => dimension === 'name') &&
    ['COUNT', 'SUM', 'MIN', 'MAX', 'AVG'].includes(aggregate) &&
    (timeZone === 'UTC' || !isBefore(range.start, QUARTER_OFFSETS_SINCE))
  )
}

/** Rows `(bucket, dims, count, value_count, sum, min, max)`, several for one group and bucket. */
function partsFromRollups(viewer: TenantViewer, names: Names, question: MetricsArgs) {
  const { range, interval, timeZone, groupBy } = question
  const counts = countsFromRollups(viewer, names, range)
  const dims = groupBy.length === 0 ? sql`'{}'::text[]` : sql`ARRAY[${shownName}]::text[]`
  return {
    source: counts.source,
    sql: sql`SELECT ${bucketOf(sql`c.at`, interval, timeZone, range)} AS bucket, ${dims} AS dims,
                    count, value_count, sum, min, max
               FROM (${counts.sql}) c`,
  }
}

/** The same from single events, with what the aggregate needs beyond it. */
function partsFromEvents(viewer: TenantViewer, names: Names, question: MetricsArgs) {
  const { range, interval, timeZone, groupBy, filters, aggregate } = question
  const bucket = bucketOf(sql`e.occurred_at`, interval, timeZone, range)
  const from = sql`
    FROM event e
   WHERE ${whereNames(viewer, names)} AND ${whereOccurred(range)} ${whereFilters(filters)}`
  const dims = dimensionsOf(groupBy)
  if (aggregate === 'UNIQUES')
    return sql`SELECT ${bucket} AS bucket, ${dims} AS dims, e.actor, count(*) AS count ${from} GROUP BY 1, 2, 3`
  if (aggregate.startsWith('P'))
    return sql`SELECT ${bucket} AS bucket, ${dims} AS dims, e.value, 1 AS count ${from}`
  return sql`
    SELECT ${bucket} AS bucket, ${dims} AS dims, count(*) AS count, count(e.value) AS value_count,
           coalesce(sum(e.value), 0) AS sum, min(e.value) AS min, max(e.value) AS max
    ${from} GROUP BY 1, 2`
}

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

/** Without groups each part is another actor already, and counting is cheaper than telling apart again. */
function aggregateOf({ aggregate, groupBy }: MetricsArgs): RawBuilder<unknown> {
  return aggregate === 'UNIQUES' && groupBy.length === 0 ? sql`count(p.actor)` : VALUE[aggregate]
}

interface Row {
  timestamp: Instant
  dims: (string | null)[]
  value: number
  final: boolean
  late: number
  groups: number
}

function answer(
  viewer: TenantViewer,
  names: Names,
  question: MetricsArgs,
  parts: RawBuilder<unknown>,
): RawBuilder<Row> {
  const { range, interval, timeZone, groupBy } = question
  const bucket = sql`v.bucket`
  const other = sql`array_fill(${OTHER}::text, ARRAY[${sql.lit(groupBy.length)}])`
  const ranked = sql`SELECT dims, row_number() OVER (ORDER BY sum(count) DESC, dims) AS rank FROM parts GROUP BY dims`
  return sql<Row>`
    WITH parts AS (${parts}),
    ranked AS (${groupBy.length === 0 ? sql`SELECT '{}'::text[] AS dims, 1 AS rank` : ranked}),
    valued AS (
      SELECT p.bucket, CASE WHEN r.rank <= ${sql.lit(QUERY_LIMITS.groupsMax)} THEN p.dims ELSE ${other} END AS dims,
             min(r.rank) AS rank, (${aggregateOf(question)})::float8 AS value
        FROM parts p JOIN ranked r ON r.dims = p.dims
       GROUP BY 1, 2
    ),
    late AS (
      SELECT ${bucketOf(sql`r.bucket`, interval, timeZone, range)} AS bucket, sum(r.late_count)::bigint AS count
        FROM series s JOIN rollup_15m r ON r.tenant_id = s.tenant_id AND r.series_id = s.series_id
       WHERE ${whereSeries(viewer, names)} AND r.late_count > 0
         AND r.bucket >= ${floorBucket15m(range.start)}::timestamptz
         AND r.bucket < ${ceilBucket15m(range.end)}::timestamptz
       GROUP BY 1
    ),
    mark AS (
      SELECT ${watermark(viewer.tenantId, viewer.allowedLatenessS)} AS at
    )
    SELECT ${bucketStart(bucket, interval, timeZone, range)} AS timestamp, v.dims, v.value,
           coalesce(mark.at >= ${endOfBucket(bucket, interval, timeZone, range)}, false) AS final,
           coalesce(late.count, 0) AS late, (SELECT count(*) FROM ranked) AS groups
      FROM valued v CROSS JOIN mark LEFT JOIN late ON late.bucket = v.bucket
     WHERE v.value IS NOT NULL
     ORDER BY v.bucket, v.rank`
}
