const FIRST_MS = 1_000
const LONGEST_MS = 30_000

/**
 * How long to wait before the next try: doubling, at most half a minute, and a little apart from
 * the others who lost their connection at the same moment.
 */
export function backoffMs(tries: number, random: () => number = Math.random): number {
  const full = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.max(0, Math.min(10, tries - 1)))
  return Math.round(full * (0.8 + 0.2 * random()))
}
