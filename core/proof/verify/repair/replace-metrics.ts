import type pg from 'pg'
import { type ActiveMetric, metricCtes, readActiveMetrics } from '../checks/metrics.ts'
import type { MsRange } from '../ranges.ts'
import type { ReplacedRow } from './transaction.ts'

export interface ReplacedMetrics {
  rows: ReplacedRow[]
  /** Differences that stay, by what to do about them. */
  left: Map<string, number>
}

const SHARED =
  'some combinations are counted together and cannot be told apart; declare the metric again, which counts it from its events'
const NO_SERIES =
  'a combination has no series; declare the metric again, which counts it from its events'

/** Replaces rows of declared metrics that differ, and marks them as revised. */
export async function replaceMetrics(
  client: pg.ClientBase,
  tenantId: number,
  range: MsRange,
): Promise<ReplacedMetrics> {
  const result: ReplacedMetrics = { rows: [], left: new Map() }
  for (const active of await readActiveMetrics(client, tenantId)) {
    const { text, values } = metricCtes(active, range)
    const { rows } = await client.query(text + replaceSql(active), values)
    for (const { bucket, dims, series_id, stored, recounted } of rows) {
      const left = active.hasShared ? SHARED : series_id === null ? NO_SERIES : undefined
      if (left) result.left.set(left, (result.left.get(left) ?? 0) + 1)
      else result.rows.push({ metric: `${active.metric.name} ${dims}`, bucket, stored, recounted })
    }
  }
  return result
}

function replaceSql({ metric, hasShared }: ActiveMetric): string {
  const sums = 'count, value_count, sum, min, max, late_count'
  const select = 'SELECT bucket, dims::text AS dims, series_id, stored, recounted'
  if (hasShared) return `${select} FROM (SELECT found.*, NULL::bigint AS series_id FROM found) f`
  return `, chosen AS MATERIALIZED (
  SELECT f.*, s.series_id FROM found f
    LEFT JOIN metric_series s ON s.metric_id = ${metric.metricId} AND s.dims = f.dims
), replaced AS (
  INSERT INTO metric_rollup_15m AS r (tenant_id, series_id, bucket, backfilled, ${sums}, revised_at)
  SELECT ${metric.tenantId}, series_id, bucket, backfilled, coalesce(count, 0), coalesce(value_count, 0), coalesce(sum, 0), min, max,
         least(greatest(coalesce(late_count, 0), 0), coalesce(count, 0)), now()
    FROM chosen WHERE series_id IS NOT NULL ORDER BY series_id, bucket, backfilled
  ON CONFLICT (series_id, bucket, backfilled) DO UPDATE SET (${sums}, revised_at)
     = (EXCLUDED.count, EXCLUDED.value_count, EXCLUDED.sum, EXCLUDED.min, EXCLUDED.max, EXCLUDED.late_count, EXCLUDED.revised_at)
)
${select} FROM chosen ORDER BY bucket, series_id`
}
