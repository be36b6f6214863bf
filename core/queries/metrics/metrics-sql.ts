import { type RawBuilder, sql } from 'kysely'
import { watermark } from '../../db/watermark.ts'
import type { TenantViewer } from '../../identity/viewer.ts'
import type { Instant } from '../instant.ts'
import { QUERY_LIMITS } from '../limits.ts'
import { verifiedThrough } from '../pipeline/verification.ts'
import { bucketOf, bucketStart, endOfBucket, lateIntervalOf } from '../sql/buckets.ts'
import { OTHER } from '../sql/names.ts'
import type { Aggregate, MetricsArgs } from './metrics-args.ts'

/** A point as it is read: what its bucket has is in the first one of the bucket, what all have in the first one of all. */
export interface MetricsRow {
  is_first: boolean
  /** Null in the one row that there is without points: what all have must be of the same snapshot. */
  dims: (string | null)[] | null
  value: number
  timestamp: Instant | null
  final: boolean | null
  late: number | null
  revised_at: Instant | null
  groups: number | null
  final_through: Instant | null
  verified_through: Instant | null
  as_of: Instant | null
}

export interface PointRow {
  timestamp: Instant
  dims: (string | null)[]
  value: number
  final: boolean
  late: number
  revised_at: Instant | null
}

/** Points with what their bucket has. */
export function pointsOf(rows: readonly MetricsRow[]): PointRow[] {
  const points: PointRow[] = []
  let bucket: Omit<PointRow, 'dims' | 'value'> | undefined
  for (const { dims, value, is_first, timestamp, final, late, revised_at } of rows) {
    if (dims === null) continue
    if (is_first)
      bucket = {
        timestamp: timestamp as Instant,
        final: final === true,
        late: late ?? 0,
        revised_at,
      }
    points.push({ ...(bucket as NonNullable<typeof bucket>), dims, value })
  }
  return points
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

/** Without groups each part is another actor already, and count() is cheaper than count(DISTINCT). */
function aggregateOf({ aggregate, groupBy }: MetricsArgs): RawBuilder<unknown> {
  return aggregate === 'UNIQUES' && groupBy.length === 0 ? sql`count(p.actor)` : VALUE[aggregate]
}

/** Rows `(bucket, dims, rank, value)`: the groups beyond the first hundred are one. */
function valuedSql(
  args: MetricsArgs,
  areFew: boolean,
): {
  ranked: RawBuilder<unknown>
  valued: RawBuilder<unknown>
} {
  const { groupBy, aggregate } = args
  const value = sql`(${aggregateOf(args)})::float8 AS value`
  if (groupBy.length === 0)
    return {
      ranked: sql`SELECT 1`,
      valued: sql`SELECT p.bucket, '{}'::text[] AS dims, 1 AS rank, ${value} FROM parts p GROUP BY 1`,
    }
  const other = sql`array_fill(${OTHER}::text, ARRAY[${sql.lit(groupBy.length)}])`
  const isListed = sql`r.rank <= ${sql.lit(QUERY_LIMITS.groupsMax)}`
  const order = sql`row_number() OVER (ORDER BY sum(count) DESC, dims) AS rank`
  if (aggregate === 'UNIQUES' || aggregate.startsWith('P'))
    return {
      ranked: sql`SELECT dims, ${order} FROM parts GROUP BY dims`,
      valued: sql`
      SELECT p.bucket, CASE WHEN ${isListed} THEN p.dims ELSE ${other} END AS dims, min(r.rank) AS rank, ${value}
        FROM parts p JOIN ranked r ON r.dims = p.dims GROUP BY 1, 2`,
    }
  // Each group with its buckets as arrays: a join with the ranks would compare each of many rows with each group, because
  // Postgres expects a few rows of what row security filters.
  const columns = COLUMNS[aggregate] as readonly string[]
  const list = (of: (name: string) => RawBuilder<unknown>) => sql.join(columns.map(of))
  const grouped = sql`(SELECT bucket, dims, ${list((name) => sql`${SUMMED[name] as RawBuilder<unknown>} AS ${sql.ref(name)}`)} FROM parts GROUP BY 1, 2)`
  return {
    ranked: sql`
      SELECT dims, ${order}, array_agg(bucket) AS buckets, ${list((name) => sql`array_agg(${sql.ref(name)}) AS ${sql.ref(name)}`)}
        FROM ${areFew ? sql`parts` : grouped} g GROUP BY dims`,
    valued: sql`
      SELECT p.bucket, CASE WHEN ${isListed} THEN r.dims ELSE ${other} END AS dims, min(r.rank) AS rank, ${value}
        FROM ranked r CROSS JOIN unnest(r.buckets, ${list((name) => sql`r.${sql.ref(name)}`)}) AS p (bucket, ${list((name) => sql.ref(name))})
       GROUP BY 1, 2`,
  }
}

/** What is needed of the parts; the count is what groups are ranked by. */
const COLUMNS: Record<string, readonly string[]> = {
  COUNT: ['count'],
  SUM: ['count', 'sum'],
  MIN: ['count', 'min'],
  MAX: ['count', 'max'],
  AVG: ['count', 'value_count', 'sum'],
}
const SUMMED: Record<string, RawBuilder<unknown>> = {
  count: sql`sum(count)`,
  value_count: sql`sum(value_count)`,
  sum: sql`sum(sum)`,
  min: sql`min(min)`,
  max: sql`max(max)`,
}

export interface MetricsParts {
  /** Rows `(bucket, dims, count, value_count, sum, min, max)`, several for one group and bucket. */
  parts: RawBuilder<unknown>
  /** Rows `(bucket, late_count, revised_at)`. */
  marks: RawBuilder<unknown>
  pointsMax: number
  /** Parts are about as many as groups and buckets: adding them up first would be of no use. */
  areFew: boolean
}

/** The points in their order, and one more than `pointsMax` where there are more. */
export function metricsSql(
  viewer: TenantViewer,
  args: MetricsArgs,
  { parts, marks, pointsMax, areFew }: MetricsParts,
): RawBuilder<MetricsRow> {
  const { range, interval, timeZone } = args
  const lateInterval = lateIntervalOf(interval)
  const lateBucketOf = (time: RawBuilder<unknown>) => bucketOf(time, lateInterval, timeZone, range)
  const isMinutes = interval === 'MINUTE'
  const { ranked, valued } = valuedSql(args, areFew)
  const bucket = sql`n.bucket`
  const lateBucket = isMinutes ? lateBucketOf(sql`b.bucket`) : sql`b.bucket`
  const ofBucket = (value: RawBuilder<unknown>) => sql`CASE WHEN n.is_first THEN ${value} END`
  const ofAll = (value: RawBuilder<unknown>) =>
    sql`CASE WHEN coalesce(n.index, 1) = 1 THEN ${value} END`
  // Marks are rows among the points, and not joined to them, for the same reason as above.
  return sql<MetricsRow>`
    WITH parts AS (${parts}),
    ranked AS (${ranked}),
    valued AS (${valued}),
    entries AS (
      SELECT bucket, dims, rank, value, NULL::bigint AS late, NULL::timestamptz AS revised_at FROM valued WHERE value IS NOT NULL
      UNION ALL
      SELECT ${lateBucketOf(sql`r.bucket`)}, NULL, NULL, NULL, sum(r.late_count)::bigint, max(r.revised_at) FROM (${marks}) r GROUP BY 1
    ),
    marked AS (
      SELECT b.bucket, b.dims, b.rank, b.value, sum(b.late) OVER w AS late, max(b.revised_at) OVER w AS revised_at
        FROM entries b WINDOW w AS (PARTITION BY ${lateBucket})
    ),
    numbered AS (
      SELECT m.*, row_number() OVER w AS index, m.bucket IS DISTINCT FROM lag(m.bucket) OVER w AS is_first
        FROM marked m WHERE m.dims IS NOT NULL WINDOW w AS (ORDER BY m.bucket, m.rank)
    ),
    mark AS (
      SELECT ${watermark(viewer.tenantId)} AS at
    )
    SELECT coalesce(n.is_first, false) AS is_first, n.dims, n.value,
           ${ofBucket(bucketStart(bucket, interval, timeZone, range))} AS timestamp,
           ${ofBucket(sql`coalesce(mark.at >= ${endOfBucket(bucket, interval, timeZone, range)}, false)`)} AS final,
           ${ofBucket(sql`coalesce(n.late, 0)::bigint`)} AS late, ${ofBucket(sql`n.revised_at`)} AS revised_at,
           ${ofAll(sql`(SELECT count(*) FROM ranked)`)} AS groups,
           ${ofAll(isMinutes ? lateBucketOf(sql`mark.at`) : sql`mark.at`)} AS final_through, ${ofAll(verifiedThrough)} AS verified_through,
           ${ofAll(sql`now()`)} AS as_of
      FROM mark LEFT JOIN numbered n ON true
     ORDER BY n.index LIMIT ${sql.lit(pointsMax + 1)}`
}
