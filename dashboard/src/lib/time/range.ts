import { DateTime, IANAZone } from 'luxon'

/** A range that moves with the clock, or a fixed one. Milliseconds. */
export type Range =
  | { kind: 'relative'; id: RelativeId }
  | { kind: 'absolute'; from: number; to: number }

/** The length of a bucket. MINUTE comes from the live connection, by time received; all others from `metrics`, by time of occurrence. */
export type Resolution = 'MINUTE' | Interval
export type Interval = 'QUARTER_HOUR' | 'HOUR' | 'DAY' | 'WEEK' | 'MONTH'

export const RELATIVES = {
  '15m': { label: 'Last 15 minutes', resolution: 'MINUTE', buckets: 15 },
  '30m': { label: 'Last 30 minutes', resolution: 'MINUTE', buckets: 30 },
  '1h': { label: 'Last hour', resolution: 'MINUTE', buckets: 60 },
  '6h': { label: 'Last 6 hours', resolution: 'QUARTER_HOUR', buckets: 24 },
  '24h': { label: 'Last 24 hours', resolution: 'QUARTER_HOUR', buckets: 96 },
  '7d': { label: 'Last 7 days', resolution: 'HOUR', buckets: 168 },
  '30d': { label: 'Last 30 days', resolution: 'DAY', buckets: 30 },
  '90d': { label: 'Last 90 days', resolution: 'DAY', buckets: 90 },
  '12mo': { label: 'Last 12 months', resolution: 'MONTH', buckets: 12 },
} as const satisfies Record<string, { label: string; resolution: Resolution; buckets: number }>
export type RelativeId = keyof typeof RELATIVES

export const RANGE_DEFAULT: Range = { kind: 'relative', id: '1h' }

const MINUTE = 60_000
export const BUCKET_15M_MS = 15 * MINUTE
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const BUCKETS_MAX = 400

/** A range at one moment, as buckets. All times are milliseconds. */
export interface ResolvedRange {
  resolution: Resolution
  /** The IANA time zone in which buckets begin. */
  zone: string
  /** Starts of all buckets, oldest first; the last one may still be open. */
  buckets: number[]
  /** The part of them that is counted: all, unless an absolute range begins or ends within a bucket. */
  window: Window
  /** Now, or the window's end if that is earlier. */
  end: number
  /** The same number of buckets before them, and the part of those that is counted. */
  previousBuckets: number[]
  previousWindow: Window
}

/** Half-open, milliseconds. */
export interface Window {
  from: number
  to: number
}

/**
 * Buckets begin at local times of the zone, daylight-saving days included.
 * @param options.minutes false where only 15-minute buckets are stored, as for single event names
 */
export function resolveRange(
  range: Range,
  now: number,
  zone: string,
  options: { minutes?: boolean } = {},
): ResolvedRange {
  // A page asks every second, and no bucket begins within a minute.
  const minute = floor(now, 'MINUTE', zone)
  const key = JSON.stringify([range, zone, options.minutes ?? true, minute])
  const resolved = recent.get(key) ?? build(range, now, zone, options)
  if (recent.size >= RECENT_MAX) recent.clear()
  recent.set(key, resolved)
  const { from, to } = resolved.window
  return { ...resolved, end: Math.max(from + 1, Math.min(to, now)) }
}

const RECENT_MAX = 8
const recent = new Map<string, Omit<ResolvedRange, 'end'>>()

function build(
  range: Range,
  now: number,
  zone: string,
  options: { minutes?: boolean },
): Omit<ResolvedRange, 'end'> {
  if (range.kind === 'absolute') {
    const resolution = resolutionFor(range.to - range.from)
    const start = floor(range.from, resolution, zone)
    const buckets = bucketsUntil(start, range.to, resolution, zone).slice(0, BUCKETS_MAX)
    return buildRange(resolution, buckets, zone, { from: range.from, to: range.to })
  }
  const { resolution, buckets: count } = RELATIVES[range.id]
  if (resolution === 'MINUTE' && options.minutes === false) {
    const first = floor(now - count * MINUTE, 'QUARTER_HOUR', zone)
    const buckets = bucketsUntil(first, now + 1, 'QUARTER_HOUR', zone)
    return buildRange('QUARTER_HOUR', buckets, zone)
  }
  const end = bucketEnd(floor(now, resolution, zone), resolution, zone)
  return buildRange(resolution, bucketsBefore(end, resolution, count, zone), zone)
}

/** The same range in buckets of another length, those at its ends clipped. */
export function rebucket(range: ResolvedRange, resolution: Resolution): ResolvedRange {
  const { zone, window, end } = range
  const first = floor(window.from, resolution, zone)
  const buckets = bucketsUntil(first, window.to, resolution, zone).slice(0, BUCKETS_CHOSEN_MAX)
  return { ...buildRange(resolution, buckets, zone, window), end }
}

/** Whether the range has at most BUCKETS_CHOSEN_MAX buckets of that length, and at least one whole one. */
export function hasBucketsOf({ window }: ResolvedRange, resolution: Resolution): boolean {
  const length = window.to - window.from
  const buckets = length / LENGTH_MS[resolution]
  if (resolution === 'MINUTE' && length > MINUTES_RANGE_MS_MAX) return false
  return buckets >= 1 && buckets < BUCKETS_CHOSEN_MAX - 1
}

/** The server returns no more of them by group. */
const BUCKETS_CHOSEN_MAX = 1_000
/** The server counts minutes in ranges of up to six hours. */
const MINUTES_RANGE_MS_MAX = 6 * HOUR
const LENGTH_MS = {
  MINUTE,
  QUARTER_HOUR: BUCKET_15M_MS,
  HOUR,
  DAY,
  WEEK: 7 * DAY,
  MONTH: 30 * DAY,
} as const

