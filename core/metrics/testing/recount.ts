import type pg from 'pg'
import { backfillSql } from '../backfill-sql.ts'
import type { StoredMetric } from '../compile-metric.ts'
import { METRIC_COLUMNS, readMetric } from '../stored-metrics.ts'

/** A bucket of a group, as text to compare. */
export type Counted = Record<string, { count: number; valueCount: number; sum: number }>

export async function activeMetric(pool: pg.Pool, name: string): Promise<StoredMetric> {
  const { rows } = await pool.query(
    `SELECT ${METRIC_COLUMNS} FROM metric_definition WHERE name = $1 AND retired_at IS NULL`,
    [name],
  )
  return readMetric(rows[0])
}

/** What rollups of the metric hold, batches and backfill together; without `late` groups beyond the limit are `null`. */
export async function countedByMetric(pool: pg.Pool, { metricId }: StoredMetric): Promise<Counted> {
  const { rows } = await pool.query(
    `SELECT extract(epoch FROM r.bucket)::bigint || ' ' || coalesce(array_to_json(s.dims)::text, 'null') AS key,
            sum(r.count)::int AS count, sum(r.value_count)::int AS value_count, sum(r.sum) AS sum
       FROM metric_series s JOIN metric_rollup_15m r USING (series_id) WHERE s.metric_id = $1 GROUP BY 1`,
    [metricId],
  )
  return toCounted(rows)
}

/** The same from all single events. */
export async function recountOfMetric(pool: pg.Pool, metric: StoredMetric): Promise<Counted> {
  const { text, values } = backfillSql(metric, {
    table: 'event',
    fromMs: 0,
    beforeMs: 4e12,
    storedUntil: '2100-01-01T00:00:00Z',
  })
  const { rows } = await pool.query(text, values)
  return toCounted(
    rows.map((row) => ({ ...row, key: `${row.bucket_ms / 1000} ${JSON.stringify(row.dims)}` })),
  )
}

function toCounted(rows: Record<string, unknown>[]): Counted {
  return Object.fromEntries(
    rows.map((row) => [
      row.key,
      {
        count: Number(row.count),
        valueCount: Number(row.value_count),
        // Sums of doubles depend on their order.
        sum: Number(Number(row.sum).toPrecision(9)),
      },
    ]),
  )
}

/** Whether the history of all metrics is counted. */
export async function isBackfilled(pool: pg.Pool): Promise<boolean> {
  const { rows } = await pool.query(
    'SELECT NOT EXISTS (SELECT FROM metric_backfill WHERE completed_at IS NULL) AS done',
  )
  return rows[0].done
}
