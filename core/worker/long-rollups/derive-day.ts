import type pg from 'pg'
import { LONG_MINUTES, NAMES_METRIC, TOTAL_SERIES } from '../../db/tables/long-rollups.ts'
import { type MsRange, timeSql } from '../sketches/sketch-rows.ts'

/** What one transaction derives, within one day. */
export interface LongRange extends MsRange {
  tenantId: number
  /** Each with its own progress, which it gets to `beforeMs` unless the range is a revision. */
  metricIds: readonly number[]
  /** Derived before, and revised since: `throughMs` stays. */
  isRevision: boolean
}

const STATEMENT_MS_MAX = 60_000
const IDLE_MS_MAX = 10_000

/**
 * Derives the longer buckets that the range is part of, of all these metrics, in one transaction and of one snapshot.
 *
 * The crash story. Rows and how far the metric has come are committed together or not at all, and all rows are replaced.
 * An event that is committed while this runs is in no row. Its bucket was final, so its 15-minute row is marked as
 * revised; until that bucket is derived again, queries read the hour from 15-minute rows
 * (core/queries/sql/long-rollups.ts). Two that derive the same at once, which the lock prevents, would fail with 40001.
 * @returns how many rows were written
 */
export async function deriveDay(client: pg.ClientBase, range: LongRange): Promise<number> {
  await client.query(
    `BEGIN ISOLATION LEVEL REPEATABLE READ;
     SET LOCAL timezone = 'UTC'; SET LOCAL jit = off; SET LOCAL statement_timeout = ${STATEMENT_MS_MAX};
     SET LOCAL idle_in_transaction_session_timeout = ${IDLE_MS_MAX}`,
  )
  try {
    const written = await deriveDayInSnapshot(client, range)
    await client.query('COMMIT')
    return written
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {})
    throw error
  }
}

/** In the transaction that is open, which has to be of one snapshot. @returns how many rows were written */
export async function deriveDayInSnapshot(
  client: pg.ClientBase,
  range: LongRange,
): Promise<number> {
  let written = 0
  for (const metricId of range.metricIds) {
    const throughMs = range.isRevision
      ? await readThroughMs(client, range.tenantId, metricId)
      : range.beforeMs
    for (const minutes of LONG_MINUTES)
      written += await deriveLevel(client, range, { metricId, minutes, throughMs })
    if (!range.isRevision) await client.query(SAVE_PROGRESS(range.tenantId, metricId, throughMs))
  }
  return written
}

async function readThroughMs(client: pg.ClientBase, tenantId: number, metricId: number) {
  const { rows } = await client.query<{ ms: number }>(
    `SELECT (extract(epoch FROM derived_through) * 1000)::float8 AS ms FROM rollup_long_progress
      WHERE tenant_id = ${tenantId} AND metric_id = ${metricId}`,
  )
  return rows[0]?.ms ?? Number.NEGATIVE_INFINITY
}

interface Level {
  metricId: number
  minutes: number
  throughMs: number
}

/** Only buckets that end by `throughMs`: a reader that finds a day finds all of it. */
async function deriveLevel(
  client: pg.ClientBase,
  { tenantId, fromMs, beforeMs, isRevision }: LongRange,
  { metricId, minutes, throughMs }: Level,
): Promise<number> {
  const spanMs = minutes * 60_000
  const floor = (ms: number) => Math.floor(ms / spanMs) * spanMs
  const from = floor(fromMs)
  const before = Math.min(floor(beforeMs - 1) + spanMs, floor(throughMs))
  if (from >= before) return 0
  const series = seriesSql(tenantId, metricId)
  const within = (bucket: string) =>
    `${bucket} >= ${timeSql(from)} AND ${bucket} < ${timeSql(before)}`
  // A series that had events and has none any more leaves no row to be replaced.
  if (isRevision)
    await client.query(
      `DELETE FROM rollup_long l USING (${series} UNION ALL SELECT ${TOTAL_SERIES}) s (series_id)
        WHERE l.tenant_id = ${tenantId} AND l.metric_id = ${metricId} AND l.series_id = s.series_id
          AND l.minutes = ${minutes} AND ${within('l.bucket')}`,
    )
  const { rowCount } = await client.query(
    `INSERT INTO rollup_long AS l (tenant_id, metric_id, series_id, minutes, bucket,
                                   count, value_count, sum, min, max, late_count, revised_at)
     SELECT ${tenantId}, ${metricId}, coalesce(r.series_id, ${TOTAL_SERIES}), ${minutes},
            date_bin('${minutes} minutes', r.bucket, 'epoch') AS longer, sum(r.count), sum(r.value_count), sum(r.sum),
            min(r.min), max(r.max), sum(r.late_count), max(r.revised_at)
       FROM (${series}) s JOIN ${tableOf(metricId)} r ON r.series_id = s.series_id
      WHERE r.tenant_id = ${tenantId} AND ${within('r.bucket')}
      GROUP BY GROUPING SETS ((longer), (r.series_id, longer))
      ORDER BY 3, 5
     ON CONFLICT (tenant_id, metric_id, series_id, minutes, bucket) DO UPDATE SET
       count = EXCLUDED.count, value_count = EXCLUDED.value_count, sum = EXCLUDED.sum, min = EXCLUDED.min,
       max = EXCLUDED.max, late_count = EXCLUDED.late_count, revised_at = EXCLUDED.revised_at`,
  )
  return rowCount ?? 0
}

/** SQL: the table of the 15-minute rows. */
export function tableOf(metricId: number): string {
  return metricId === NAMES_METRIC ? 'rollup_15m' : 'metric_rollup_15m'
}

/** SQL: the ids of its series. By these, look-ups in the primary key; a scan of the tenant would read all other buckets. */
export function seriesSql(tenantId: number, metricId: number): string {
  return metricId === NAMES_METRIC
    ? `SELECT series_id FROM series WHERE tenant_id = ${tenantId}`
    : `SELECT series_id FROM metric_series WHERE tenant_id = ${tenantId} AND metric_id = ${metricId}`
}

const SAVE_PROGRESS = (tenantId: number, metricId: number, throughMs: number) => `
  INSERT INTO rollup_long_progress AS p (tenant_id, metric_id, derived_through)
  VALUES (${tenantId}, ${metricId}, ${timeSql(throughMs)})
  ON CONFLICT (tenant_id, metric_id) DO UPDATE SET
    derived_through = greatest(p.derived_through, EXCLUDED.derived_through)`
