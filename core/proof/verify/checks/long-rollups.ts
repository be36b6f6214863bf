import type pg from 'pg'
import { DAY_MS } from '../../../db/day-partitions.ts'
import { LONG_MINUTES, NAMES_METRIC, TOTAL_SERIES } from '../../../db/tables/long-rollups.ts'
import { seriesSql, tableOf } from '../../../worker/long-rollups/derive-day.ts'
import {
  addDifference,
  DIFFERENCES_PER_PART_MAX,
  emptyResult,
  type PartResult,
} from '../difference.ts'
import { type Check, type Part, REVISION_MINUTES, timeLiteral } from '../part.ts'
import { halve, type MsRange, nameOfRange } from '../ranges.ts'

interface Derived {
  tenantId: number
  metricId: number
  name: string
}

/** Hours and days of event names and declared metrics against the 15-minute rows that they were added up from. */
export const checkLongRollups: Check = async ({ tenantId, fromMs, toMs }, client) => {
  const { rows } = await client.query<{
    tenant_id: number
    metric_id: number
    name: string | null
    through: number
  }>(
    `SELECT p.tenant_id, p.metric_id::float8 AS metric_id, d.name, (extract(epoch FROM p.derived_through) * 1000)::float8 AS through
       FROM rollup_long_progress p LEFT JOIN metric_definition d USING (metric_id)
      WHERE (p.metric_id = ${NAMES_METRIC} OR d.retired_at IS NULL) AND ($1::int IS NULL OR p.tenant_id = $1) ORDER BY 1, 2`,
    [tenantId ?? null],
  )
  return rows.flatMap(({ tenant_id, metric_id, name, through }) => {
    const range = { fromMs, toMs: Math.min(toMs, through) }
    const derived = { tenantId: tenant_id, metricId: metric_id, name: name ?? '' }
    return range.fromMs < range.toMs ? [longPart(derived, range)] : []
  })
}

function longPart(derived: Derived, range: MsRange): Part {
  return {
    name: `long rollups ${derived.tenantId} ${derived.metricId} ${nameOfRange(range)}`,
    run: (client) => compareLong(client, derived, range),
    split: () => splitAtMidnight(range)?.map((part) => longPart(derived, part)),
  }
}

/** No bucket is longer than a day. */
function splitAtMidnight(range: MsRange): MsRange[] | undefined {
  const middle = halve(range)?.[1]?.fromMs
  const midnight = middle === undefined ? undefined : Math.floor(middle / DAY_MS) * DAY_MS
  if (midnight === undefined || midnight <= range.fromMs) return undefined
  return [
    { ...range, toMs: midnight },
    { ...range, fromMs: midnight },
  ]
}

async function compareLong(
  client: pg.ClientBase,
  derived: Derived,
  range: MsRange,
): Promise<PartResult> {
  const { rows } = await client.query(longSql(derived, range))
  const result = emptyResult()
  for (const { bucket, minutes, metric, stored, recounted, compared } of rows) {
    if (bucket === null) {
      result.checked = Number(compared)
      continue
    }
    const name = derived.metricId === NAMES_METRIC ? metric : `${derived.name} ${metric}`
    addDifference(result, {
      ...{ kind: 'rollup-long', tenant: derived.tenantId, bucket: bucket.toISOString() },
      ...{ metric: `${name}, ${minutes} min`, stored, recounted },
    })
  }
  return result
}

/** Of the order in which doubles were added. */
const ROUNDING = 1e-9

/** Buckets that lie within the range; those that were revised a moment ago may be about to be derived again. */
function longSql({ tenantId, metricId }: Derived, { fromMs, toMs }: MsRange): string {
  const [from, to] = [timeLiteral(fromMs), timeLiteral(toMs)]
  const levels = LONG_MINUTES.map((minutes) => `(${minutes})`).join(', ')
  const nameSql =
    metricId === NAMES_METRIC
      ? `(SELECT metric FROM series s WHERE s.tenant_id = ${tenantId} AND s.series_id = f.series_id)`
      : '(SELECT s.dims::text FROM metric_series s WHERE s.series_id = f.series_id)'
  return `
WITH short AS (
  SELECT r.series_id, r.bucket, r.count, r.value_count, r.sum, r.min, r.max, r.late_count, r.revised_at
    FROM (${seriesSql(tenantId, metricId)}) s JOIN ${tableOf(metricId)} r ON r.series_id = s.series_id
   WHERE r.tenant_id = ${tenantId} AND r.bucket >= ${from} AND r.bucket < ${to}
), recount AS MATERIALIZED (
  SELECT m.minutes, coalesce(r.series_id, ${TOTAL_SERIES}) AS series_id, longer.bucket, sum(r.count) AS count, sum(r.value_count) AS value_count,
         sum(r.sum) AS sum, sum(abs(r.sum)) AS size, min(r.min) AS min, max(r.max) AS max, sum(r.late_count) AS late_count,
         coalesce(max(r.revised_at) > clock_timestamp() - interval '${REVISION_MINUTES} minutes', false) AS is_pending
    FROM short r CROSS JOIN (VALUES ${levels}) m (minutes)
   CROSS JOIN LATERAL (SELECT date_bin(make_interval(mins => m.minutes), r.bucket, 'epoch') AS bucket) longer
   WHERE longer.bucket >= ${from} AND longer.bucket + make_interval(mins => m.minutes) <= ${to}
   GROUP BY GROUPING SETS ((m.minutes, longer.bucket), (m.minutes, r.series_id, longer.bucket))
), stored AS (
  SELECT * FROM rollup_long WHERE tenant_id = ${tenantId} AND metric_id = ${metricId}
     AND bucket >= ${from} AND bucket + make_interval(mins => minutes) <= ${to}
), found AS (
  SELECT coalesce(c.minutes, l.minutes) AS minutes, coalesce(c.series_id, l.series_id) AS series_id, coalesce(c.bucket, l.bucket) AS bucket,
         CASE WHEN l.bucket IS NOT NULL THEN concat_ws(' ', l.count, l.value_count, l.sum, l.min, l.max, 'late', l.late_count) END AS stored,
         CASE WHEN c.bucket IS NOT NULL THEN concat_ws(' ', c.count, c.value_count, c.sum, c.min, c.max, 'late', c.late_count) END AS recounted
    FROM recount c FULL JOIN stored l ON l.minutes = c.minutes AND l.series_id = c.series_id AND l.bucket = c.bucket
   WHERE c.is_pending IS NOT TRUE
     AND (c.count IS DISTINCT FROM l.count OR c.value_count IS DISTINCT FROM l.value_count OR c.late_count IS DISTINCT FROM l.late_count
          OR c.min IS DISTINCT FROM l.min OR c.max IS DISTINCT FROM l.max
          OR NOT (abs(l.sum - c.sum) <= ${ROUNDING} * greatest(c.size, 1e-300)))
)
(SELECT bucket, minutes, coalesce(${nameSql}, 'all') AS metric, stored, recounted, NULL::bigint AS compared
   FROM found f LIMIT ${DIFFERENCES_PER_PART_MAX + 1000})
UNION ALL SELECT NULL, NULL, NULL, NULL, NULL, count(*) FROM recount`
}
