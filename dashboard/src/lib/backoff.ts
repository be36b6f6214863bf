const FIRST_MS = 1_000
const LONGEST_MS = 30_000

/**
 * How long to wait before the next attempt: doubling, at most 30 s, with up to 20 % of jitter so that
 * clients that lost their connection together do not return together.
 * @param tries failed attempts in a row, from 1
 */
export function backoffMs(tries: number, random: () => number = Math.random): number {
  const full = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.max(0, Math.min(10, tries - 1)))
  return Math.round(full * (0.8 + 0.2 * random()))
}
