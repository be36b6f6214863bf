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
      const { derived, longDerived, isComplete } = await sketches.run({ signal })
      const hasDerived = derived + longDerived > 0
      isBehind = hasDerived && !isComplete
      if (hasDerived) logger.info({ derived, longDerived, isComplete }, 'sketches derived')
    } catch (error) {
      if (signal.aborted) return
      logger.warn({ error: String(error) }, 'deriving sketches failed, retrying in a minute')
    }
    if (!isBehind) await pause(INTERVAL_MS, signal)
  }
}

/** What the maintenance of days needs of sketches: days count from 1970-01-01, UTC. */
export interface SketchesOfDays {
  /** Derives what was received before that day, as far as that is possible in a while. */
  deriveBefore(day: number): Promise<void>
  /** Whether nothing is to be derived of that day's events any more; they are all written. */
  isDroppable(day: number, overdueDays: number): Promise<boolean>
}

export function createSketchesOfDays(
  sketches: SketchDerivation,
  logger: Logger,
  signal: AbortSignal,
): SketchesOfDays {
  return {
    async deriveBefore(day) {
      const options = { droppedBeforeMs: day * DAY_MS, msMax: BEFORE_DROP_MS_MAX, signal }
      // The days that have their sketches are dropped all the same.
      await sketches.run(options).catch((error) => {
        if (!signal.aborted)
          logger.warn({ error: String(error) }, 'deriving sketches failed, retrying in an hour')
      })
    },
    isDroppable: (day, overdueDays) => sketches.isDroppable(day, overdueDays),
  }
}
