import type pg from 'pg'
import { DAY_MS, DAYS } from '../../db/partitions.ts'
import type { Logger } from '../../lib/logger.ts'
import type { FailingTenants } from './failing-tenants.ts'
import { timeSql } from './sketch-rows.ts'
import { whereUnderived } from './targets.ts'

/** A day whose events still have no sketches is dropped after so many days, where deriving them fails again and again. */
const OVERDUE_DAYS = 3
const FAILURES_MIN = 3

export interface DroppableDeps {
  client: Pick<pg.ClientBase, 'query'>
  failing: Pick<FailingTenants, 'failures'>
  logger: Pick<Logger, 'error'> | undefined
}

/**
 * Whether every event received on that day has its sketches, as the tables have it; nothing is written into the day any
 * more. Of an overdue day it is enough that all tenants without them keep failing: their sketches are then marked as
 * incomplete.
 * @param overdueDays how long the day could have been dropped already
 */
export async function isDroppable(
  { client, failing, logger }: DroppableDeps,
  day: number,
  overdueDays: number,
): Promise<boolean> {
  const { rows } = await client.query<{ tenant_id: number; last_ms: number }>(
    `SELECT o.tenant_id, held.last_ms
       FROM tenant o LEFT JOIN sketch_progress p USING (tenant_id)
      CROSS JOIN LATERAL (
        SELECT (extract(epoch FROM date_bin('15 minutes', max(e.occurred_at), 'epoch')) * 1000)::float8 + 900000 AS last_ms
          FROM event e
         WHERE ${whereUnderived('o.tenant_id', 'p.derived_through', { fromMs: day * DAY_MS, beforeMs: (day + 1) * DAY_MS })}) held
      WHERE held.last_ms IS NOT NULL`,
  )
  if (rows.length === 0) return true
  const tenants = rows.map(({ tenant_id }) => tenant_id)
  const doAllFail = tenants.every((tenantId) => failing.failures(tenantId) >= FAILURES_MIN)
  if (overdueDays < OVERDUE_DAYS || !doAllFail) return false
  // Without a row nothing is derived yet: what is missing then is marked as it is derived.
  for (const { tenant_id, last_ms } of rows)
    await client.query(
      `UPDATE sketch_progress SET incomplete_before = greatest(incomplete_before, ${timeSql(last_ms)}) WHERE tenant_id = $1`,
      [tenant_id],
    )
  logger?.error(
    { day: DAYS.startOf(day), tenants },
    'dropping a day of events without their sketches, which failed for days: distinct actors and percentiles of it are incomplete',
  )
  return true
}
