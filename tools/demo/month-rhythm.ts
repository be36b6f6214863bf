/** When the shop is busy: by the hour, and the two things that happened in these weeks. */
export interface MonthPlan {
  startMs: number
  /** `ms`: how much of the hour lies before the end. */
  hours: { weight: number; ms: number }[]
  /** From then on there is more traffic, and there are new names. */
  releaseMs: number
  /** The shop was hardly reachable, and failures were many. */
  outage: { fromMs: number; untilMs: number }
}

const HOUR_MS = 3_600_000
/** UTC; customers are in Europe and, in the evening, in America. */
const DAY_RHYTHM = [
  3, 2, 2, 2, 3, 5, 8, 12, 16, 18, 19, 19, 18, 19, 20, 21, 22, 22, 21, 19, 16, 12, 8, 5,
]
/** From Sunday. */
const WEEK_RHYTHM = [0.55, 1, 1.05, 1.1, 1.05, 0.95, 0.6]
const GROWTH = 0.15
const RELEASE_JUMP = 1.45
const OUTAGE_SHARE = 0.06

/** @param untilMs end of the last hour, which may be a part of one */
export function hourlyWeights(untilMs: number, days: number): MonthPlan {
  const hours = Math.ceil(days * 24)
  const startMs = Math.floor((untilMs - days * 24 * HOUR_MS) / HOUR_MS) * HOUR_MS
  const hourAt = (share: number) => startMs + Math.floor(hours * share) * HOUR_MS
  const releaseMs = hourAt(0.6)
  const outage = { fromMs: hourAt(0.78), untilMs: hourAt(0.78) + 3 * HOUR_MS }
  const weightAt = (ms: number) => {
    const at = new Date(ms)
    const day = DAY_RHYTHM[at.getUTCHours()] ?? 0
    const week = WEEK_RHYTHM[at.getUTCDay()] ?? 1
    const growth = 1 + (GROWTH * (ms - startMs)) / (untilMs - startMs)
    const release = ms >= releaseMs ? RELEASE_JUMP : 1
    const up = ms >= outage.fromMs && ms < outage.untilMs ? OUTAGE_SHARE : 1
    return day * week * growth * release * up
  }
  const count = Math.ceil((untilMs - startMs) / HOUR_MS)
  return {
    startMs,
    releaseMs,
    outage,
    hours: Array.from({ length: count }, (_, hour) => {
      const begin = startMs + hour * HOUR_MS
      const ms = Math.min(HOUR_MS, untilMs - begin)
      return { weight: (weightAt(begin) * ms) / HOUR_MS, ms }
    }),
  }
}
