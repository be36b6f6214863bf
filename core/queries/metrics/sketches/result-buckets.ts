import { sql } from 'kysely'
import type { Database } from '../../../db/database.ts'
import { watermark } from '../../../db/watermark.ts'
import type { TenantViewer } from '../../../identity/viewer.ts'
import { ceilBucket15m, floorBucket15m, type Instant, toMicros } from '../../instant.ts'
import { verifiedThrough } from '../../pipeline/verification.ts'
import { bucketOf, bucketStart, endOfBucket } from '../../sql/buckets.ts'
import type { MetricsArgs } from '../metrics-args.ts'

/** A bucket of the result, with events or without. */
export interface ResultBucket {
  timestamp: Instant
  isFinal: boolean
  /** What `bucketOf` returns, in milliseconds since 1970. */
  key: number
  /** 15-minute buckets of it that are in the range, or partly: half-open, in milliseconds since 1970. */
  fromMs: number
  beforeMs: number
}

export interface ResultBuckets {
  buckets: ResultBucket[]
  /** All of the tenant's sketches end there; undefined: there are none. */
  derivedThroughMs: number | undefined
  /** Sketches of buckets that end by then may lack events. */
  incompleteBefore: Instant | undefined
  finalThrough: Instant | undefined
  verifiedThrough: Instant | undefined
  asOf: Instant
}

/** No bucket of a day or longer is missed, however clocks are moved in it. */
const STEP = { DAY: '12 hours', WEEK: '12 hours', MONTH: '12 hours' } as const

/** Which buckets the result has, by the calendar of its time zone as Postgres has it, and what is known of the tenant. */
export async function findResultBuckets(
  db: Database,
  viewer: TenantViewer,
  { range, interval, timeZone }: MetricsArgs,
): Promise<ResultBuckets> {
  const step = interval in STEP ? STEP[interval as keyof typeof STEP] : '15 minutes'
  const first = sql`${floorBucket15m(range.start)}::timestamptz`
  const last = sql`${range.end}::timestamptz - interval '1 microsecond'`
  const times =
    interval === 'TOTAL'
      ? sql`SELECT ${first} AS at`
      : sql`SELECT generate_series(${first}, ${last}, ${step}::interval) AS at UNION ALL SELECT ${last}`
  const bucket = sql`b.bucket`
  const ms = (time: unknown) => sql`(extract(epoch FROM ${time}) * 1000)::float8`
  const { rows } = await sql<{
    key: number
    timestamp: Instant
    start_ms: number
    final: boolean
    derived_ms: number | null
    incomplete_before: Instant | null
    final_through: Instant | null
    verified_through: Instant | null
    as_of: Instant
  }>`
    WITH mark AS MATERIALIZED (SELECT ${watermark(viewer.tenantId)} AS at),
    b AS (SELECT DISTINCT ${bucketOf(sql`t.at`, interval, timeZone, range)} AS bucket FROM (${times}) t)
    SELECT ${ms(bucket)} AS key, ${bucketStart(bucket, interval, timeZone, range)} AS timestamp,
           ${ms(bucketStart(bucket, interval, timeZone, range))} AS start_ms,
           coalesce(mark.at >= ${endOfBucket(bucket, interval, timeZone, range)}, false) AS final,
           ${ms(sql`p.derived_through`)} AS derived_ms, p.incomplete_before, mark.at AS final_through, ${verifiedThrough} AS verified_through, now() AS as_of
      FROM mark LEFT JOIN sketch_progress p ON p.tenant_id = ${viewer.tenantId} CROSS JOIN b
     ORDER BY 3`.execute(db)
  const [startMs, endMs] = [
    Number(toMicros(floorBucket15m(range.start)) / 1000n),
    Number(toMicros(ceilBucket15m(range.end)) / 1000n),
  ]
  const found = rows[0]
  return {
    buckets: rows.map((row, i) => ({
      timestamp: row.timestamp,
      isFinal: row.final,
      key: row.key,
      fromMs: Math.max(startMs, i === 0 ? startMs : row.start_ms),
      beforeMs: Math.min(endMs, rows[i + 1]?.start_ms ?? endMs),
    })),
    derivedThroughMs: found?.derived_ms ?? undefined,
    incompleteBefore: found?.incomplete_before ?? undefined,
    finalThrough: found?.final_through ?? undefined,
    verifiedThrough: found?.verified_through ?? undefined,
    asOf: found?.as_of as Instant,
  }
}
