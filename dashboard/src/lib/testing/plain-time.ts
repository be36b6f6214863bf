/**
 * Local times by Intl alone, for tests: what a page shows is not compared with the library that it
 * uses itself.
 */
export type Interval = 'QUARTER_HOUR' | 'HOUR' | 'DAY' | 'WEEK' | 'MONTH'

export interface Bucket {
  start: number
  end: number
}

const QUARTER_HOUR_MS = 900_000
const formats = new Map<string, Intl.DateTimeFormat>()

function formatOf(zone: string): Intl.DateTimeFormat {
  const known = formats.get(zone)
  if (known) return known
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    hourCycle: 'h23',
    weekday: 'short',
    day: 'numeric',
    month: 'long',
    year: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    timeZoneName: 'longOffset',
  })
  formats.set(zone, format)
  return format
}

export function local(time: number, zone: string) {
  const parts = Object.fromEntries(
    formatOf(zone)
      .formatToParts(time)
      .map(({ type, value }) => [type, value]),
  ) as Record<Intl.DateTimeFormatPartTypes, string>
  const month = parts.month.slice(0, 3)
  return {
    weekday: parts.weekday,
    /** `2 Nov` */
    day: `${parts.day} ${month}`,
    /** `Nov 2025` */
    month: `${month} ${parts.year}`,
    longMonth: `${parts.month} ${parts.year}`,
    year: parts.year,
    /** `01:15` */
    time: `${parts.hour}:${parts.minute}`,
    /** `01:15:07` */
    clock: `${parts.hour}:${parts.minute}:${parts.second}`,
    /** `UTC-04:00`, or `UTC` */
    offset: parts.timeZoneName.replace('GMT', 'UTC'),
  }
}

/** The buckets between two times at which buckets begin: a new one whenever the local clock says so. */
export function bucketsBetween(
  from: number,
  to: number,
  interval: Interval,
  zone: string,
): Bucket[] {
  const starts: number[] = []
  let previous: ReturnType<typeof local> | undefined
  for (let time = from; time < to; time += QUARTER_HOUR_MS) {
    const now = local(time, zone)
    if (previous === undefined || isNewBucket(previous, now, interval)) starts.push(time)
    previous = now
  }
  return starts.map((start, i) => ({ start, end: starts[i + 1] ?? to }))
}

type Local = ReturnType<typeof local>

function isNewBucket(before: Local, now: Local, interval: Interval): boolean {
  if (interval === 'QUARTER_HOUR') return true
  // An hour in which the clock was moved is two.
  if (interval === 'HOUR')
    return before.time.slice(0, 2) !== now.time.slice(0, 2) || before.offset !== now.offset
  if (interval === 'DAY') return before.day !== now.day
  if (interval === 'WEEK') return before.day !== now.day && now.weekday === 'Mon'
  return before.month !== now.month
}

/** The time at which the clocks of the zone show that, the first one: `2025-11-02T01:15`. */
export function timeOf(text: string, zone: string): number {
  const asUtc = Date.parse(`${text}:00Z`)
  for (let time = asUtc - 15 * 3_600_000; time < asUtc + 15 * 3_600_000; time += QUARTER_HOUR_MS) {
    const { year, day, time: clock } = local(time, zone)
    const wanted = local(asUtc, 'UTC')
    if (clock === wanted.time && day === wanted.day && year === wanted.year) return time
  }
  throw new Error(`The clocks of ${zone} never show ${text}`)
}

/** What a bucket is called in tables and tooltips. */
export function labelOf({ start, end }: Bucket, interval: Interval, zone: string): string {
  const from = local(start, zone)
  if (interval === 'MONTH') return from.longMonth
  if (interval === 'WEEK') return `Week of ${from.day} ${from.year}`
  if (interval === 'DAY') return `${from.weekday} ${from.day} ${from.year}`
  return `${from.weekday} ${from.day}, ${clockOf(start, zone)} – ${clockOf(end, zone)}`
}

/** `01:15`, or `01:15 UTC-04:00` in a night in which the clock shows that twice. */
function clockOf(time: number, zone: string): string {
  const here = local(time, zone)
  const around = Array.from({ length: 25 }, (_, i) =>
    local(time + (i - 12) * QUARTER_HOUR_MS, zone),
  )
  const times = around.filter((other) => other.day === here.day && other.time === here.time)
  return times.length > 1 ? `${here.time} ${here.offset}` : here.time
}
