import { DateTime } from 'luxon'
import {
  bucketEnd,
  clipBucket,
  type Range,
  RELATIVES,
  type Resolution,
  type Window,
} from './time/range.ts'

/** Between a number and its unit: no line break there. */
const GAP = '\u00a0'
const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 2 })

/** `12,345`, for tooltips and copies. */
export const exact = (value: number): string => whole.format(value)

/** The same for numbers that may be small: `0.00123`, `12,345.68`; `–` for none. */
export function exactValue(value: number): string {
  if (Number.isNaN(value)) return '–'
  return Math.abs(value) >= 1 || value === 0 ? exact(value) : significant.format(value)
}
const significant = new Intl.NumberFormat('en-US', { maximumSignificantDigits: 4 })

/** `9,876`, `12.4 k`, `1.24 M`: three significant digits, unrounded where the number is as short. */
export function compact(value: number): string {
  const size = Math.abs(value)
  if (size < 9_999.5) return whole.format(size < 100 ? value : Math.round(value))
  for (const [unit, name] of UNITS)
    if (size >= unit * 0.9995) return `${threeFigures(value / unit)}${GAP}${name}`
  return whole.format(value)
}
/** The same for the round numbers of an axis: `25 k`, `1.5 M`. */
export const tickNumber = (value: number): string =>
  compact(value).replace(/(\.\d*?)0+(?=\u00a0)/, (_, kept) => (kept === '.' ? '' : kept))

const UNITS = [
  [1e12, 'T'],
  [1e9, 'G'],
  [1e6, 'M'],
  [1e3, 'k'],
] as const

function threeFigures(value: number): string {
  const size = Math.abs(value)
  return value.toFixed(size < 9.995 ? 2 : size < 99.95 ? 1 : 0)
}

export interface Change {
  direction: 'up' | 'down' | 'same' | 'new'
  /** `+12.3 %`, `×14`, `new`, `±0 %` */
  label: string
}

/** Compared with the previous period. Undefined when both are 0; `new` when only the previous one is. */
export function changeOf(value: number, before: number): Change | undefined {
  if (before === 0) return value === 0 ? undefined : { direction: 'new', label: 'new' }
  const ratio = value / before
  const percent = (ratio - 1) * 100
  if (Math.abs(percent) < 0.05) return { direction: 'same', label: `±0${GAP}%` }
  const direction = percent > 0 ? 'up' : 'down'
  if (ratio >= 10) return { direction, label: `×${threeFigures(ratio).replace(/\.0+$/, '')}` }
  const figure = Math.abs(percent).toFixed(Math.abs(percent) < 99.95 ? 1 : 0)
  return { direction, label: `${percent > 0 ? '+' : '−'}${figure}${GAP}%` }
}

/** Whether a change is good news. @param moreIs what an increase is, such as one of failures */
export function toneOf(
  direction: Change['direction'] | undefined,
  moreIs: 'good' | 'bad' = 'good',
): 'good' | 'bad' | 'plain' {
  if (direction === 'up' || direction === 'new') return moreIs
  return moreIs === 'bad' ? 'good' : 'plain'
}

/** `12.4 %`; a part above 0 is never shown as 0. */
export function share(part: number, of: number): string {
  if (of <= 0) return '–'
  const percent = (part / of) * 100
  if (percent > 0 && percent < 0.1) return `<${GAP}0.1${GAP}%`
  return `${percent.toFixed(percent < 99.95 ? 1 : 0)}${GAP}%`
}

/** `34 ms`, `0.4 s`, `34 s`, `5 min`, `3 h`, `2 d`. */
export function duration(ms: number): string {
  if (ms < 95) return `${Math.max(0, Math.round(ms))}${GAP}ms`
  const seconds = ms / 1000
  if (seconds < 9.95) return `${seconds.toFixed(1)}${GAP}s`
  if (seconds < 89.5) return `${Math.round(seconds)}${GAP}s`
  if (seconds < 89.5 * 60) return `${Math.round(seconds / 60)}${GAP}min`
  if (seconds < 36 * 3600) return `${Math.round(seconds / 3600)}${GAP}h`
  return `${Math.round(seconds / 86_400)}${GAP}d`
}

const at = (time: number, zone: string) => DateTime.fromMillis(time, { zone, locale: 'en-US' })

/** `14:03:22`, local time of the zone. */
export const clock = (time: number, zone: string): string => at(time, zone).toFormat('HH:mm:ss')

