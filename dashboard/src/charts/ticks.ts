import { DateTime, type DurationLikeObject } from 'luxon'

/** Distances between ticks that are easy to read. */
const DISTANCES: { every: number; unit: 'minute' | 'hour' | 'day' | 'month' | 'year' }[] = [
  ...[1, 2, 5, 10, 15, 30].map((every) => ({ every, unit: 'minute' as const })),
  ...[1, 2, 3, 6, 12].map((every) => ({ every, unit: 'hour' as const })),
  ...[1, 2, 7, 14].map((every) => ({ every, unit: 'day' as const })),
  ...[1, 2, 3, 6].map((every) => ({ every, unit: 'month' as const })),
  ...[1, 2, 5].map((every) => ({ every, unit: 'year' as const })),
]
const LENGTH_MS = {
  minute: 60_000,
  hour: 3_600_000,
  day: 86_400_000,
  month: 30.4 * 86_400_000,
  year: 365.25 * 86_400_000,
}
/** `end` is at most ten years after `start`, so no list grows longer than this. */
const TICKS_MAX = 60

/** At most `ticksMax` round local times of the zone between two times; none closer than `finestMs`. */
export function ticksBetween(
  start: number,
  end: number,
  zone: string,
  ticksMax: number,
  finestMs: number,
): number[] {
  const fits = ({ every, unit }: (typeof DISTANCES)[number]) =>
    every * LENGTH_MS[unit] >= finestMs * 0.9 &&
    (end - start) / (every * LENGTH_MS[unit]) <= ticksMax
  const { every, unit } = DISTANCES.find(fits) ?? { every: 10, unit: 'year' as const }
  // Hours and minutes are counted from local midnight, so that 06:00 stays 06:00 when daylight saving changes.
  let day = DateTime.fromMillis(start, { zone }).startOf(
    unit === 'minute' || unit === 'hour' ? 'day' : unit === 'day' ? 'week' : 'year',
  )
  const found: number[] = []
  while (day.toMillis() <= end && found.length < TICKS_MAX) {
    const next = day.plus(CYCLES[unit])
    for (let i = 0; ; i += every) {
      const tick =
        unit === 'minute' || unit === 'hour'
          ? day.set({
              hour: unit === 'hour' ? i : Math.floor(i / 60),
              minute: unit === 'hour' ? 0 : i % 60,
            })
          : day.plus({ [unit]: i })
      if (i >= COUNTS[unit] || tick >= next || tick.toMillis() > end) break
      if (tick.toMillis() >= start && tick.toMillis() > (found.at(-1) ?? 0))
        found.push(tick.toMillis())
    }
    day = next
  }
  return found
}

const CYCLES: Record<keyof typeof LENGTH_MS, DurationLikeObject> = {
  minute: { days: 1 },
  hour: { days: 1 },
  day: { weeks: 2 },
  month: { years: 1 },
  year: { years: 10 },
}
const COUNTS = { minute: 1_440, hour: 24, day: 14, month: 12, year: 10 }
