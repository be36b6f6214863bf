import type pg from 'pg'
import { OTHER_METRIC } from '../../../db/series-names.ts'
import { rollupCtes } from '../checks/rollups.ts'
import { timeLiteral } from '../part.ts'
import type { MsRange } from '../ranges.ts'
import type { ReplacedRow } from './transaction.ts'

export interface ReplacedRollups {
  rows: ReplacedRow[]
  /** Buckets of names that have no series, which nothing can count. */
  withoutSeries: number
}

/**
 * Replaces rows of event names that differ, and marks them as revised. A row without events becomes one of nothing, so
 * that its mark stays; a row whose series is another tenant's, which no query reads, goes.
 */
export async function replaceRollups(
  client: pg.ClientBase,
  tenantId: number,
  range: MsRange,
): Promise<ReplacedRollups> {
  const { rows } = await client.query(replaceSql(tenantId, range))
  const known = rows.filter((row) => row.series_id !== null)
  return {
    withoutSeries: rows.length - known.length,
    rows: known.map(({ bucket, metric, stored, recounted }) => ({
      ...{ bucket, metric, stored, recounted },
    })),
  }
}

/**
 * Names with a series of their own count there, all others in the shared one. Which events were late cannot be counted
 * again: as many as may have been.
 */
function replaceSql(tenantId: number, range: MsRange): string {
  const sums = 'count, value_count, sum, min, max, late_count'
  return `${rollupCtes(range, tenantId)}, by_series AS (
  SELECT coalesce(own.series_id, shared.series_id) AS series_id, b.bucket, sum(b.count) AS count, sum(b.value_count) AS value_count,
         sum(b.sum) AS sum, min(b.min) AS min, max(b.max) AS max, sum(b.late_max) AS late_max
    FROM by_name b
    LEFT JOIN names own ON own.tenant_id = b.tenant_id AND own.metric = b.name
    LEFT JOIN names shared ON shared.tenant_id = b.tenant_id AND shared.metric = '${OTHER_METRIC}'
   GROUP BY 1, 2
), both_sides AS (
  SELECT coalesce(r.series_id, c.series_id) AS series_id, coalesce(r.bucket, c.bucket) AS bucket,
         coalesce(c.count, 0)::bigint AS count, coalesce(c.value_count, 0)::bigint AS value_count, coalesce(c.sum, 0) AS sum, c.min, c.max,
         least(greatest(r.late_count, 0), coalesce(c.late_max, 0))::bigint AS late_count,
         CASE WHEN r.series_id IS NOT NULL THEN concat_ws(' ', r.count, r.value_count, r.sum, r.min, r.max, 'late', r.late_count) END AS stored
    FROM (SELECT * FROM rollup_15m WHERE tenant_id = ${tenantId} AND bucket >= ${timeLiteral(range.fromMs)} AND bucket < ${timeLiteral(range.toMs)}) r
    FULL JOIN by_series c ON c.series_id = r.series_id AND c.bucket = r.bucket
), chosen AS MATERIALIZED (
  SELECT b.*, n.metric FROM both_sides b
    LEFT JOIN names n ON n.series_id = b.series_id AND n.tenant_id = ${tenantId}
    JOIN found f ON f.bucket = b.bucket AND f.series_id = coalesce(n.counted_in, b.series_id, 0)
), gone AS (
  DELETE FROM rollup_15m r USING chosen c
   WHERE r.tenant_id = ${tenantId} AND r.series_id = c.series_id AND r.bucket = c.bucket AND c.metric IS NULL
), replaced AS (
  INSERT INTO rollup_15m AS r (tenant_id, series_id, bucket, ${sums}, revised_at)
  SELECT ${tenantId}, series_id, bucket, count, value_count, sum, min, max, coalesce(late_count, 0), now()
    FROM chosen WHERE metric IS NOT NULL ORDER BY series_id, bucket
  ON CONFLICT (tenant_id, series_id, bucket) DO UPDATE SET (${sums}, revised_at)
     = (EXCLUDED.count, EXCLUDED.value_count, EXCLUDED.sum, EXCLUDED.min, EXCLUDED.max, EXCLUDED.late_count, EXCLUDED.revised_at)
)
SELECT series_id, bucket, metric, stored,
       CASE WHEN metric IS NOT NULL THEN concat_ws(' ', count, value_count, sum, min, max, 'late', coalesce(late_count, 0)) END AS recounted
  FROM chosen ORDER BY bucket, series_id`
}