/** `Sat 21 Nov 2026, 14:03:22.117`, for tooltips. */
export const stamp = (time: number, zone: string): string =>
  at(time, zone).toFormat('ccc d LLL yyyy, HH:mm:ss.SSS')

/** `21 Nov, 14:03:22`, local time of the zone. */
export const shortStamp = (time: number, zone: string): string =>
  at(time, zone).toFormat('d LLL, HH:mm:ss')

/** `22 Oct 2026`, local date of the zone. */
export const day = (time: number, zone: string): string => at(time, zone).toFormat('d LLL yyyy')

/** The first local midnight at or after that time. */
export function firstMidnight(time: number, zone: string): number {
  const start = at(time, zone).startOf('day')
  return (start.toMillis() < time ? start.plus({ days: 1 }).startOf('day') : start).toMillis()
}

/**
 * `14:03`, or `01:15 UTC-04:00` where the clock shows that time twice, as in a night in which clocks go back:
 * two buckets would have one label.
 */
function timeOfDay(moment: DateTime, zone: string): string {
  const time = moment.toFormat('HH:mm')
  const isRepeated = moment.getPossibleOffsets().length > 1
  return isRepeated ? `${time} ${offsetName(moment.toMillis(), zone)}` : time
}

/** The label of a bucket: `Sat 21 Nov, 14:00 – 14:15`, `Sat 21 Nov`, `November 2026`. */
export function bucketName(
  start: number,
  end: number,
  resolution: Resolution,
  zone: string,
): string {
  const [from, to] = [at(start, zone), at(end, zone)]
  if (resolution === 'MONTH') return from.toFormat('LLLL yyyy')
  if (resolution === 'WEEK') return `Week of ${from.toFormat('d LLL yyyy')}`
  if (resolution === 'DAY') return from.toFormat('ccc d LLL yyyy')
  return `${from.toFormat('ccc d LLL')}, ${timeOfDay(from, zone)} – ${timeOfDay(to, zone)}`
}

/** The same for the part of a bucket that is counted: `15 Jan, 09:30 – 1 Feb, 00:00`. */
export function clippedBucketName(
  start: number,
  resolution: Resolution,
  zone: string,
  window: Window,
): string {
  const end = bucketEnd(start, resolution, zone)
  const { from, to } = clipBucket(start, resolution, zone, window)
  return from === start && to === end
    ? bucketName(start, end, resolution, zone)
    : rangeName(from, to, zone)
}

/** The label of an axis tick: the time of day, and the date where a new day begins. */
export function tickName(
  time: number,
  resolution: Resolution,
  zone: string,
  first: boolean,
): string | string[] {
  const moment = at(time, zone)
  if (resolution === 'MONTH') return moment.toFormat('LLL yyyy')
  const midnight = moment.hour === 0 && moment.minute === 0
  if (resolution === 'DAY' || resolution === 'WEEK' || (midnight && !first))
    return moment.toFormat('d LLL')
  return moment.toFormat('HH:mm')
}

/** `21 Nov, 09:00 – 22 Nov, 18:30`, the date once if both are on the same day. */
export function rangeName(from: number, to: number, zone: string): string {
  const [a, b] = [at(from, zone), at(to, zone)]
  const year = a.year === at(Date.now(), zone).year && a.year === b.year ? '' : ' yyyy'
  const date = (moment: DateTime) =>
    `${moment.toFormat(`d LLL${year}`)}, ${timeOfDay(moment, zone)}`
  return `${date(a)} – ${a.hasSame(b, 'day') ? timeOfDay(b, zone) : date(b)}`
}

/** `last 24 hours`, or the dates of an absolute range. */
export const rangeLabelOf = (range: Range, zone: string): string =>
  range.kind === 'relative'
    ? RELATIVES[range.id].label.toLowerCase()
    : rangeName(range.from, range.to, zone)

/** `UTC+05:45`: the zone's offset at that time. */
export function offsetName(time: number, zone: string): string {
  const moment = at(time, zone)
  return moment.offset === 0 ? 'UTC' : `UTC${moment.toFormat('ZZ')}`
}

/** The offsets of a zone in a period: `UTC+05:45`, or `UTC-04:00, then UTC-05:00` where clocks are moved in it. */
export function offsetsName(from: number, to: number, zone: string): string {
  const [first, last] = [offsetName(from, zone), offsetName(to, zone)]
  return first === last ? first : `${first}, then ${last}`
}
