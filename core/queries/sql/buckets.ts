import { type RawBuilder, sql } from 'kysely'
import { badInput } from '../../lib/api-error.ts'
import { ceilBucket15m, fromMicros, type Instant, toMicros } from '../instant.ts'
import { QUERY_LIMITS } from '../limits.ts'

export type Interval = 'MINUTE' | 'QUARTER_HOUR' | 'HOUR' | 'DAY' | 'WEEK' | 'MONTH' | 'TOTAL'

/** Half-open: start ≤ occurred_at < end. */
export interface Range {
  start: Instant
  end: Instant
}

const MINUTE = 60_000_000n
const HOUR = 60n * MINUTE
const DAY = 24n * HOUR

/** The shortest that a bucket of the interval can be, in microseconds. */
const SHORTEST = {
  MINUTE: MINUTE,
  QUARTER_HOUR: 15n * MINUTE,
  HOUR: HOUR,
  DAY: 23n * HOUR,
  WEEK: 7n * DAY - HOUR,
  MONTH: 28n * DAY - HOUR,
} as const

/** Gives some fifty to two hundred points, whatever the range. */
export function defaultInterval({ start, end }: Range): Interval {
  const length = toMicros(end) - toMicros(start)
  if (length <= DAY) return 'QUARTER_HOUR'
  if (length <= 8n * DAY) return 'HOUR'
  if (length <= 200n * DAY) return 'DAY'
  if (length <= 3n * 366n * DAY) return 'WEEK'
  return 'MONTH'
}

export function checkRange({ start, end }: Range, argument = 'endTime'): void {
  if (toMicros(end) <= toMicros(start))
    throw badInput(
      argument,
      `must be after ${argument.replace('End', 'Start').replace('end', 'start')}`,
    )
}

export function checkBuckets(range: Range, interval: Interval, grouped: boolean): void {
  if (interval === 'TOTAL') return
  const hoursMax = QUERY_LIMITS.minuteRangeHoursMax
  if (
    interval === 'MINUTE' &&
    toMicros(range.end) - toMicros(range.start) > BigInt(hoursMax) * HOUR
  )
    throw badInput(
      'interval',
      `MINUTE is for ranges of up to ${hoursMax} hours, because it reads single events; QUARTER_HOUR is kept for every range`,
    )
  const max = grouped ? QUERY_LIMITS.bucketsGroupedMax : QUERY_LIMITS.bucketsMax
  const count = countBuckets(range, interval)
  if (count > max)
    throw badInput(
      'interval',
      `${interval} gives about ${count} points in this range; at most ${max} are returned${grouped ? ' with groupBy' : ''}`,
    )
}

/** At most so many buckets are in the range. */
export function countBuckets({ start, end }: Range, interval: Interval): number {
  if (interval === 'TOTAL') return 1
  return Number((toMicros(end) - toMicros(start)) / SHORTEST[interval] + 1n)
}

/** The period of the same length that ends where the range begins. */
export function periodBefore({ start, end }: Range): Range {
  const length = toMicros(end) - toMicros(start)
  return { start: fromMicros(toMicros(start) - length), end: start }
}

/**
 * A zone of the IANA database. Postgres also accepts POSIX strings, whose sign is inverted, and
 * abbreviations, which ignore daylight-saving time: neither is what a client means.
 */
export function checkTimeZone(timeZone: string): string {
  const invalid = () =>
    badInput(
      'timeZone',
      `"${timeZone.slice(0, 64)}" is not the name of a time zone, such as UTC, Europe/Berlin or Asia/Kathmandu`,
    )
  if (timeZone === 'UTC') return timeZone
  if (/^(?:UTC|GMT|Z)?[+-]?\d|^[+-]|^Z$/.test(timeZone))
    throw badInput(
      'timeZone',
      'takes the name of a zone such as Asia/Kolkata instead of an offset, because offsets change with daylight-saving time',
    )
  if (/^[A-Z]{2,5}$/.test(timeZone))
    throw badInput(
      'timeZone',
      `takes the name of a zone such as America/New_York instead of the abbreviation ${timeZone}`,
    )
  if (!/^[A-Za-z]+(?:\/[A-Za-z0-9_+-]+){1,2}$/.test(timeZone)) throw invalid()
  try {
    new Intl.DateTimeFormat('en', { timeZone })
  } catch {
    throw invalid()
  }
  return timeZone
}

