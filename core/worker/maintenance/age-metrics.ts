import type pg from 'pg'
import { METRIC_LIMITS } from '../../metrics/metric-limits.ts'

/** What one run changed. */
export interface AgeResult {
  metricSeriesRetired: number
  /** Rows of versions that count no more. */
  metricRowsDeleted: number
}

const ROWS_MAX = 5_000
const DELETE_MS_MAX = 2_000

/**
 * Frees the places of combinations without events, and deletes what retired versions counted. Several workers may do it
 * at once. No result changes by it: a combination keeps what it counted, and retired versions are not asked. Which days a
 * retired version had counted is kept as long as their events: earlier results are explained by it.
 */
export async function ageMetrics(pool: pg.Pool): Promise<AgeResult> {
  const { rowCount: retired } = await pool.query(
    `UPDATE metric_series SET retired_on = today FROM (SELECT (clock_timestamp() AT TIME ZONE 'UTC')::date AS today) t
      WHERE retired_on IS NULL AND dims IS NOT NULL AND last_used_on < today - $1::int`,
    [METRIC_LIMITS.seriesUnusedDays],
  )
  let deleted = 0
  for (const deadline = performance.now() + DELETE_MS_MAX; performance.now() < deadline; ) {
    const { rows } = await pool.query<{ count: number }>(DELETE_ROLLUPS, [
      METRIC_LIMITS.retiredMs / 1000,
      ROWS_MAX,
    ])
    const count = rows[0]?.count ?? 0
    deleted += count
    if (count < ROWS_MAX) {
      await pool.query(DELETE_EMPTY, [METRIC_LIMITS.retiredMs / 1000])
      break
    }
  }
  return { metricSeriesRetired: retired ?? 0, metricRowsDeleted: deleted }
}

const RETIRED =
  'SELECT metric_id FROM metric_definition WHERE retired_at < clock_timestamp() - make_interval(secs => $1)'

const DELETE_ROLLUPS = `
WITH few AS (
  SELECT r.series_id, r.bucket, r.backfilled FROM metric_series s JOIN metric_rollup_15m r USING (series_id)
   WHERE s.metric_id IN (${RETIRED}) LIMIT $2
), deleted AS (
  DELETE FROM metric_rollup_15m r USING few f
   WHERE r.series_id = f.series_id AND r.bucket = f.bucket AND r.backfilled = f.backfilled RETURNING 1
)
SELECT count(*)::int AS count FROM deleted`

const DELETE_EMPTY = `
WITH series AS (DELETE FROM metric_series WHERE metric_id IN (${RETIRED}))
DELETE FROM metric_backfill b WHERE metric_id IN (${RETIRED}) AND b.day <= (SELECT dropped_through FROM event_retention)`
