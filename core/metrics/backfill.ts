import type pg from 'pg'
import { LIMITS } from '../../contract/limits.ts'
import { cancelStatement } from '../db/cancel-statement.ts'
import { LOCKS } from '../db/locks.ts'
import { DAY_MS, DAYS } from '../db/partitions.ts'
import { type BackfillRow, type BackfillSlice, backfillSql } from './backfill-sql.ts'
import type { StoredMetric } from './compile-metric.ts'
import { METRIC_LIMITS } from './metric-limits.ts'
import { admitMetricSeries } from './metric-series.ts'
import { METRIC_COLUMNS, readMetric } from './stored-metrics.ts'

/**
 * Counts what was stored before a metric was activated, newest day first; tenants take turns, a part each, and a metric
 * that failed is left out for a while. A day, or a part of a busy one, is counted and
 * marked as counted in one transaction, so a crash anywhere repeats it and counts nothing twice. What is counted never
 * changes meanwhile: events with an earlier `stored_at` than the activation were committed by then.
 *
 * It waits for no batch, and no batch for it: it writes rows of its own (`backfilled`), and reads before it writes, so
 * that it holds a transaction id, which finality waits for, only while it writes.
 */
export interface Backfill {
  /** Does the next part. @returns 'idle' where none is left, or another worker is at it */
  step(): Promise<'done' | 'idle' | 'cancelled'>
}

const SLICE_MS_MIN = 1_000
const FAST_MS = 1_000

interface Part {
  metric: StoredMetric
  slice: BackfillSlice
  dayEndMs: number
}

export function createBackfill(
  pool: pg.Pool,
  signal: AbortSignal,
  now = () => performance.now(),
): Backfill {
  let sliceMs = DAY_MS
  /** The tenant of the last part. */
  let lastTenantId = 0
  /** Metrics that failed, and until when they are left out. */
  const failed = new Map<number, number>()

  function leftOut(): number[] {
    for (const [metricId, untilMs] of failed) if (untilMs <= now()) failed.delete(metricId)
    return [...failed.keys()]
  }

  async function countPart(client: pg.PoolClient, part: Part): Promise<boolean> {
    const { metric, slice } = part
    const startedAt = performance.now()
    const { rows } = await client.query<BackfillRow>(backfillSql(metric, slice))
    if (rows.length > METRIC_LIMITS.backfillRowsMax) {
      // They are cut: written, they would be too few.
      if (sliceMs <= SLICE_MS_MIN) throw new Error('a second of events has too many groups')
      shorten()
      return false
    }
    await writeRows(client, metric, rows, await seriesOf(pool, metric, rows))
    await saveProgress(client, part, rows)
    if (performance.now() - startedAt < FAST_MS) sliceMs = Math.min(DAY_MS, sliceMs * 2)
    return true
  }

  function shorten(): void {
    sliceMs = Math.max(SLICE_MS_MIN, Math.floor(sliceMs / 2))
  }

  return {
    async step() {
      if (signal.aborted) return 'cancelled'
      if (!(await hasOpenParts(pool))) return 'idle'
      const client = await pool.connect()
      const cancel = () => cancelStatement(client)
      let broken: Error | undefined
      let part: Part | 'closed' | undefined
      signal.addEventListener('abort', cancel)
      try {
        await client.query(
          `BEGIN; SET LOCAL statement_timeout = ${METRIC_LIMITS.backfillStatementMs}; SET LOCAL timezone = 'UTC'`,
        )
        part = await findPart(client, { sliceMs, lastTenantId, leftOut: leftOut() })
        if (part && part !== 'closed') {
          lastTenantId = part.metric.tenantId
          await countPart(client, part)
        }
        await client.query('COMMIT')
        return part ? 'done' : 'idle'
      } catch (error) {
        broken = error as Error
        if (signal.aborted) return 'cancelled'
        if ((error as { code?: unknown }).code !== '57014' || sliceMs === SLICE_MS_MIN) {
          if (part && part !== 'closed')
            failed.set(part.metric.metricId, now() + METRIC_LIMITS.backfillFailedMs)
          throw error
        }
        shorten()
        return 'done'
      } finally {
        signal.removeEventListener('abort', cancel)
        if (broken) await client.query('ROLLBACK').catch(() => {})
        client.release(broken)
      }
    },
  }
}

