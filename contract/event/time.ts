import { LIMITS } from '../limits.ts'

/**
 * A client's time in the canonical notation: RFC 3339 in UTC, with as many fractional digits as were sent,
 * at most six (`2026-11-21T09:20:15.123456Z`). Finer digits are truncated; nothing else is changed.
 */
export type ReadTime =
  /** `ms` since the epoch, rounded down. */
  { ok: true; time: string; ms: number } | { ok: false; detail: string }

const RFC3339 =
  /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,12}))?([Zz]|[+-]\d\d:\d\d)$/
const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

/** @param value RFC 3339 with an offset, or epoch seconds, milliseconds or microseconds as a number */
export function readTime(value: unknown): ReadTime {
  if (typeof value === 'string') return readPlain(value) ?? readText(value)
  if (typeof value === 'number') return readEpoch(value)
  return invalidTime(
    'must be an RFC 3339 string with an offset, or a number of seconds, milliseconds or microseconds since 1970',
  )
}

/**
 * Fast path for the notation that most clients use and that needs no change: UTC, T and Z, at most six digits.
 * Undefined for anything else; `readText` reads it or names the error.
 */
function readPlain(text: string): ReadTime | undefined {
  const end = text.length - 1
  if (end < 19 || end > 26 || end === 20 || text.charCodeAt(end) !== 0x5a) return undefined
  if (text.charCodeAt(4) !== DASH || text.charCodeAt(7) !== DASH || text.charCodeAt(10) !== 0x54)
    return undefined
  if (text.charCodeAt(13) !== COLON || text.charCodeAt(16) !== COLON) return undefined
  if (end > 19 && text.charCodeAt(19) !== 0x2e) return undefined
  const year = digits(text, 0, 4)
  const month = digits(text, 5, 7)
  const day = digits(text, 8, 10)
  const hour = digits(text, 11, 13)
  const minute = digits(text, 14, 16)
  const second = digits(text, 17, 19)
  const fraction = end > 19 ? digits(text, 20, end) : 0
  // NaN stands for a character that is not a digit, and fails every comparison.
  const fits = year > 99 && month >= 1 && month <= 12 && day >= 1 && day <= 31
  if (!(fits && hour < 24 && minute < 60 && second < 60 && fraction >= 0)) return undefined
  if (day > 28 && day > daysIn(year, month)) return undefined
  const ms = end > 22 ? digits(text, 20, 23) : end > 19 ? fraction * 10 ** (23 - end) : 0
  return { ok: true, time: text, ms: Date.UTC(year, month - 1, day, hour, minute, second, ms) }
}

const DASH = 0x2d
const COLON = 0x3a

/** The decimal number at these positions; NaN when a character is not a digit. */
function digits(text: string, from: number, to: number): number {
  let value = 0
  for (let i = from; i < to; i++) {
    const digit = text.charCodeAt(i) - 0x30
    if (digit < 0 || digit > 9) return Number.NaN
    value = value * 10 + digit
  }
  return value
}

function readText(text: string): ReadTime {
  const parts = RFC3339.exec(text)
  if (!parts) {
    if (/^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?$/.test(text))
      return invalidTime('has no offset; end it with Z or +hh:mm')
    if (/^\d{4}-\d\d-\d\d$/.test(text))
      return invalidTime(
        'has no time of day; write it as 2026-11-21T00:00:00Z or with another offset',
      )
    return invalidTime('is not an RFC 3339 time such as 2026-11-21T09:20:15Z')
  }
  const [year, month, day, hour, minute, second] = parts.slice(1, 7).map(Number) as Six
  const offset = readOffset(parts[8] as string)
  if (month < 1 || month > 12 || day < 1 || day > daysIn(year, month))
    return invalidTime('names a day that does not exist')
  if (year < 1) return invalidTime('names a year before 1')
  if (hour > 23 || minute > 59 || second > 60 || offset === undefined)
    return invalidTime('names a time of day that does not exist')
  const date = utc(year, month, day, hour, minute - offset, second)
  // A leap second is always the last second of a UTC day; as in POSIX it becomes the following second.
  if (second === 60 && date.getTime() % 86_400_000 !== 0)
    return invalidTime('names a leap second that does not exist')
  const utcYear = date.getUTCFullYear()
  if (utcYear < 1 || utcYear > 9999) return invalidTime('is outside the years 1 to 9999')
  const fraction = (parts[7] ?? '').slice(0, 6)
  const ms = date.getTime() + Number(fraction.slice(0, 3).padEnd(3, '0'))
  return { ok: true, time: formatTime(date.getTime(), fraction), ms }
}

