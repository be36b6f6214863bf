import type pg from 'pg'
import { numberSql, textSql } from '../../../metrics/backfill-sql.ts'
import type { StoredMetric } from '../../../metrics/compile-metric.ts'
import { METRIC_LIMITS } from '../../../metrics/metric-limits.ts'
import { METRIC_COLUMNS, readMetric } from '../../../metrics/stored-metrics.ts'
import {
  addDifference,
  DIFFERENCES_PER_PART_MAX,
  emptyResult,
  type PartResult,
} from '../difference.ts'
import { type Check, type Part, timeLiteral } from '../part.ts'
import { cutToHeld, halve, type MsRange, nameOfRange, occurredRanges } from '../ranges.ts'

export interface ActiveMetric {
  metric: StoredMetric
  /** RFC 3339, with microseconds. */
  activatedAt: string
  /** Its history is counted. */
  isBackfilled: boolean
  /** Some combinations of dimension values are counted together, or were: only totals can be compared. */
  hasShared: boolean
}

/** Declared metrics that count now, by day in which the events occurred: what batches counted, and the backfill. */
export const checkMetrics: Check = async (context, client) =>
  (await readActiveMetrics(client, context.tenantId)).flatMap((active) =>
    occurredRanges(context).map((range) => metricPart(active, range)),
  )

export async function readActiveMetrics(
  client: pg.ClientBase,
  tenantId: number | undefined,
): Promise<ActiveMetric[]> {
  const { rows } = await client.query(
    `SELECT ${METRIC_COLUMNS}, to_char(activated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS activated,
            NOT EXISTS (SELECT FROM metric_backfill b WHERE b.metric_id = d.metric_id AND b.completed_at IS NULL) AS is_backfilled,
            EXISTS (SELECT FROM metric_series s WHERE s.metric_id = d.metric_id AND (s.dims IS NULL OR s.retired_on IS NOT NULL)) AS has_shared
       FROM metric_definition d WHERE retired_at IS NULL AND ($1::int IS NULL OR tenant_id = $1) ORDER BY metric_id`,
    [tenantId ?? null],
  )
  return rows.map((row) => ({
    metric: readMetric(row),
    ...{ activatedAt: row.activated, isBackfilled: row.is_backfilled, hasShared: row.has_shared },
  }))
}

function metricPart(active: ActiveMetric, range: MsRange): Part {
  return {
    name: `metric ${active.metric.metricId} ${nameOfRange(range)}`,
    run: async (client, droppedThrough) => {
      const held = cutToHeld(range, droppedThrough)
      return held ? compareMetric(client, active, held) : emptyResult()
    },
    split: () => halve(range)?.map((half) => metricPart(active, half)),
  }
}

async function compareMetric(
  client: pg.ClientBase,
  active: ActiveMetric,
  range: MsRange,
): Promise<PartResult> {
  const { text, values } = metricCtes(active, range)
  const { rows } = await client.query(
    `${text}
(SELECT bucket, dims::text AS dims, NULL::numeric AS events, stored, recounted FROM found LIMIT ${DIFFERENCES_PER_PART_MAX + 1000})
UNION ALL SELECT NULL, NULL, coalesce(sum(count), 0), NULL, NULL FROM recount`,
    values,
  )
  const result = emptyResult()
  const { metric } = active
  for (const row of rows) {
    if (row.bucket === null) {
      result.checked = Number(row.events)
      continue
    }
    addDifference(result, {
      ...{ kind: 'metric', tenant: metric.tenantId, bucket: row.bucket.toISOString() },
      metric: row.dims === null ? metric.name : `${metric.name} ${row.dims}`,
      ...{ stored: row.stored, recounted: row.recounted },
    })
  }
  if (!active.isBackfilled)
    result.notChecked = `the history of ${metric.name}, which is not counted yet`
  return result
}

const SUM_TOLERANCE = 1e-9

