import type pg from 'pg'
import { DAY_MS, isoDay } from '../../../db/day-partitions.ts'
import { readRetention } from '../../../db/event-retention.ts'
import { NAMES_METRIC } from '../../../db/tables/long-rollups.ts'
import { deriveDayInSnapshot } from '../../../worker/long-rollups/derive-day.ts'
import { deriveInSnapshot } from '../../../worker/sketches/derive-range.ts'
import { timeLiteral } from '../part.ts'
import { cutToHeld, type MsRange } from '../ranges.ts'
import type { DayTask, Unrepaired } from './plan.ts'
import { replaceMetrics } from './replace-metrics.ts'
import { replaceRollups } from './replace-rollups.ts'
import type { Repaired, RepairOutcome, ReplacedRow } from './transaction.ts'

const DROPPED = 'events of it were dropped, so that nothing is left that it could be counted from'

/**
 * Rollups and declared metrics of a tenant's day, and then what is derived of them: hours and days, sketches.
 * @param client in a transaction of one snapshot
 */
export async function repairDay(client: pg.ClientBase, task: DayTask): Promise<RepairOutcome> {
  const { tenantId, day, kinds } = task
  const whole = { fromMs: day * DAY_MS, toMs: (day + 1) * DAY_MS }
  const { droppedThrough } = await readRetention((text, values) => client.query(text, values))
  const held = cutToHeld(whole, droppedThrough)
  const unrepaired: Unrepaired[] = []
  const leave = (kind: Unrepaired['kind'], next: string, differences = 1) =>
    unrepaired.push({ kind, tenant: tenantId, differences, next: `${isoDay(day)}: ${next}` })
  if (!held) {
    for (const kind of kinds) leave(kind, DROPPED)
    return { repaired: [], unrepaired, changed: [] }
  }
  const repaired: Repaired[] = []
  const add = (kind: Repaired['kind'], rows: ReplacedRow[]) => {
    if (rows.length > 0) repaired.push({ kind, tenant: tenantId, day: isoDay(day), rows })
  }
  const rollups = await replaceRollups(client, tenantId, held)
  add('rollup', rollups.rows)
  if (rollups.withoutSeries > 0)
    leave(
      'rollup',
      'a name has no series; the next event with it creates one',
      rollups.withoutSeries,
    )
  const metrics = await replaceMetrics(client, tenantId, held)
  add('metric', metrics.rows)
  for (const [next, count] of metrics.left) leave('metric', next, count)
  const isChanged = repaired.length > 0
  if (isChanged || kinds.has('rollup-long')) {
    if (held.fromMs > whole.fromMs && !isChanged) leave('rollup-long', DROPPED)
    else if (await deriveLong(client, tenantId, held))
      repaired.push({ kind: 'rollup-long', tenant: tenantId, day: isoDay(day), rows: [] })
  }
  if (
    (rollups.rows.length > 0 || kinds.has('sketch')) &&
    (await deriveSketches(client, tenantId, held))
  )
    repaired.push({ kind: 'sketch', tenant: tenantId, day: isoDay(day), rows: [] })
  return { repaired, unrepaired, changed: bucketsOf(tenantId, held) }
}

/** Of a day there are 96: one range in the end. */
function bucketsOf(tenantId: number, { fromMs, toMs }: MsRange): RepairOutcome['changed'] {
  const changed = []
  for (let ms = fromMs; ms < toMs; ms += 900_000) changed.push({ tenantId, ms })
  return changed
}

async function deriveLong(
  client: pg.ClientBase,
  tenantId: number,
  { fromMs, toMs }: MsRange,
): Promise<boolean> {
  const { rows } = await client.query<{ metric_id: number }>(
    `SELECT metric_id::float8 AS metric_id FROM rollup_long_progress
      WHERE tenant_id = ${tenantId} AND derived_through > ${timeLiteral(fromMs)} ORDER BY metric_id = ${NAMES_METRIC} DESC, metric_id`,
  )
  const metricIds = rows.map(({ metric_id }) => metric_id)
  await deriveDayInSnapshot(client, {
    ...{ tenantId, metricIds, fromMs, beforeMs: toMs, isRevision: true },
  })
  return metricIds.length > 0
}

/** Sketches of nothing go, too. Those of buckets before the held ones stay, and are merged into the day's again. */
async function deriveSketches(
  client: pg.ClientBase,
  tenantId: number,
  { fromMs, toMs }: MsRange,
): Promise<boolean> {
  const { rows } = await client.query<{ ms: number }>(
    `SELECT (extract(epoch FROM derived_through) * 1000)::float8 AS ms FROM sketch_progress WHERE tenant_id = ${tenantId}`,
  )
  const throughMs = rows[0]?.ms ?? Number.NEGATIVE_INFINITY
  const beforeMs = Math.min(toMs, throughMs)
  if (fromMs >= beforeMs) return false
  await client.query(
    `DELETE FROM sketch WHERE tenant_id = ${tenantId} AND bucket < ${timeLiteral(beforeMs)}
        AND (minutes = 15 AND bucket >= ${timeLiteral(fromMs)}
             OR minutes > 15 AND bucket >= date_bin(make_interval(mins => minutes), ${timeLiteral(fromMs)}, 'epoch'))`,
  )
  await deriveInSnapshot(client, { tenantId, fromMs, beforeMs, throughMs, isRevision: true })
  return true
}
