import { type RawBuilder, sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import {
  CLOCK_WAS_SET_BACK,
  LONG_MINUTES,
  NAMES_METRIC,
  TOTAL_SERIES,
} from '../../db/tables/long-rollups.ts'
import type { SKETCH_MINUTES, SketchMinutes } from '../../db/tables/sketches.ts'
import type { TenantViewer } from '../../identity/viewer.ts'
import { ceilBucket15m, floorBucket15m, fromMicros, type Instant, toMicros } from '../instant.ts'
import { coverRange, joinRuns, type SketchRun } from '../metrics/sketches/cover.ts'
import { bucketOf, bucketStart, type Interval, type Range } from './buckets.ts'
import { inOneSnapshot, inSnapshot } from './days-received.ts'

export interface LongArgs {
  /** Undefined: event names. */
  metricId?: number
  /** Begins and ends with a 15-minute bucket. */
  range: Range
  interval: Interval
  timeZone: string
}

/** Which rows of which length are exactly the range, each in one bucket of the result; 15-minute rows among them. */
export type StoredRuns = readonly SketchRun[]

/** Shorter ranges have few 15-minute rows. */
const LENGTH_MS_MIN = 6 * 3_600_000
const HOUR_MS = 3_600_000
/** Where there are more, all is read from 15-minute rows. */
const REVISED_HOURS_MAX = 500
/** A few ranges are conditions of their own; many short ones are a list of buckets, which are look-ups. */
const RANGES_MAX = 4
const BUCKETS_LISTED_MAX = 5_000

/**
 * Days and hours where all of their 15-minute rows are in them, and 15-minute rows elsewhere: after what is derived,
 * where days or hours of the time zone are no whole ones of UTC, and of hours that were revised a moment ago.
 * @param db of one snapshot, in which the rows are read as well
 */
export async function storedRuns(
  db: Database,
  viewer: TenantViewer,
  args: LongArgs,
): Promise<StoredRuns> {
  const [fromMs, beforeMs] = [msOf(args.range.start), msOf(args.range.end)]
  const whole = wholeRun(args.range)
  if (!mayUseLong(args.interval) || beforeMs - fromMs < LENGTH_MS_MIN) return whole
  const found = await readProgress(db, viewer, args)
  const throughMs = Math.min(beforeMs, found.throughMs ?? Number.NEGATIVE_INFINITY)
  if (throughMs <= fromMs || !found.hasWholeHours) return whole
  const minutesMax: SketchMinutes = args.interval === 'HOUR' ? 60 : 1440
  const runs: SketchRun[] = []
  const starts = [fromMs, ...found.starts.filter((ms) => ms > fromMs && ms < beforeMs), beforeMs]
  for (let i = 1; i < starts.length; i++) {
    const [start, end] = [starts[i - 1] as number, starts[i] as number]
    let from = start
    for (const hour of found.revisedHours) {
      if (hour + HOUR_MS <= from || hour >= Math.min(end, throughMs)) continue
      runs.push(...coverRange(from, Math.max(from, hour), minutesMax))
      const next = Math.min(end, hour + HOUR_MS)
      runs.push({ minutes: 15, fromMs: Math.max(from, hour), beforeMs: next })
      from = next
    }
    runs.push(...coverRange(from, Math.min(end, throughMs), minutesMax))
    const open = Math.max(from, throughMs)
    if (open < end) runs.push({ minutes: 15, fromMs: open, beforeMs: end })
  }
  return joinRuns(runs)
}

/** All of it as 15-minute rows. */
export function wholeRun({ start, end }: Range): StoredRuns {
  return [{ minutes: 15, fromMs: msOf(start), beforeMs: msOf(end) }]
}

/** The same with the 15-minute buckets that are partly in the range, at its ends. */
export function withEdges(runs: StoredRuns, { start, end }: Range): StoredRuns {
  const [first, last] = [floorBucket15m(start), ceilBucket15m(end)].map(msOf) as [number, number]
  if (runs.length === 0) return [{ minutes: 15, fromMs: first, beforeMs: last }]
  const from = Math.min(...runs.map(({ fromMs }) => fromMs))
  const before = Math.max(...runs.map(({ beforeMs }) => beforeMs))
  return [
    { minutes: 15, fromMs: first, beforeMs: from },
    ...runs,
    { minutes: 15, fromMs: before, beforeMs: last },
  ]
}

/** Runs `work` in one snapshot where more than one statement of it reads what changes. */
export function snapshotFor<T>(
  db: Database,
  { range, interval }: { range: Range; interval: Interval },
  work: (db: Database) => Promise<T>,
): Promise<T> {
  const isLong = mayUseLong(interval) && msOf(range.end) - msOf(range.start) >= LENGTH_MS_MIN
  return isLong ? inSnapshot(db, work) : inOneSnapshot(db, range, work)
}

function mayUseLong(interval: Interval): boolean {
  return interval !== 'MINUTE' && interval !== 'QUARTER_HOUR'
}

interface Progress {
  throughMs: number | undefined
  /** Of the clock of the time zone; only asked for by HOUR. */
  hasWholeHours: boolean
  /** Starts of the result's buckets where they may begin within a day of UTC. */
  starts: number[]
  revisedHours: number[]
}

/**
 * Rows that were revised earlier than `checked_to` are in the longer ones (core/worker/long-rollups); of later ones it is
 * not known, and of none while `checked_to` is ahead of a clock that was set back.
 */
async function readProgress(
  db: Database,
  viewer: TenantViewer,
  { metricId = NAMES_METRIC, range, interval, timeZone }: LongArgs,
): Promise<Progress> {
  const time = (at: Instant) => sql`${at}::timestamptz`
  const ms = (at: RawBuilder<unknown>) => sql`(extract(epoch FROM ${at}) * 1000)::float8`
  const series = sql`generate_series(${time(range.start)}, ${time(range.end)}, interval '12 hours')`
  const isLocal = timeZone !== 'UTC'
  const offset = sql`extract(minute FROM t.at AT TIME ZONE ${sql.lit(timeZone)} - t.at AT TIME ZONE 'UTC')`
  const wholeHours =
    isLocal && interval === 'HOUR'
      ? sql`(SELECT bool_and(${offset} = 0) FROM (SELECT ${series} UNION ALL SELECT ${time(range.end)}) t (at))`
      : sql`true`
  const bucket = sql`b.bucket`
  const starts =
    isLocal && interval !== 'HOUR' && interval !== 'TOTAL'
      ? sql`ARRAY(SELECT ${ms(bucketStart(bucket, interval, timeZone, range))}
                    FROM (SELECT DISTINCT ${bucketOf(sql`t.at`, interval, timeZone, range)} AS bucket
                            FROM (SELECT ${series} UNION ALL SELECT ${time(range.end)}) t (at)) b ORDER BY 1)`
      : sql`'{}'::float8[]`
  const { rows } = await sql<{
    through_ms: number | null
    whole_hours: boolean
    starts: number[]
    revised: number[]
    set_back: boolean
  }>`
    SELECT ${ms(sql`p.derived_through`)} AS through_ms, ${wholeHours} AS whole_hours, ${starts} AS starts,
           ARRAY(SELECT DISTINCT ${ms(sql`date_bin('1 hour', r.bucket, 'epoch')`)} FROM rollup_15m r
                  WHERE r.tenant_id = ${viewer.tenantId} AND r.revised_at IS NOT NULL AND r.revised_at >= v.checked_to
                    AND r.bucket >= ${time(range.start)} AND r.bucket < ${time(range.end)}
                  ORDER BY 1 LIMIT ${sql.lit(REVISED_HOURS_MAX + 1)}) AS revised,
           ${sql.raw(CLOCK_WAS_SET_BACK)} AS set_back
      FROM rollup_long_progress p CROSS JOIN rollup_long_revision v
     WHERE p.tenant_id = ${viewer.tenantId} AND p.metric_id = ${metricId}`.execute(db)
  const found = rows[0]
  const isUnusable = found?.set_back || (found?.revised.length ?? 0) > REVISED_HOURS_MAX
  return {
    throughMs: isUnusable ? undefined : (found?.through_ms ?? undefined),
    hasWholeHours: found?.whole_hours ?? false,
    starts: found?.starts ?? [],
    revisedHours: found?.revised ?? [],
  }
}

/** How many rows a series has of these buckets at most. */
export function countBucketsOf(runs: StoredRuns): number {
  return runs.reduce((sum, run) => sum + (run.beforeMs - run.fromMs) / (run.minutes * 60_000), 0)
}

/** Where 15-minute rows `r` are read, as a condition; undefined: nowhere. */
export function whereShort(runs: StoredRuns): RawBuilder<unknown> | undefined {
  return whereRuns(runs, 15)
}

export interface LongRead {
  metricId?: number
  runs: StoredRuns
  /** What is read of rows `r` and series `s`. */
  columns: RawBuilder<unknown>
  /** Rows `s (series_id)`, and conditions on them; undefined: all series together, which is one row a bucket. */
  series?: { from: RawBuilder<unknown>; where: RawBuilder<unknown> } | undefined
}

/** SELECTs of the longer rows, one for each length. */
export function longSelects(
  viewer: TenantViewer,
  { metricId = NAMES_METRIC, runs, columns, series }: LongRead,
): RawBuilder<unknown>[] {
  return LONG_MINUTES.flatMap((minutes) => {
    const where = whereRuns(runs, minutes)
    if (!where) return []
    const rows = sql`r.tenant_id = ${viewer.tenantId} AND r.metric_id = ${metricId} AND r.minutes = ${sql.lit(minutes)} AND ${where}`
    return series
      ? sql`SELECT ${columns} FROM ${series.from} JOIN rollup_long r ON r.series_id = s.series_id WHERE ${series.where} AND ${rows}`
      : sql`SELECT ${columns} FROM rollup_long r WHERE r.series_id = ${sql.lit(TOTAL_SERIES)} AND ${rows}`
  })
}

/** The bounds are constants, which partitions are pruned by. */
function whereRuns(
  all: StoredRuns,
  minutes: (typeof SKETCH_MINUTES)[number],
): RawBuilder<unknown> | undefined {
  const runs = all.filter((run) => run.minutes === minutes && run.fromMs < run.beforeMs)
  const [first, last] = [runs[0], runs.at(-1)]
  if (!first || !last) return undefined
  const bounds = sql`r.bucket >= ${timeOf(first.fromMs)} AND r.bucket < ${timeOf(last.beforeMs)}`
  if (runs.length === 1) return bounds
  if (runs.length <= RANGES_MAX || countBucketsOf(runs) > BUCKETS_LISTED_MAX) {
    const ranges = runs.map(
      (run) => sql`(r.bucket >= ${timeOf(run.fromMs)} AND r.bucket < ${timeOf(run.beforeMs)})`,
    )
    return sql`${bounds} AND (${sql.join(ranges, sql` OR `)})`
  }
  const spanMs = minutes * 60_000
  const buckets: string[] = []
  for (const { fromMs, beforeMs } of runs)
    for (let ms = fromMs; ms < beforeMs; ms += spanMs) buckets.push(instantOf(ms))
  return sql`${bounds} AND r.bucket = ANY (${buckets}::timestamptz[])`
}

const timeOf = (ms: number) => sql`${instantOf(ms)}::timestamptz`

function instantOf(ms: number): Instant {
  return fromMicros(BigInt(ms) * 1000n)
}

function msOf(instant: Instant): number {
  return Number(toMicros(instant) / 1000n)
}
