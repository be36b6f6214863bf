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
 * at once. No result changes by it: a combination keeps what it counted, and retired versions are not asked.
 */
export async function ageMetrics(pool: pg.Pool): Promise<AgeResult> {
  const { rowCount: retired } = await pool.query(
    `UPDATE metric_series SET retired_on = today FROM (SELECT (clock_timestamp() AT TIME ZONE 'UTC')::date AS today) t
      WHERE retired_on IS NULL AND dims IS NOT NULL AND last_used_on < today - $1::int`,
    [METRIC_LIMITS.seriesUnusedDays],
  )
  const deadline = performance.now() + DELETE_MS_MAX
  const long = await deleteAll(pool, DELETE_LONG, deadline)
  const short = long.isDone
    ? await deleteAll(pool, DELETE_ROLLUPS, deadline)
    : { count: 0, isDone: false }
  if (short.isDone) await pool.query(DELETE_EMPTY, [METRIC_LIMITS.retiredMs / 1000])
  return { metricSeriesRetired: retired ?? 0, metricRowsDeleted: long.count + short.count }
}

/** A part at a time, until none is left or the deadline has passed. */
async function deleteAll(
  pool: pg.Pool,
  statement: string,
  deadline: number,
): Promise<{ count: number; isDone: boolean }> {
  let count = 0
  while (performance.now() < deadline) {
    const { rows } = await pool.query<{ count: number }>(statement, [
      METRIC_LIMITS.retiredMs / 1000,
      ROWS_MAX,
    ])
    const deleted = rows[0]?.count ?? 0
    count += deleted
    if (deleted < ROWS_MAX) return { count, isDone: true }
  }
  return { count, isDone: false }
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

const DELETE_LONG = `
WITH few AS (
  SELECT l.tenant_id, l.metric_id, l.series_id, l.minutes, l.bucket FROM metric_definition d JOIN rollup_long l USING (tenant_id, metric_id)
   WHERE d.metric_id IN (${RETIRED}) LIMIT $2
), deleted AS (
  DELETE FROM rollup_long l USING few f
   WHERE (l.tenant_id, l.metric_id, l.series_id, l.minutes, l.bucket) = (f.tenant_id, f.metric_id, f.series_id, f.minutes, f.bucket)
  RETURNING 1
)
SELECT count(*)::int AS count FROM deleted`

const DELETE_EMPTY = `
WITH progress AS (DELETE FROM rollup_long_progress WHERE metric_id IN (${RETIRED})),
series AS (DELETE FROM metric_series WHERE metric_id IN (${RETIRED}))
DELETE FROM metric_backfill WHERE metric_id IN (${RETIRED})`