async function hasOpenParts(pool: pg.Pool): Promise<boolean> {
  const { rows } = await pool.query<{ open: boolean }>(
    'SELECT EXISTS (SELECT FROM metric_backfill WHERE completed_at IS NULL) AS open',
  )
  return rows[0]?.open === true
}

/** @returns 'closed' where days that were dropped, or parts of a retired metric, were in the way: commit at once */
async function findPart(
  client: pg.PoolClient,
  { sliceMs, lastTenantId, leftOut }: { sliceMs: number; lastTenantId: number; leftOut: number[] },
): Promise<Part | 'closed' | undefined> {
  const lock = `SELECT pg_try_advisory_xact_lock(${LOCKS.backfillMetrics.key}) AS mine`
  if (!(await client.query<{ mine: boolean }>(lock)).rows[0]?.mine) return undefined
  const columns = METRIC_COLUMNS.split(', ')
    .map((column) => `d.${column}`)
    .join(', ')
  const { rows } = await client.query(
    `SELECT ${columns}, d.retired_at IS NOT NULL AS retired, to_char(d.activated_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS stored_until,
              b.day - date '1970-01-01' AS day, (extract(epoch FROM b.done_through) * 1000)::float8 AS from_ms
         FROM metric_backfill b JOIN metric_definition d USING (metric_id)
        WHERE b.completed_at IS NULL AND b.metric_id <> ALL ($2::int[])
        ORDER BY b.tenant_id > $1 DESC, b.tenant_id, b.day DESC, b.metric_id LIMIT 1`,
    [lastTenantId, leftOut],
  )
  const row = rows[0]
  if (!row) return undefined
  const metric = readMetric(row)
  const day = Number(row.day)
  const table = `event_${DAYS.suffixOf(day)}`
  if (row.retired) {
    await closeParts(client, metric)
    return 'closed'
  }
  if (await isDropped(client, table)) {
    await closeDroppedDays(client, metric, day)
    return 'closed'
  }
  const dayEndMs = (day + 1) * DAY_MS
  const fromMs = Number(row.from_ms)
  const beforeMs = Math.min(dayEndMs, fromMs + sliceMs)
  const slice = { table, fromMs, beforeMs, storedUntil: row.stored_until as string }
  return { metric, dayEndMs, slice }
}

async function isDropped(client: pg.PoolClient, table: string): Promise<boolean> {
  const { rows } = await client.query<{ dropped: boolean }>(
    'SELECT to_regclass($1) IS NULL AS dropped',
    [table],
  )
  return rows[0]?.dropped === true
}

async function closeParts(client: pg.PoolClient, { metricId }: StoredMetric): Promise<void> {
  await client.query(
    'UPDATE metric_backfill SET completed_at = clock_timestamp() WHERE metric_id = $1 AND completed_at IS NULL',
    [metricId],
  )
}

/** Retention was faster: the metric is complete from the next day on. */
async function closeDroppedDays(
  client: pg.PoolClient,
  { metricId }: StoredMetric,
  day: number,
): Promise<void> {
  await client.query(
    `WITH closed AS (
       UPDATE metric_backfill SET completed_at = clock_timestamp()
        WHERE metric_id = $1 AND completed_at IS NULL AND day <= date '1970-01-01' + $2::int)
     UPDATE metric_definition SET complete_since = greatest(complete_since,
            (date '1970-01-01' + $2::int + 1) AT TIME ZONE 'UTC' + make_interval(secs => ${LIMITS.futureSecondsMax}))
      WHERE metric_id = $1`,
    [metricId, day],
  )
}

