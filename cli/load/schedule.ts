/** When each request is due, whatever the responses do. */
export interface Schedule {
  /** How many requests are due in the whole time. */
  total: number
  /** Milliseconds after the start at which request `n` is due. */
  dueAt(n: number): number
}

export interface ScheduleOptions {
  /** Requests a second. */
  rps: number
  minutes: number
  /** Ten times the rate for three seconds of every minute. */
  bursts: boolean
}

const MINUTE_S = 60
const BURST_FACTOR = 10
const BURST_FROM_S = 10
const BURST_S = 3
/** Seconds at the plain rate that have as many requests as a minute with its burst. */
const PLAIN_S_A_MINUTE = MINUTE_S + (BURST_FACTOR - 1) * BURST_S

export function createSchedule({ rps, minutes, bursts }: ScheduleOptions): Schedule {
  const dueAt = (n: number) => 1000 * (bursts ? withBursts(n / rps) : n / rps)
  const isDue = (n: number) => dueAt(n) < minutes * MINUTE_S * 1000
  // dueAt rises with n, so the first request that is not due is found by halving.
  let low = 0
  let high = Math.ceil(rps * MINUTE_S * minutes * BURST_FACTOR)
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    if (isDue(middle)) low = middle + 1
    else high = middle
  }
  return { total: low, dueAt }
}

/** @param plainS when it would be due without bursts; @returns when it is, both in seconds */
function withBursts(plainS: number): number {
  const minute = Math.floor(plainS / PLAIN_S_A_MINUTE)
  const rest = plainS - minute * PLAIN_S_A_MINUTE
  const start = minute * MINUTE_S
  if (rest <= BURST_FROM_S) return start + rest
  if (rest <= BURST_FROM_S + BURST_FACTOR * BURST_S)
    return start + BURST_FROM_S + (rest - BURST_FROM_S) / BURST_FACTOR
  return start + rest - (BURST_FACTOR - 1) * BURST_S
}
