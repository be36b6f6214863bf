import type pg from 'pg'
import { LIMITS } from '../../../contract/limits.ts'
import { existingDays } from '../../db/day-partitions.ts'
import { readRetention } from '../../db/event-retention.ts'
import type { ExecuteQuery } from '../consume/connection.ts'

/**
 * Of days before it some events may have been dropped, their own or those of the days in which a duplicate is looked up:
 * a record received on such a day might count a second time.
 */
export async function findOldestDay(
  pool: pg.Pool,
  execute: ExecuteQuery,
  configuredDays: number | undefined,
): Promise<number> {
  const { today, retentionDays, droppedThrough } = await readRetention(execute)
  const keptDays = Math.min(
    configuredDays ?? Number.POSITIVE_INFINITY,
    retentionDays ?? Number.POSITIVE_INFINITY,
  )
  const oldestKept = today - (Number.isFinite(keptDays) ? keptDays : LIMITS.rawRetentionDaysDefault)
  const days = await existingDays(pool, 'event')
  return Math.max(
    oldestKept + LIMITS.dedupeDays,
    droppedThrough === undefined ? 0 : droppedThrough + 1 + LIMITS.dedupeDays,
    ...(days.size > 0 ? [Math.min(...days)] : []),
  )
}
