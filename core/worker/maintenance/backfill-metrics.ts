import type pg from 'pg'
import type { Logger } from '../../lib/logger.ts'
import { pause } from '../../lib/pause.ts'
import { createBackfill } from '../../metrics/backfill.ts'
import { METRIC_LIMITS } from '../../metrics/metric-limits.ts'

const RETRY_MS = 30_000

/**
 * Counts the history of declared metrics until `signal` aborts. One worker does it at a time, and rests between two parts
 * for as long as the last one took: ingest goes first.
 */
export async function backfillMetrics(
  { pool, logger }: { pool: pg.Pool; logger: Logger },
  signal: AbortSignal,
): Promise<void> {
  const backfill = createBackfill(pool, signal)
  while (!signal.aborted) {
    const startedAt = performance.now()
    const result = await backfill.step().catch((error) => {
      if (!signal.aborted)
        logger.warn(
          { error: String(error) },
          'counting the history of a metric failed, retrying in 30 s',
        )
      return 'failed' as const
    })
    const tookMs = performance.now() - startedAt
    const waitMs = {
      done: tookMs,
      idle: METRIC_LIMITS.backfillPollMs,
      cancelled: 0,
      failed: RETRY_MS,
    }
    await pause(waitMs[result], signal)
  }
}
