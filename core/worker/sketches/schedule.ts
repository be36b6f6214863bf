import { DAY_MS } from '../../db/partitions.ts'
import type { Logger } from '../../lib/logger.ts'
import { pause } from '../../lib/pause.ts'
import type { SketchDerivation } from './derive-sketches.ts'

const INTERVAL_MS = 60_000
/** Hourly, and the days that are dropped have been derived for weeks. */
const BEFORE_DROP_MS_MAX = 20_000

/** Until the signal aborts, and without a pause where there is more to do. */
export async function deriveEveryMinute(
  sketches: SketchDerivation,
  logger: Logger,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    let isBehind = false
    try {
      const { derived, isComplete } = await sketches.run({ signal })
      isBehind = derived > 0 && !isComplete
      if (derived > 0) logger.info({ derived, isComplete }, 'sketches derived')
    } catch (error) {
      if (signal.aborted) return
      logger.warn({ error: String(error) }, 'deriving sketches failed, retrying in a minute')
    }
    if (!isBehind) await pause(INTERVAL_MS, signal)
  }
}

/** Before events are dropped. @param day since 1970-01-01, UTC */
export async function deriveBefore(
  sketches: SketchDerivation,
  day: number,
  signal: AbortSignal,
): Promise<boolean> {
  const { isComplete } = await sketches.run({
    droppedBeforeMs: day * DAY_MS,
    msMax: BEFORE_DROP_MS_MAX,
    signal,
  })
  return isComplete
}
