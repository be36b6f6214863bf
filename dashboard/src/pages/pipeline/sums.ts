import type { BalanceMinute } from './queries.ts'

/** What went into the log in some minutes, and what became of it: received + surplus = waiting + applied. */
export interface Sums {
  received: number
  waiting: number
  stored: number
  duplicates: number
  conflicting: number
  dead: number
  /** All that have an outcome. */
  outcomes: number
  /** Records without an outcome. */
  missing: number
  /** Outcomes without a record. */
  surplus: number
}

/**
 * The count of the log may be a second behind the workers: outcomes that wait to be counted, which are no difference by
 * the balance itself, are received as well.
 */
export function sumsOf(minutes: readonly BalanceMinute[]): Sums {
  const sums: Sums = {
    received: 0,
    waiting: 0,
    stored: 0,
    duplicates: 0,
    conflicting: 0,
    dead: 0,
    outcomes: 0,
    missing: 0,
    surplus: 0,
  }
  for (const each of minutes) {
    const outcomes = each.stored + each.duplicates + each.conflicting + each.dead
    sums.received += Math.max(each.accepted, each.inFlight + outcomes + each.unaccounted)
    sums.waiting += each.inFlight
    sums.outcomes += outcomes
    sums.missing += Math.max(0, each.unaccounted)
    sums.surplus += Math.max(0, -each.unaccounted)
    for (const key of ['stored', 'duplicates', 'conflicting', 'dead'] as const)
      sums[key] += each[key]
  }
  return sums
}

/** How far back the page looks, and how many minutes are drawn as one. */
export const PERIODS = {
  '1h': { label: '1 h', name: 'last hour', minutes: 60, step: 1 },
  '6h': { label: '6 h', name: 'last 6 hours', minutes: 360, step: 5 },
  '24h': { label: '24 h', name: 'last 24 hours', minutes: 1_440, step: 15 },
} as const
export type PeriodId = keyof typeof PERIODS

export interface Cell extends Sums {
  /** Milliseconds. */
  from: number
  to: number
}

const MINUTE_MS = 60_000

/** @param endMs where the last cell ends */
export function cellsOf(
  minutes: readonly BalanceMinute[],
  { minutes: count, step }: (typeof PERIODS)[PeriodId],
  endMs: number,
): Cell[] {
  const lengthMs = step * MINUTE_MS
  const startMs = endMs - count * MINUTE_MS
  const parts: BalanceMinute[][] = Array.from({ length: count / step }, () => [])
  for (const minute of minutes)
    parts[Math.floor((Date.parse(minute.minute) - startMs) / lengthMs)]?.push(minute)
  return parts.map((part, i) => ({
    ...sumsOf(part),
    from: startMs + i * lengthMs,
    to: startMs + (i + 1) * lengthMs,
  }))
}
