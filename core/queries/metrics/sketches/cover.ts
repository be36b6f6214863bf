import { SKETCH_MINUTES, type SketchMinutes } from '../../../db/tables/sketches.ts'

/** Sketches of one length, next to each other; in milliseconds since 1970. */
export interface SketchRun {
  minutes: SketchMinutes
  fromMs: number
  beforeMs: number
}

/**
 * The fewest sketches that are exactly this range, which begins and ends with a 15-minute bucket: whole days in its
 * middle, and towards its ends shorter and shorter ones.
 * @param minutesMax none is longer
 */
export function coverRange(
  fromMs: number,
  beforeMs: number,
  minutesMax: SketchMinutes = 1440,
): SketchRun[] {
  return cover(fromMs, beforeMs, SKETCH_MINUTES.indexOf(minutesMax))
}

function cover(fromMs: number, beforeMs: number, level: number): SketchRun[] {
  const minutes = SKETCH_MINUTES[level]
  if (minutes === undefined || fromMs >= beforeMs) return []
  const spanMs = minutes * 60_000
  const first = Math.ceil(fromMs / spanMs) * spanMs
  const last = Math.floor(beforeMs / spanMs) * spanMs
  if (first >= last) return cover(fromMs, beforeMs, level - 1)
  return [
    ...cover(fromMs, first, level - 1),
    { minutes, fromMs: first, beforeMs: last },
    ...cover(last, beforeMs, level - 1),
  ]
}

/** The same sketches in as few runs as possible: neighbours of one length become one. */
export function joinRuns(runs: readonly SketchRun[]): SketchRun[] {
  const joined: SketchRun[] = []
  for (const minutes of SKETCH_MINUTES)
    for (const run of runs) {
      if (run.minutes !== minutes) continue
      const last = joined.at(-1)
      if (last?.minutes === minutes && last.beforeMs === run.fromMs) last.beforeMs = run.beforeMs
      else joined.push({ ...run })
    }
  return joined
}