/** The unit follows from the size: below 1e11 seconds (year 5138), below 1e14 milliseconds, below 1e17 microseconds. */
function readEpoch(value: number): ReadTime {
  const size = Math.abs(value)
  if (!(size < 1e17))
    return invalidTime('is too large for a time in seconds, milliseconds or microseconds')
  const unit = size < 1e11 ? 1 : size < 1e14 ? 1e3 : 1e6
  let seconds = Math.floor(value / unit)
  // The fraction alone: all microseconds since 1970 exceed a double's precision after the year 2255.
  let micros = Math.round((value - seconds * unit) * (1e6 / unit))
  if (micros === 1e6) {
    seconds++
    micros = 0
  }
  if (seconds < FIRST_SECOND || seconds > LAST_SECOND)
    return invalidTime('is outside the years 1 to 9999')
  const fraction =
    micros === 0
      ? ''
      : micros % 1000 === 0
        ? (THREE[micros / 1000] as string)
        : String(micros).padStart(6, '0')
  return {
    ok: true,
    time: formatTime(seconds * 1000, fraction),
    ms: seconds * 1000 + Math.floor(micros / 1000),
  }
}

const FIRST_SECOND = -62_135_596_800
const LAST_SECOND = 253_402_300_799

type Six = [number, number, number, number, number, number]

/** `Date.UTC` would read a year below 100 as 19xx. */
function utc(
  year: number,
  month: number,
  day: number,
  hour: number,
  minute: number,
  second: number,
) {
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  date.setUTCHours(hour, minute, second)
  return date
}

function daysIn(year: number, month: number): number {
  const leap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0
  return month === 2 && leap ? 29 : (DAYS[month - 1] as number)
}

/** Minutes east of UTC; undefined for an offset out of range. */
function readOffset(text: string): number | undefined {
  if (text === 'Z' || text === 'z') return 0
  const hours = Number(text.slice(1, 3))
  const minutes = Number(text.slice(4, 6))
  if (hours > 23 || minutes > 59) return undefined
  return (text[0] === '-' ? -1 : 1) * (hours * 60 + minutes)
}

/** @param milliseconds of a whole second */
function formatTime(milliseconds: number, fraction: string): string {
  const day = Math.floor(milliseconds / DAY_MS)
  const seconds = (milliseconds - day * DAY_MS) / 1000
  const minutes = Math.floor(seconds / 60)
  const clock = `${TWO[Math.floor(minutes / 60)]}:${TWO[minutes % 60]}:${TWO[seconds % 60]}`
  return fraction === '' ? `${formatDay(day)}${clock}Z` : `${formatDay(day)}${clock}.${fraction}Z`
}

const DAY_MS = 86_400_000
const TWO = Array.from({ length: 60 }, (_, n) => String(n).padStart(2, '0'))

const THREE = Array.from({ length: 1000 }, (_, n) => String(n).padStart(3, '0'))

/** The last day formatted: most times of a batch share a day, and `toISOString` is the most expensive part. */
let lastDay = { day: 0, text: '1970-01-01T' }

function formatDay(day: number): string {
  if (day !== lastDay.day)
    lastDay = { day, text: new Date(day * DAY_MS).toISOString().slice(0, 11) }
  return lastDay.text
}

function invalidTime(detail: string): ReadTime {
  return { ok: false, detail }
}

/** @param time as `readTime` returns it. @returns undefined where the result is outside the years 1 to 9999 */
export function shiftTime(time: string, ms: number): string | undefined {
  const at = Date.parse(time) + Math.round(ms)
  const fraction = time.length > 20 ? time.slice(20, -1) : ''
  const seconds = at / 1000
  if (!(seconds >= FIRST_SECOND && seconds <= LAST_SECOND)) return undefined
  // Digits finer than a millisecond are kept as the client sent them.
  const fine = fraction.slice(3)
  const milliseconds = String(((at % 1000) + 1000) % 1000).padStart(3, '0') + fine
  return formatTime(Math.floor(seconds) * 1000, Number(milliseconds) === 0 ? '' : milliseconds)
}

/**
 * By how much a client's clock is wrong: milliseconds to add to its times. A difference that a slow
 * network or a retry explains gives 0, and so does one of days, which no clock error explains.
 */
export function clockSkew(sentMs: number, receivedMs: number): number {
  const skew = receivedMs - sentMs
  const size = Math.abs(skew)
  return size < LIMITS.clockSkewMsMin || size > LIMITS.clockSkewMsMax ? 0 : skew
}

/** Milliseconds since the epoch, and the microseconds beyond them. */
export interface Instant {
  ms: number
  us: number
}

const CANONICAL = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z$/

/**
 * Reads the notation that `readTime` returns; undefined for any other, for a day that does not exist, and for the
 * year 0, which Postgres does not have.
 */
export function readCanonicalTime(text: string): Instant | undefined {
  if (!CANONICAL.test(text) || text.startsWith('0000')) return undefined
  // Date.parse reads 24:00 as the next day's midnight, and 30 February as 2 March.
  if (text.startsWith('24', 11)) return undefined
  if (text.charCodeAt(8) === 0x33 || text.startsWith('29', 8))
    if (!readTime(text).ok) return undefined
  const ms = Date.parse(text)
  if (Number.isNaN(ms)) return undefined
  return { ms, us: text.length > 24 ? Number(text.slice(23, -1).padEnd(3, '0')) : 0 }
}