/** SQL: `found` has what differs, `recount` what was counted again. An event belongs to its batch where it was stored after the activation, and to the backfill otherwise. */
export function metricCtes(
  { metric, activatedAt, isBackfilled, hasShared }: ActiveMetric,
  { fromMs, toMs }: MsRange,
) {
  const values: unknown[] = []
  const add = (value: unknown) => `$${values.push(value)}`
  const dims = metric.dimensions.map(
    (dimension) => `left(${textSql(dimension, add)}, ${METRIC_LIMITS.dimensionValueCharsMax})`,
  )
  const inRange = (time: string) =>
    `${time} >= ${timeLiteral(fromMs)} AND ${time} < ${timeLiteral(toMs)}`
  const backfilled = `e.stored_at <= ${add(activatedAt)}::timestamptz`
  const conditions = [
    `e.tenant_id = ${add(metric.tenantId)}`,
    inRange('e.occurred_at'),
    ...(isBackfilled ? [] : [`NOT ${backfilled}`]),
    ...(metric.events ? [`e.name = ANY (${add(metric.events)}::text[])`] : []),
    ...metric.filters.map(
      (filter) => `${textSql(filter.dimension, add)} = ANY (${add(filter.in)}::text[])`,
    ),
  ]
  const text = `
WITH recount AS MATERIALIZED (
  SELECT date_bin('15 minutes', e.occurred_at, 'epoch') AS bucket, ${backfilled} AS backfilled,
         ${hasShared ? 'NULL::text[]' : `ARRAY[${dims.join(', ')}]::text[]`} AS dims, count(*) AS count, count(v.value) AS value_count,
         coalesce(sum(v.value), 0) AS sum, coalesce(sum(abs(v.value)), 0) AS size, min(v.value) AS min, max(v.value) AS max
    FROM event e CROSS JOIN LATERAL (SELECT ${numberSql(metric.value, add)} AS value) v
   WHERE ${conditions.join(' AND ')}
   GROUP BY 1, 2, 3
), stored AS (
  SELECT r.bucket, r.backfilled, ${hasShared ? 'NULL::text[]' : 's.dims'} AS dims, sum(r.count) AS count, sum(r.value_count) AS value_count,
         sum(r.sum) AS sum, min(r.min) AS min, max(r.max) AS max, sum(r.late_count) AS late_count
    FROM metric_series s JOIN metric_rollup_15m r USING (series_id)
   WHERE s.metric_id = ${add(metric.metricId)} AND ${inRange('r.bucket')} ${isBackfilled ? '' : 'AND NOT r.backfilled'}
   GROUP BY 1, 2, 3
), found AS (
SELECT coalesce(r.bucket, c.bucket) AS bucket, coalesce(r.backfilled, c.backfilled) AS backfilled, coalesce(r.dims, c.dims) AS dims,
       c.count, c.value_count, c.sum, c.min, c.max, r.late_count,
       CASE WHEN r.bucket IS NOT NULL THEN concat_ws(' ', r.count, r.value_count, r.sum, r.min, r.max) END AS stored,
       CASE WHEN c.bucket IS NOT NULL THEN concat_ws(' ', c.count, c.value_count, c.sum, c.min, c.max) END AS recounted
  FROM stored r FULL JOIN recount c ON c.bucket = r.bucket AND c.backfilled = r.backfilled
   AND coalesce(c.dims::text, '') = coalesce(r.dims::text, '')
 WHERE coalesce(r.count, 0) <> coalesce(c.count, 0) OR coalesce(r.value_count, 0) <> coalesce(c.value_count, 0)
    OR r.min IS DISTINCT FROM c.min OR r.max IS DISTINCT FROM c.max
    OR NOT (abs(coalesce(r.sum, 0) - coalesce(c.sum, 0)) <= ${SUM_TOLERANCE} * greatest(c.size, 1e-300)) OR r.late_count NOT BETWEEN 0 AND r.count
)`
  return { text, values }
}