/** The coarsest resolution that still shows a shape: between a dozen and about two hundred points. */
export function resolutionFor(lengthMs: number): Interval {
  if (lengthMs <= 25 * HOUR) return 'QUARTER_HOUR'
  if (lengthMs <= 8 * DAY) return 'HOUR'
  if (lengthMs <= 130 * DAY) return 'DAY'
  if (lengthMs <= 800 * DAY) return 'WEEK'
  return 'MONTH'
}

/**
 * Reads a range from the URL: `range=24h`, or `from=…&to=…` in UTC. Anything else gives the default.
 * An absolute range is widened to 15-minute buckets: those are kept for ever, parts of them can be
 * counted only as long as single events are kept.
 */
export function parseRange(params: URLSearchParams): Range {
  const id = params.get('range')
  if (id !== null && Object.hasOwn(RELATIVES, id)) return { kind: 'relative', id: id as RelativeId }
  const [from, to] = ['from', 'to'].map((name) => Date.parse(params.get(name) ?? ''))
  if (from !== undefined && to !== undefined && from < to && from >= 0 && to - from < 4000 * DAY)
    return {
      kind: 'absolute',
      from: Math.floor(from / BUCKET_15M_MS) * BUCKET_15M_MS,
      to: Math.ceil(to / BUCKET_15M_MS) * BUCKET_15M_MS,
    }
  return RANGE_DEFAULT
}

/** The URL parameters of a range; null removes a parameter. */
export function rangeParams(range: Range): Record<'range' | 'from' | 'to', string | null> {
  if (range.kind === 'relative') return { range: range.id, from: null, to: null }
  return {
    range: null,
    from: new Date(range.from).toISOString(),
    to: new Date(range.to).toISOString(),
  }
}

/** End of the bucket that begins at `start`. */
export function bucketEnd(start: number, resolution: Resolution, zone: string): number {
  const end = plus(start, resolution, 1, zone)
  return resolution === 'MINUTE' || resolution === 'QUARTER_HOUR'
    ? end
    : floor(end, resolution, zone)
}

/** The part of a bucket that is counted. */
export function clipBucket(
  start: number,
  resolution: Resolution,
  zone: string,
  { from, to }: Window,
): Window {
  return { from: Math.max(start, from), to: Math.min(bucketEnd(start, resolution, zone), to) }
}

/** Start of the bucket that contains `time`, as the server calculates it. */
export function floor(time: number, resolution: Resolution, zone: string): number {
  // The offset of every time zone is a multiple of 15 minutes.
  if (resolution === 'MINUTE') return time - (time % MINUTE)
  if (resolution === 'QUARTER_HOUR') return time - (time % BUCKET_15M_MS)
  if (resolution === 'HOUR') return floorHour(time, zone)
  const start = DateTime.fromMillis(time, { zone }).startOf(UNITS[resolution])
  // Where clocks go back over midnight (Havana), midnight comes twice, and the day begins with the first one.
  const earlier = start.minus({ hours: 1 })
  return (earlier.day === start.day ? earlier : start).toMillis()
}

/** Where clocks are moved by half an hour (Lord Howe), they cut an hour in two: the second part is a bucket too. */
function floorHour(time: number, zone: string): number {
  const offset = (at: number) => IANAZone.create(zone).offset(at)
  const start = time - ((time + offset(time) * MINUTE) % HOUR)
  return start !== time && Math.abs(offset(start) - offset(time)) === 30 ? start + HOUR / 2 : start
}

const UNITS = { DAY: 'day', WEEK: 'week', MONTH: 'month' } as const

function plus(time: number, resolution: Resolution, count: number, zone: string): number {
  if (resolution === 'MINUTE') return time + count * MINUTE
  if (resolution === 'QUARTER_HOUR') return time + count * BUCKET_15M_MS
  if (resolution === 'HOUR') return time + count * HOUR
  return DateTime.fromMillis(time, { zone })
    .plus({ [UNITS[resolution]]: count })
    .toMillis()
}

/** The buckets from `first` to the last one that begins before `end`. */
function bucketsUntil(first: number, end: number, resolution: Resolution, zone: string): number[] {
  const buckets = [first]
  for (
    let next = bucketEnd(first, resolution, zone);
    next < end;
    next = bucketEnd(next, resolution, zone)
  )
    buckets.push(next)
  return buckets
}

/** The last `count` buckets before one that begins at `end`. */
function bucketsBefore(end: number, resolution: Resolution, count: number, zone: string): number[] {
  const early = floor(plus(end, resolution, -count - 1, zone), resolution, zone)
  return bucketsUntil(early, end, resolution, zone).slice(-count)
}

function buildRange(
  resolution: Resolution,
  buckets: number[],
  zone: string,
  clip?: Window,
): Omit<ResolvedRange, 'end'> {
  const [first, last] = [buckets[0] as number, buckets.at(-1) as number]
  const window = clip ?? { from: first, to: bucketEnd(last, resolution, zone) }
  const previousBuckets = bucketsBefore(first, resolution, buckets.length, zone)
  const before = (time: number) => plus(time, resolution, -buckets.length, zone)
  return {
    resolution,
    zone,
    buckets,
    window,
    previousBuckets,
    // Clipped where the range is.
    previousWindow: {
      from: window.from === first ? (previousBuckets[0] as number) : before(window.from),
      to: window.to === bucketEnd(last, resolution, zone) ? first : before(window.to),
    },
  }
}

/** Whether both count the same buckets of the same time. */
export const isSameWindow = (a: ResolvedRange, b: ResolvedRange): boolean =>
  a.resolution === b.resolution &&
  a.zone === b.zone &&
  a.window.from === b.window.from &&
  a.window.to === b.window.to
