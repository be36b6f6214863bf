import type pg from 'pg'
import { LIMITS } from '../../../../contract/limits.ts'
import { DAY_MS, isoDay } from '../../../db/day-partitions.ts'
import {
  addDifference,
  DIFFERENCES_PER_PART_MAX,
  emptyResult,
  type PartResult,
} from '../difference.ts'
import { type Check, timeLiteral } from '../part.ts'
import { areHeld, receivedDays } from '../ranges.ts'

/** Outcomes against the events and dead letters that they count, by day of receipt. */
export const checkOutcomes: Check = (context) =>
  receivedDays(context).map((day) => ({
    name: `outcomes ${isoDay(day)}`,
    run: async (client, droppedThrough) =>
      areHeld([day], droppedThrough) ? compareDay(client, day, context.tenantId) : emptyResult(),
  }))

/** Every minute that was counted is in one of the totals, too. */
export const checkTotals: Check = ({ tenantId, fromMs, toMs }) =>
  tenantId === undefined && !Number.isFinite(fromMs) && !Number.isFinite(toMs)
    ? [{ name: 'totals', run: compareTotals }]
    : []

async function compareDay(
  client: pg.ClientBase,
  day: number,
  tenantId: number | undefined,
): Promise<PartResult> {
  const result = emptyResult()
  const { rows: wrong } = await client.query(
    `SELECT tenant_id, event_id, received_at FROM event WHERE received_on = date '${isoDay(day)}'
        AND NOT (received_at >= ${timeLiteral(day * DAY_MS)} AND received_at < ${timeLiteral((day + 1) * DAY_MS)})
        ${tenantId === undefined ? '' : `AND tenant_id = ${tenantId}`} LIMIT ${DIFFERENCES_PER_PART_MAX}`,
  )
  for (const { tenant_id: tenant, event_id, received_at } of wrong)
    addDifference(result, {
      ...{ kind: 'event-day', tenant, bucket: received_at.toISOString(), ids: [event_id] },
      stored: isoDay(day),
    })
  const { rows } = await client.query(`${outcomeCtes(day, tenantId)}
(SELECT kind, tenant_id, minute, counted, recounted, NULL::numeric AS events FROM found ORDER BY minute, tenant_id LIMIT ${DIFFERENCES_PER_PART_MAX + 1000})
UNION ALL SELECT NULL, NULL, NULL, NULL, NULL, coalesce(sum(count), 0) FROM events`)
  for (const row of rows) {
    if (row.tenant_id === null) {
      result.checked = Number(row.events)
      continue
    }
    addDifference(result, {
      kind: row.kind,
      tenant: row.tenant_id,
      bucket: row.minute.toISOString(),
      stored: String(row.counted ?? 0),
      recounted: String(row.recounted ?? 0),
    })
  }
  return result
}

/**
 * SQL: `found` has what differs, `events` what was counted again.
 * Days older than LIMITS.outcomeMinuteDays are, or become, 15-minute rows. Dead letters are kept longer than that; those
 * that were replayed were taken from the dead ones.
 */
export function outcomeCtes(day: number, tenantId: number | undefined): string {
  const inDay = (time: string) =>
    `${time} >= ${timeLiteral(day * DAY_MS)} AND ${time} < ${timeLiteral((day + 1) * DAY_MS)}`
  const ofTenant = tenantId === undefined ? '' : ` AND tenant_id = ${tenantId}`
  const isFolded = `date '${isoDay(day)}' < (clock_timestamp() AT TIME ZONE 'UTC')::date - ${LIMITS.outcomeMinuteDays - 1}`
  const bin = (time: string) =>
    `date_bin(CASE WHEN ${isFolded} THEN interval '15 minutes' ELSE interval '1 minute' END, ${time}, 'epoch')`
  const compare = (kind: string, counted: string, source: string) => `
    SELECT '${kind}' AS kind, coalesce(o.tenant_id, e.tenant_id) AS tenant_id, coalesce(o.minute, e.minute) AS minute, o.${counted} AS counted, e.count AS recounted, false AS is_negative
      FROM outcome o FULL JOIN ${source} e ON e.tenant_id = o.tenant_id AND e.minute = o.minute
     WHERE coalesce(o.${counted}, 0) <> coalesce(e.count, 0)`
  return `
WITH outcome AS (
  SELECT tenant_id, ${bin('minute')} AS minute, sum(stored) AS stored, sum(dead) AS dead, sum(duplicate) AS duplicate, sum(conflicting) AS conflicting
    FROM outcome_minute WHERE ${inDay('minute')}${ofTenant} GROUP BY 1, 2
), events AS MATERIALIZED (
  SELECT tenant_id, ${bin('received_at')} AS minute, count(*) AS count
    FROM event WHERE received_on = date '${isoDay(day)}'${ofTenant} GROUP BY 1, 2
), dead AS (
  SELECT tenant_id, ${bin('received_at')} AS minute, count(*) AS count
    FROM dead_letter WHERE tenant_id IS NOT NULL AND state <> 'replayed' AND ${inDay('received_at')}${ofTenant} GROUP BY 1, 2
), found AS (
  ${compare('outcome', 'stored', 'events')}
  UNION ALL ${compare('dead-letter', 'dead', 'dead')}
  UNION ALL SELECT 'outcome', tenant_id, minute, least(duplicate, conflicting), 0, true FROM outcome WHERE duplicate < 0 OR conflicting < 0
)`
}

/** outcome_total has what a former version counted; partition -1 and tenant 0 are dead letters of no tenant. */
async function compareTotals(client: pg.ClientBase): Promise<PartResult> {
  const result = { ...emptyResult(), checked: 1 }
  for (const { outcome, ...sides } of await readTotals(client))
    addDifference(result, { kind: 'outcome-total', metric: outcome, ...sides })
  return result
}

/** Those that differ: sums as text. */
export async function readTotals(
  client: pg.ClientBase,
): Promise<{ outcome: string; stored: string; recounted: string }[]> {
  const sums = (of: (column: string) => string) =>
    ['stored', 'duplicate', 'conflicting', 'dead']
      .map((each) => `coalesce(${of(each)}, 0)::text AS ${each}`)
      .join(', ')
  const { rows } = await client.query(`
    SELECT ${sums((each) => `(SELECT sum(${each}) FROM outcome_minute)`)}
    UNION ALL
    SELECT ${sums((each) => `(SELECT sum(${each}) FROM outcome_total_by_partition WHERE partition >= 0) + coalesce((SELECT sum(${each}) FROM outcome_total WHERE tenant_id > 0), 0)`)}`)
  const [minutes, totals] = rows
  return Object.keys(minutes)
    .filter((outcome) => minutes[outcome] !== totals[outcome])
    .map((outcome) => ({ outcome, stored: totals[outcome], recounted: minutes[outcome] }))
}
