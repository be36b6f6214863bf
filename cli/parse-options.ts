import { InvalidArgumentError } from 'commander'
import { readTime } from '../contract/event/time.ts'

const UNIT_MS: Record<string, number> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** For commander: `90s`, `30m`, `24h` or `7d`, in milliseconds. */
export function parseDuration(daysMax: number) {
  return (text: string): number => {
    const [, count, unit = ''] = /^(\d{1,9})\s*([smhd])$/.exec(text.trim()) ?? []
    const ms = Number(count) * (UNIT_MS[unit] ?? Number.NaN)
    if (!(ms <= daysMax * 86_400_000))
      throw new InvalidArgumentError(`Use a duration such as 30m, 24h or 7d, at most ${daysMax}d.`)
    return ms
  }
}

/** For commander: RFC 3339 with an offset; without one it would be another time on another machine. */
export function parseTime(text: string): Date {
  const read = readTime(text)
  if (!read.ok)
    throw new InvalidArgumentError('Use a time with its offset, such as 2027-01-31T00:00:00Z.')
  return new Date(read.ms)
}

/** For commander: a whole number within bounds. */
export function parseWholeNumber(min: number, max = Number.MAX_SAFE_INTEGER) {
  return (text: string): number => {
    const value = Number(text.replaceAll('_', '').replaceAll(',', ''))
    if (!Number.isInteger(value) || value < min || value > max)
      throw new InvalidArgumentError(
        `Use a whole number from ${min}${max < Number.MAX_SAFE_INTEGER ? ` to ${max}` : ''}.`,
      )
    return value
  }
}

/** For commander: a value, or one of the words that stand for its absence, as null. */
export function orNull<T>(parse: (text: string) => T, ...words: string[]) {
  return (text: string): T | null => (words.includes(text) ? null : parse(text))
}

/** What `orNull` returned: commander keeps null as an empty text. */
export function readNull<T>(option: T | '' | undefined): T | null | undefined {
  return option === '' ? null : option
}

/** For commander: a time that has not passed. */
export function parseFutureTime(text: string): Date {
  const time = parseTime(text)
  if (time.getTime() < Date.now()) throw new InvalidArgumentError('That time has passed.')
  return time
}