/** The id of each row's series. On another connection: batches that need a new one wait for its end, and not for ours. */
async function seriesOf(
  pool: pg.Pool,
  metric: StoredMetric,
  rows: readonly BackfillRow[],
): Promise<number[]> {
  const byKey = new Map<string, (string | null)[]>()
  for (const { dims } of rows) if (dims) byKey.set(JSON.stringify(dims), dims)
  const execute = (sql: string, values: unknown[]) => pool.query(sql, values)
  const admitted =
    byKey.size > 0 ? await admitMetricSeries(execute, metric, [...byKey.values()]) : []
  const ids = new Map([...byKey.keys()].map((key, i) => [key, admitted[i]?.id as number]))
  if (rows.some(({ dims }) => dims === null)) ids.set('null', await sharedSeries(pool, metric))
  return rows.map(({ dims }) => ids.get(JSON.stringify(dims)) as number)
}

async function sharedSeries(pool: pg.Pool, { tenantId, metricId }: StoredMetric): Promise<number> {
  const { rows } = await pool.query<{ series_id: string }>(
    `INSERT INTO metric_series (tenant_id, metric_id, dims_hash, last_used_on)
     VALUES ($1, $2, '', (clock_timestamp() AT TIME ZONE 'UTC')::date)
     ON CONFLICT (metric_id, dims_hash) DO UPDATE SET last_used_on = EXCLUDED.last_used_on RETURNING series_id`,
    [tenantId, metricId],
  )
  return Number(rows[0]?.series_id)
}

async function writeRows(
  client: pg.PoolClient,
  { tenantId }: StoredMetric,
  rows: readonly BackfillRow[],
  seriesIds: readonly number[],
): Promise<void> {
  if (rows.length === 0) return
  const array = (read: (row: BackfillRow) => number | null) =>
    `{${rows.map((row) => read(row) ?? 'NULL').join(',')}}`
  await client.query(
    `INSERT INTO metric_rollup_15m AS t (tenant_id, series_id, bucket, backfilled, count, value_count, sum, min, max, late_count)
     SELECT $1, s.id, to_timestamp(s.ms / 1000), true, sum(s.count), sum(s.value_count), sum(s.sum), min(s.min), max(s.max), 0
       FROM unnest($2::bigint[], $3::float8[], $4::bigint[], $5::bigint[], $6::float8[], $7::float8[], $8::float8[])
            AS s (id, ms, count, value_count, sum, min, max)
      GROUP BY s.id, s.ms ORDER BY s.id, s.ms
     ON CONFLICT (series_id, bucket, backfilled) DO UPDATE SET
       count = t.count + EXCLUDED.count, value_count = t.value_count + EXCLUDED.value_count, sum = t.sum + EXCLUDED.sum,
       min = least(t.min, EXCLUDED.min), max = greatest(t.max, EXCLUDED.max)`,
    [
      tenantId,
      `{${seriesIds.join(',')}}`,
      array((row) => row.bucket_ms),
      array((row) => row.count),
      array((row) => row.value_count),
      array((row) => row.sum),
      array((row) => row.min),
      array((row) => row.max),
    ],
  )
}

/** @throws where it is not where it was read */
async function saveProgress(
  client: pg.PoolClient,
  { metric, slice, dayEndMs }: Part,
  rows: readonly BackfillRow[],
): Promise<void> {
  const events = rows.reduce((sum, { count }) => sum + count, 0)
  const { rowCount } = await client.query(
    `UPDATE metric_backfill SET done_through = to_timestamp($3::float8 / 1000), events = events + $4,
            first_part_at = coalesce(first_part_at, CASE WHEN done_through = day AT TIME ZONE 'UTC' THEN statement_timestamp() END),
            completed_at = CASE WHEN $3::float8 >= $5::float8 THEN statement_timestamp() END
      WHERE metric_id = $1 AND done_through = to_timestamp($2::float8 / 1000) AND completed_at IS NULL
        AND day = (to_timestamp($5::float8 / 1000 - 1) AT TIME ZONE 'UTC')::date`,
    [metric.metricId, slice.fromMs, slice.beforeMs, events, dayEndMs],
  )
  if (rowCount !== 1) throw new Error('the progress of a backfill was changed by another process')
}
