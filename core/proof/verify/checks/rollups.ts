import type pg from 'pg'
import { DAY_MS, isoDay } from '../../../db/day-partitions.ts'
import { OTHER_METRIC } from '../../../db/series-names.ts'
import {
  addDifference,
  DIFFERENCES_PER_PART_MAX,
  emptyResult,
  type PartResult,
} from '../difference.ts'
import { type Check, type Part, timeLiteral } from '../part.ts'
import { cutToHeld, halve, type MsRange, nameOfRange, occurredRanges } from '../ranges.ts'

/** Rollups by event name against a recount of single events, by day in which they occurred. */
export const checkRollups: Check = (context) =>
  occurredRanges(context).map((range) => rollupPart(range, context.tenantId))

function rollupPart(range: MsRange, tenantId: number | undefined): Part {
  return {
    name: `rollups ${nameOfRange(range)}`,
    run: async (client, droppedThrough) => {
      const held = cutToHeld(range, droppedThrough)
      return held ? compareRollups(client, held, tenantId) : emptyResult()
    },
    split: () => halve(range)?.map((half) => rollupPart(half, tenantId)),
  }
}

async function compareRollups(
  client: pg.ClientBase,
  range: MsRange,
  tenantId: number | undefined,
): Promise<PartResult> {
  const { rows } = await client.query(rollupSql(range, tenantId))
  const result = emptyResult()
  for (const row of rows) {
    if (row.tenant_id === null) {
      result.checked = Number(row.events)
      continue
    }
    addDifference(result, {
      kind: 'rollup',
      tenant: row.tenant_id,
      metric: row.metric,
      bucket: row.bucket.toISOString(),
      stored: row.stored,
      recounted: row.recounted,
    })
  }
  return result
}

/** Sums of doubles depend on their order. */
const SUM_TOLERANCE = 1e-9

/**
 * SQL: `found` has what differs, `by_name` what was counted again. A row of nothing counts nothing. Names beyond the limit of series
 * share one; a name that got its own later may have counts in both, so both are compared as one.
 *
 * Which events were late depends on what was known when they came. What can be counted again is how many may have been:
 * those that were received or stored after the end of their bucket. And no event is late without a mark.
 */
export function rollupCtes(range: MsRange, tenantId: number | undefined): string {
  const { fromMs, toMs } = range
  const inRange = (time: string) =>
    `${time} >= ${timeLiteral(fromMs)} AND ${time} < ${timeLiteral(toMs)}`
  const ofTenant = tenantId === undefined ? '' : ` AND tenant_id = ${tenantId}`
  const firstDay = Number.isFinite(fromMs)
    ? `AND received_on >= date '${isoDay(Math.floor(fromMs / DAY_MS) - 1)}'`
    : ''
  return `
WITH names AS MATERIALIZED (
  SELECT own.tenant_id, own.metric, own.series_id,
         CASE WHEN own.created_at > shared.created_at THEN shared.series_id ELSE own.series_id END AS counted_in
    FROM series own LEFT JOIN series shared ON shared.tenant_id = own.tenant_id AND shared.metric = '${OTHER_METRIC}'
), by_name AS MATERIALIZED (
  SELECT tenant_id, name, date_bin('15 minutes', occurred_at, 'epoch') AS bucket, count(*) AS count,
         count(value) AS value_count, coalesce(sum(value), 0) AS sum, coalesce(sum(abs(value)), 0) AS size, min(value) AS min, max(value) AS max,
         count(*) FILTER (WHERE greatest(stored_at, received_at) >= date_bin('15 minutes', occurred_at, 'epoch') + interval '15 minutes') AS late_max
    FROM event WHERE ${inRange('occurred_at')} ${firstDay}${ofTenant}
   GROUP BY 1, 2, 3
), recount AS (
  SELECT b.tenant_id, coalesce(own.counted_in, shared.series_id, 0) AS series_id, b.bucket, min(b.name) AS name, sum(b.count) AS count,
         sum(b.value_count) AS value_count, sum(b.sum) AS sum, sum(b.size) AS size, min(b.min) AS min, max(b.max) AS max, sum(b.late_max) AS late_max
    FROM by_name b
    LEFT JOIN names own ON own.tenant_id = b.tenant_id AND own.metric = b.name
    LEFT JOIN names shared ON shared.tenant_id = b.tenant_id AND shared.metric = '${OTHER_METRIC}'
   GROUP BY 1, 2, 3
), stored AS (
  SELECT r.tenant_id, coalesce(n.counted_in, r.series_id) AS series_id, r.bucket, sum(r.count) AS count, sum(r.value_count) AS value_count,
         sum(r.sum) AS sum, min(r.min) AS min, max(r.max) AS max, sum(r.late_count) AS late_count,
         bool_or(r.late_count > 0 AND r.revised_at IS NULL) AS is_unmarked
    FROM rollup_15m r LEFT JOIN names n ON n.series_id = r.series_id AND n.tenant_id = r.tenant_id
   WHERE ${inRange('r.bucket')}${ofTenant.replace('tenant_id', 'r.tenant_id')}
   GROUP BY 1, 2, 3
), found AS (
  SELECT coalesce(r.tenant_id, c.tenant_id) AS tenant_id, coalesce(r.series_id, c.series_id) AS series_id,
         coalesce(r.bucket, c.bucket) AS bucket, c.name,
         CASE WHEN r.tenant_id IS NOT NULL THEN concat_ws(' ', r.count, r.value_count, r.sum, r.min, r.max, 'late', r.late_count) END AS stored,
         CASE WHEN c.tenant_id IS NOT NULL THEN concat_ws(' ', c.count, c.value_count, c.sum, c.min, c.max, 'late at most', c.late_max) END AS recounted
    FROM stored r FULL JOIN recount c ON c.tenant_id = r.tenant_id AND c.series_id = r.series_id AND c.bucket = r.bucket
   WHERE coalesce(r.count, 0) <> coalesce(c.count, 0) OR coalesce(r.value_count, 0) <> coalesce(c.value_count, 0)
      OR r.min IS DISTINCT FROM c.min OR r.max IS DISTINCT FROM c.max
      OR NOT (abs(coalesce(r.sum, 0) - coalesce(c.sum, 0)) <= ${SUM_TOLERANCE} * greatest(c.size, 1e-300))
      OR r.is_unmarked OR r.late_count < 0 OR r.late_count > coalesce(c.late_max, 0)
)`
}

function rollupSql(range: MsRange, tenantId: number | undefined): string {
  return `${rollupCtes(range, tenantId)}
(SELECT f.tenant_id, f.series_id, coalesce(s.metric, f.name) AS metric, f.bucket, f.stored, f.recounted, NULL::numeric AS events
  FROM found f LEFT JOIN series s ON s.series_id = f.series_id AND s.tenant_id = f.tenant_id
 LIMIT ${DIFFERENCES_PER_PART_MAX + 1000})
UNION ALL SELECT NULL, NULL, NULL, NULL, NULL, NULL, coalesce(sum(count), 0) FROM by_name`
}
