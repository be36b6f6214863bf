import { type RawBuilder, sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import { badInput } from '../../lib/api-error.ts'
import { type Instant, isBefore } from '../instant.ts'
import { bucketOf, bucketStart, checkRange, type Interval, type Range } from './buckets.ts'

/**
 * The period before a range by the clock of a zone: whole months give as many months before, other ranges of a day and
 * longer as many days and hours of the clock, and shorter ones the time that passes.
 */
export async function previousPeriod(
  db: Database,
  { start, end }: Range,
  timeZone: string,
): Promise<Range> {
  const { rows } = await sql<{ start: Instant }>`
    WITH l AS (SELECT ${start}::timestamptz AT TIME ZONE ${timeZone} AS s, ${end}::timestamptz AT TIME ZONE ${timeZone} AS e),
    before AS (
      SELECT CASE
        WHEN s = date_trunc('month', s) AND e = date_trunc('month', e)
        THEN (s - make_interval(months => (12 * (date_part('year', e) - date_part('year', s))
                                           + date_part('month', e) - date_part('month', s))::int)) AT TIME ZONE ${timeZone}
        WHEN e - s >= interval '1 day' THEN (s - (e - s)) AT TIME ZONE ${timeZone}
        ELSE ${start}::timestamptz - (${end}::timestamptz - ${start}::timestamptz)
        END AS start FROM l)
    SELECT greatest(start, '0001-01-01Z'::timestamptz) AS start FROM before`.execute(db)
  return { start: (rows[0] as { start: Instant }).start, end: start }
}

/**
 * The other range of a comparison; undefined where the client named none.
 * @throws BAD_USER_INPUT
 */
export function givenRange(
  start: Instant | null | undefined,
  end: Instant | null | undefined,
): Range | undefined {
  if (start == null && end == null) return undefined
  if (start == null) throw badInput('previousStart', 'is missing; previousEnd alone is not a range')
  if (end == null) throw badInput('previousEnd', 'is missing; previousStart alone is not a range')
  const range = { start, end }
  checkRange(range, 'previousEnd')
  return range
}

export interface AlignedBucket {
  /** Null where the range has no such bucket. */
  at: Instant | null
  previousAt: Instant | null
}

interface Side {
  range: Range
  /** Starts of its buckets that have events. */
  buckets: readonly Instant[]
}

/**
 * Pairs the buckets of two ranges by their distance from the start of their range, by the clock of the zone: the third
 * day with the third day, and 14:00 of the first day with 14:00 of the first day. Where clocks go back, an hour that
 * comes twice has two buckets, paired in their order. Each bucket is in one pair.
 */
export async function alignBuckets(
  db: Database,
  own: Side,
  previous: Side,
  interval: Interval,
  timeZone: string,
): Promise<AlignedBucket[]> {
  const local = (time: RawBuilder<unknown>) => sql`(${time} AT TIME ZONE ${timeZone}::text)`
  const keyed = ({ range, buckets }: Side) => sql`
    SELECT t, key, row_number() OVER (PARTITION BY key ORDER BY t) AS n
      FROM (SELECT t, ${distance(local(sql`${range.start}::timestamptz`), local(sql`t`), interval)} AS key
              FROM unnest(${buckets}::timestamptz[]) t) k`
  const startAt = ({ range }: Side) => {
    const from = local(sql`${range.start}::timestamptz`)
    const time = sql`(${atDistance(from, sql`key`, interval)} AT TIME ZONE ${timeZone}::text)`
    return bucketStart(bucketOf(time, interval, timeZone, range), interval, timeZone, range)
  }
  const { rows } = await sql<Pair>`
    SELECT o.t AS at, ${startAt(own)} AS expected, p.t AS previous_at, ${startAt(previous)} AS previous_expected
      FROM (${keyed(own)}) o FULL JOIN (${keyed(previous)}) p USING (key, n) ORDER BY key, n`.execute(
    db,
  )
  const without = [emptyBuckets(own), emptyBuckets(previous)] as const
  return rows.map((row) => ({
    at: row.at ?? without[0](row.expected),
    previousAt: row.previous_at ?? without[1](row.previous_expected),
  }))
}

interface Pair {
  /** Null without events; where that bucket would begin is `expected`. */
  at: Instant | null
  expected: Instant
  previous_at: Instant | null
  previous_expected: Instant
}

/** @returns a bucket's start, if it is in the range and has no events: where clocks move, two distances can lead to one bucket */
function emptyBuckets({ range, buckets }: Side): (expected: Instant) => Instant | null {
  const known = new Set(buckets)
  return (expected) => (isBefore(expected, range.end) && !known.has(expected) ? expected : null)
}

type Sql = RawBuilder<unknown>

const STRIDES = { MINUTE: '1 minute', QUARTER_HOUR: '15 minutes', HOUR: '1 hour' } as const

const months = (time: Sql) => sql`(12 * date_part('year', ${time}) + date_part('month', ${time}))`

/** Of a local time from the start of a range: in months, weeks or days, else in seconds. */
function distance(from: Sql, time: Sql, interval: Interval): Sql {
  if (interval === 'TOTAL') return sql`0::bigint`
  if (interval === 'MONTH') return sql`(${months(time)} - ${months(from)})::bigint`
  if (interval === 'WEEK')
    return sql`((date_trunc('week', ${time})::date - date_trunc('week', ${from})::date) / 7)::bigint`
  if (interval === 'DAY') return sql`(${time}::date - ${from}::date)::bigint`
  return sql`extract(epoch FROM ${time} - ${firstOf(from, interval)})::bigint`
}

function atDistance(from: Sql, key: Sql, interval: Interval): Sql {
  if (interval === 'TOTAL') return from
  if (interval === 'MONTH' || interval === 'WEEK' || interval === 'DAY') {
    const unit = sql.lit(interval.toLowerCase())
    return sql`(date_trunc(${unit}, ${from}) + ${key} * ${sql.lit(`1 ${interval.toLowerCase()}`)}::interval)`
  }
  return sql`(${firstOf(from, interval)} + ${key} * interval '1 second')`
}

function firstOf(from: Sql, interval: keyof typeof STRIDES): Sql {
  return sql`date_bin(${sql.lit(STRIDES[interval])}::interval, ${from}, timestamp '2000-01-01')`
}