type Sql<T> = RawBuilder<T>

/** The start of a time's bucket, as an SQL expression. WEEK is ISO: it begins on Monday. */
export function bucketOf(
  time: Sql<unknown>,
  interval: Interval,
  timeZone: string,
  range: Range,
): Sql<string> {
  if (interval === 'TOTAL') return sql`${range.start}::timestamptz`
  if (interval === 'MINUTE') return sql`date_bin('1 minute', ${time}, 'epoch')`
  if (interval === 'QUARTER_HOUR') return sql`date_bin('15 minutes', ${time}, 'epoch')`
  const start = sql<string>`date_trunc(${sql.lit(interval.toLowerCase())}, ${time}, ${sql.lit(timeZone)})`
  return interval === 'HOUR' && HALF_HOUR_SHIFTS.has(timeZone)
    ? afterShift(start, time, timeZone)
    : start
}

/** Zones whose clocks are moved by half an hour, so that an hour of the clock is cut in two. */
const HALF_HOUR_SHIFTS: ReadonlySet<string> = new Set(['Australia/Lord_Howe', 'Australia/LHI'])

/**
 * Where the clock moved between the start of an hour and a time in it, the bucket begins with the move. Moves are at
 * a full hour of the clock as it was: forward by half an hour, or back by it, so the rest is half an hour either way.
 */
function afterShift(start: Sql<string>, time: Sql<unknown>, timeZone: string): Sql<string> {
  const offset = (at: Sql<unknown>) =>
    sql`(${at} AT TIME ZONE ${sql.lit(timeZone)} - ${at} AT TIME ZONE 'UTC')`
  const isMoved = sql`${offset(start)} <> ${offset(time)}`
  return sql`CASE WHEN ${isMoved} THEN ${start} + interval '30 minutes' ELSE ${start} END`
}

/** By which buckets late events are counted: minutes share what is known of their 15-minute bucket. */
export function lateIntervalOf(interval: Interval): Interval {
  return interval === 'MINUTE' ? 'QUARTER_HOUR' : interval
}

/**
 * The bucket's end, or the range's if that is earlier. Events are late by 15-minute buckets, so it is the end of a
 * whole one.
 */
export function endOfBucket(
  bucket: Sql<unknown>,
  interval: Interval,
  timeZone: string,
  range: Range,
): Sql<string> {
  if (interval === 'MINUTE')
    return sql`date_bin('15 minutes', ${bucket}, 'epoch') + interval '15 minutes'`
  if (interval === 'QUARTER_HOUR') return sql`${bucket} + interval '15 minutes'`
  const end = sql<string>`${ceilBucket15m(range.end)}::timestamptz`
  if (interval === 'TOTAL') return end
  const next = sql`date_add(${bucket}, ${sql.lit(`1 ${interval.toLowerCase()}`)}, ${sql.lit(timeZone)})`
  return sql`least(${next}, ${end})`
}

/**
 * Where clocks go back over midnight (Havana), midnight comes twice; date_trunc returns the second
 * one for the whole day, but the day began with the first.
 */
export function bucketStart(
  bucket: Sql<unknown>,
  interval: Interval,
  timeZone: string,
  range: Range,
): Sql<string> {
  if (interval !== 'DAY' && interval !== 'WEEK' && interval !== 'MONTH') return sql`${bucket}`
  const before = sql`${bucket} - interval '1 hour'`
  return sql`CASE WHEN ${bucketOf(before, interval, timeZone, range)} = ${bucket} THEN ${before} ELSE ${bucket} END`
}
