import { DateTime } from 'luxon'

/** What the person chose: a stretch that moves with the clock, or one that stays. Milliseconds. */
export type Range =
  | { is: 'relative'; id: RelativeId }
  | { is: 'absolute'; from: number; to: number }

/** MINUTE comes from the live connection, by time received; all others from `metrics`, by time of occurrence. */
export type Step = 'MINUTE' | Interval
export type Interval = 'QUARTER_HOUR' | 'HOUR' | 'DAY' | 'WEEK' | 'MONTH'

export const RELATIVES = {
  '15m': { says: 'Last 15 minutes', step: 'MINUTE', buckets: 15 },
  '30m': { says: 'Last 30 minutes', step: 'MINUTE', buckets: 30 },
  '1h': { says: 'Last hour', step: 'MINUTE', buckets: 60 },
  '6h': { says: 'Last 6 hours', step: 'QUARTER_HOUR', buckets: 24 },
  '24h': { says: 'Last 24 hours', step: 'QUARTER_HOUR', buckets: 96 },
  '7d': { says: 'Last 7 days', step: 'HOUR', buckets: 168 },
  '30d': { says: 'Last 30 days', step: 'DAY', buckets: 30 },
  '90d': { says: 'Last 90 days', step: 'DAY', buckets: 90 },
  '12mo': { says: 'Last 12 months', step: 'MONTH', buckets: 12 },
} as const satisfies Record<string, { says: string; step: Step; buckets: number }>
export type RelativeId = keyof typeof RELATIVES

export const RANGE_DEFAULT: Range = { is: 'relative', id: '1h' }

const MINUTE = 60_000
const QUARTER = 15 * MINUTE
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const BUCKETS_MAX = 400

/** A range made definite at one moment. All times are milliseconds. */
export interface Stretch {
  step: Step
  /** By whose clock buckets begin. */
  zone: string
  /** Starts of all buckets, oldest first; the last one may still be open. */
  buckets: number[]
  /** What of them is counted: all, unless a range was chosen that begins or ends within one. */
  window: Window
  /** Where counting ends so far: now, or the window's end if that is earlier. */
  end: number
  /** The same number of buckets before them, and what of those is counted. */
  previousBuckets: number[]
  previousWindow: Window
}

/** Half-open, milliseconds. */
export interface Window {
  from: number
  to: number
}

/** Buckets begin where the clock on the wall of that zone says so, daylight-saving days included. */
export function stretchOf(
  range: Range,
  now: number,
  zone: string,
  options: { minutes?: boolean } = {},
): Stretch {
  if (range.is === 'absolute') {
    const step = stepFor(range.to - range.from)
    const start = floor(range.from, step, zone)
    const buckets = [start]
    for (
      let next = plus(start, step, 1, zone);
      next < range.to && buckets.length < BUCKETS_MAX;
      next = plus(start, step, buckets.length, zone)
    )
      buckets.push(next)
    return finish(step, buckets, now, zone, range)
  }
  const { step, buckets: wanted } = RELATIVES[range.id]
  if (step === 'MINUTE' && options.minutes === false) {
    const first = floor(now - wanted * MINUTE, 'QUARTER_HOUR', zone)
    const count = Math.floor((now - first) / QUARTER) + 1
    return finish('QUARTER_HOUR', counted(first, 'QUARTER_HOUR', count, zone), now, zone)
  }
  const open = floor(now, step, zone)
  return finish(step, counted(plus(open, step, 1 - wanted, zone), step, wanted, zone), now, zone)
}

/** The coarsest step that still shows a shape: between a dozen and about two hundred points. */
export function stepFor(lengthMs: number): Interval {
  if (lengthMs <= 25 * HOUR) return 'QUARTER_HOUR'
  if (lengthMs <= 8 * DAY) return 'HOUR'
  if (lengthMs <= 130 * DAY) return 'DAY'
  if (lengthMs <= 800 * DAY) return 'WEEK'
  return 'MONTH'
}

/**
 * What stands in the URL: `range=24h`, or `from=…&to=…` in UTC. Anything else gives the default.
 * A chosen range grows to whole quarters of an hour: those are counted for ever, what lies between
 * them only as long as single events are kept.
 */
export function rangeFrom(params: URLSearchParams): Range {
  const id = params.get('range')
  if (id !== null && Object.hasOwn(RELATIVES, id)) return { is: 'relative', id: id as RelativeId }
  const [from, to] = ['from', 'to'].map((name) => Date.parse(params.get(name) ?? ''))
  if (from !== undefined && to !== undefined && from < to && from >= 0 && to - from < 4000 * DAY)
    return {
      is: 'absolute',
      from: Math.floor(from / QUARTER) * QUARTER,
      to: Math.ceil(to / QUARTER) * QUARTER,
    }
  return RANGE_DEFAULT
}

/** The other way round; `null` takes a parameter away. */
export function rangeParams(range: Range): Record<'range' | 'from' | 'to', string | null> {
  if (range.is === 'relative') return { range: range.id, from: null, to: null }
  return {
    range: null,
    from: new Date(range.from).toISOString(),
    to: new Date(range.to).toISOString(),
  }
}

/** End of the bucket that begins at `start`. */
export function bucketEnd(start: number, step: Step, zone: string): number {
  return plus(start, step, 1, zone)
}

/** The part of a bucket that is counted. */
export function partOf(start: number, step: Step, zone: string, { from, to }: Window): Window {
  return { from: Math.max(start, from), to: Math.min(bucketEnd(start, step, zone), to) }
}

/** Start of the bucket that holds `time`. */
export function floor(time: number, step: Step, zone: string): number {
  // Every zone on earth is a multiple of a quarter of an hour away from UTC.
  if (step === 'MINUTE') return time - (time % MINUTE)
  if (step === 'QUARTER_HOUR') return time - (time % QUARTER)
  return DateTime.fromMillis(time, { zone }).startOf(UNITS[step]).toMillis()
}

const UNITS = { HOUR: 'hour', DAY: 'day', WEEK: 'week', MONTH: 'month' } as const

function plus(time: number, step: Step, count: number, zone: string): number {
  if (step === 'MINUTE') return time + count * MINUTE
  if (step === 'QUARTER_HOUR') return time + count * QUARTER
  return DateTime.fromMillis(time, { zone })
    .plus({ [UNITS[step]]: count })
    .toMillis()
}

function counted(first: number, step: Step, count: number, zone: string): number[] {
  return Array.from({ length: count }, (_, i) => plus(first, step, i, zone))
}

function finish(
  step: Step,
  buckets: number[],
  now: number,
  zone: string,
  chosen?: Window,
): Stretch {
  const before = (time: number) => plus(time, step, -buckets.length, zone)
  const whole = { from: buckets[0] as number, to: plus(buckets.at(-1) as number, step, 1, zone) }
  const { from, to } = chosen ?? whole
  return {
    step,
    zone,
    buckets,
    window: { from, to },
    end: Math.max(from + 1, Math.min(to, now)),
    previousBuckets: counted(before(whole.from), step, buckets.length, zone),
    previousWindow: { from: before(from), to: before(to) },
  }
}
