import { type RawBuilder, sql } from 'kysely'
import type { Database } from '../../../db/database.ts'
import { OTHER_METRIC } from '../../../db/series-names.ts'
import { ALL_SERIES } from '../../../db/tables/sketches.ts'
import type { TenantViewer } from '../../../identity/viewer.ts'
import { ApiError } from '../../../lib/api-error.ts'
import type { Instant } from '../../instant.ts'
import { QUERY_LIMITS } from '../../limits.ts'
import { type Names, OTHER, whereSeries } from '../../sql/names.ts'
import type { SketchRun } from './cover.ts'

/** A row of `sketch` as a query needs it. */
export interface StoredSketch {
  ms: number
  name: string
  count: number
  late: number
  revised_at: Instant | null
  sketch: Buffer | null
}

export interface SketchesRead {
  names: Names
  runs: readonly SketchRun[]
  column: 'actors' | 'quantiles'
  /** A row for each name; else all names in one, where all are asked for. */
  byName: boolean
}

/** The longest that a sketch of either kind usually is. */
const SKETCH_BYTES = 12_300

/**
 * The sketches of these runs.
 * @throws QUERY_TOO_LARGE before any is read
 */
export async function readStoredSketches(
  db: Database,
  viewer: TenantViewer,
  { names, runs, column, byName }: SketchesRead,
): Promise<StoredSketch[]> {
  const isOneSeries = names.only === undefined && !byName
  const series = isOneSeries
    ? sql`SELECT ${sql.lit(ALL_SERIES)}::bigint AS series_id, '' AS metric`
    : sql`SELECT s.series_id, s.metric FROM series s WHERE ${whereSeries(viewer, names)}`
  const from = sql`
      FROM (${series}) s CROSS JOIN ${runsTable(runs)}
      JOIN sketch k ON k.tenant_id = ${viewer.tenantId} AND k.series_id = s.series_id AND k.minutes = c.minutes
                   AND k.bucket >= to_timestamp(c.from_ms / 1000) AND k.bucket < to_timestamp(c.before_ms / 1000)
     WHERE k.bucket >= ${timeOf(Math.min(...runs.map(({ fromMs }) => fromMs)))}
       AND k.bucket < ${timeOf(Math.max(...runs.map(({ beforeMs }) => beforeMs)))}`
  const sketch = sql.ref(`k.${column}`)
  const buckets = runs.reduce(
    (sum, run) => sum + (run.beforeMs - run.fromMs) / (run.minutes * 60_000),
    0,
  )
  if (!isOneSeries || buckets * SKETCH_BYTES > QUERY_LIMITS.sketchBytesMax) {
    const { rows } = await sql<{ bytes: number }>`
      SELECT coalesce(sum(octet_length(${sketch})), 0)::float8 AS bytes ${from}`.execute(db)
    if ((rows[0]?.bytes ?? 0) > QUERY_LIMITS.sketchBytesMax) throw tooManySketches()
  }
  const { rows } = await sql<StoredSketch>`
    SELECT (extract(epoch FROM k.bucket) * 1000)::float8 AS ms,
           CASE s.metric WHEN ${OTHER_METRIC} THEN ${OTHER} ELSE s.metric END AS name,
           k.count, k.late_count AS late, k.revised_at, ${sketch} AS sketch ${from}`.execute(db)
  return rows
}

export function runsTable(runs: readonly SketchRun[]): RawBuilder<unknown> {
  const column = (of: (run: SketchRun) => number) => `{${runs.map(of).join(',')}}`
  return sql`unnest(${column((run) => run.minutes)}::smallint[], ${column((run) => run.fromMs)}::float8[],
                    ${column((run) => run.beforeMs)}::float8[]) AS c (minutes, from_ms, before_ms)`
}

function timeOf(ms: number): RawBuilder<unknown> {
  return sql`${new Date(ms).toISOString()}::timestamptz`
}

function tooManySketches(): ApiError {
  const megabytes = QUERY_LIMITS.sketchBytesMax / 1024 / 1024
  return new ApiError(
    'QUERY_TOO_LARGE',
    `The query would merge sketches of more than ${megabytes} MiB; choose a longer interval, a shorter range, UTC, or fewer names.`,
    { limit: 'sketches' },
  )
}
