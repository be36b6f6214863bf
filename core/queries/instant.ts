/** A point in time as RFC 3339 in UTC with at most six digits: what `readTime` and Postgres return. */
export type Instant = string

export const BUCKET_15M_MICROS = 900_000_000n

/** Without the Z, times compare as text: fewer digits of a second are a prefix of more digits. */
export function isBefore(a: Instant, b: Instant): boolean {
  return a.slice(0, -1) < b.slice(0, -1)
}

/** Microseconds since 1970, exact. */
export function toMicros(instant: Instant): bigint {
  const digits = /\.(\d+)Z$/.exec(instant)?.[1] ?? ''
  const whole = Date.parse(`${instant.slice(0, 19)}Z`)
  return BigInt(whole) * 1000n + BigInt(digits.padEnd(6, '0'))
}

const FIRST = -62_135_596_800_000_000n
const LAST = 253_402_300_799_999_999n

/** Clamped to the years 1 to 9999, as every time here is. */
export function fromMicros(unclamped: bigint): Instant {
  const micros = unclamped < FIRST ? FIRST : unclamped > LAST ? LAST : unclamped
  const rest = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n
  const whole = new Date(Number((micros - rest) / 1000n)).toISOString().slice(0, 19)
  return rest === 0n ? `${whole}Z` : `${whole}.${String(rest).padStart(6, '0').replace(/0+$/, '')}Z`
}

/** The start of the 15-minute bucket that the time is in. */
export function floorBucket15m(instant: Instant): Instant {
  const micros = toMicros(instant)
  const rest = ((micros % BUCKET_15M_MICROS) + BUCKET_15M_MICROS) % BUCKET_15M_MICROS
  return fromMicros(micros - rest)
}

/** The first start of a 15-minute bucket that is not before the time. */
export function ceilBucket15m(instant: Instant): Instant {
  const floor = floorBucket15m(instant)
  return toMicros(floor) === toMicros(instant)
    ? floor
    : fromMicros(toMicros(floor) + BUCKET_15M_MICROS)
}
