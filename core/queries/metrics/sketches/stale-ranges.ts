import { type RawBuilder, sql } from 'kysely'
import type { Database } from '../../../db/database.ts'
import { ALL_SERIES, SKETCH_MINUTES } from '../../../db/tables/sketches.ts'
import type { TenantViewer } from '../../../identity/viewer.ts'
import { fromMicros, type Instant } from '../../instant.ts'
import { rolledUpCount } from '../../sql/counts.ts'
import { type Names, whereSeries } from '../../sql/names.ts'
import { coverRange, joinRuns } from './cover.ts'
import { runsTable } from './stored-sketches.ts'

export interface MsRange {
  fromMs: number
  beforeMs: number
}

/** A range in which sketches have other events than rollups count. */
export interface StaleRange extends MsRange {
  /** Each of its sketches lacks events that were added minutes ago, and is derived again in a moment. */
  isRecent: boolean
}

export interface CompareArgs {
  names: Names
  byName: boolean
  range: MsRange
}

/** Each is read by statements of its own. */
export const STALE_RANGES_MAX = 4
const RECENT = '10 minutes'

/**
 * Where sketches and rollups do not count the same events, whatever the reason: one comparison of two sums, and only
 * where these differ one by bucket. Buckets next to each other are one range, and so are others until few are left.
 * @param db of the snapshot in which sketches are read
 */
export async function findStaleRanges(
  db: Database,
  viewer: TenantViewer,
  args: CompareArgs,
): Promise<StaleRange[]> {
  const { range } = args
  if (range.fromMs >= range.beforeMs || (await hasSameCounts(db, viewer, args))) return []
  const [stepMs, count] = [SKETCH_MINUTES[0] * 60_000, STALE_RANGES_MAX]
  const { rows } = await sql<{ from_ms: number; last_ms: number; recent: boolean }>`
    WITH r AS (
      SELECT r.bucket, sum(r.count) AS count, max(r.revised_at) AS revised_at ${fromRollups(viewer, args)} GROUP BY 1),
    k AS (
      SELECT k.bucket, sum(k.count) AS count ${fromSketches(viewer, args)}
         AND k.minutes = ${sql.lit(SKETCH_MINUTES[0])} ${whereBucket(sql`k.bucket`, range)} GROUP BY 1),
    differing AS (
      SELECT (extract(epoch FROM bucket) * 1000)::float8 AS ms,
             k.count IS NOT NULL AND coalesce(r.revised_at > now() - ${RECENT}::interval, false) AS recent
        FROM r FULL JOIN k USING (bucket) WHERE r.count IS DISTINCT FROM k.count),
    gaps AS (SELECT *, ms - lag(ms) OVER (ORDER BY ms) AS gap FROM differing),
    cuts AS (SELECT *, row_number() OVER (ORDER BY gap DESC NULLS FIRST) <= ${sql.lit(count)} AS is_cut FROM gaps),
    parts AS (SELECT *, count(*) FILTER (WHERE is_cut) OVER (ORDER BY ms) AS part FROM cuts)
    SELECT min(ms) AS from_ms, max(ms) AS last_ms, bool_and(recent) AS recent FROM parts GROUP BY part ORDER BY 1`.execute(
    db,
  )
  // Only longer sketches differ, which are merged from those that do not.
  if (rows.length === 0) return [{ ...range, isRecent: false }]
  return rows.map(({ from_ms, last_ms, recent }) => ({
    fromMs: from_ms,
    beforeMs: last_ms + stepMs,
    isRecent: recent,
  }))
}

async function hasSameCounts(
  db: Database,
  viewer: TenantViewer,
  args: CompareArgs,
): Promise<boolean> {
  const runs = joinRuns(coverRange(args.range.fromMs, args.range.beforeMs))
  const [start, end] = [args.range.fromMs, args.range.beforeMs].map((ms) =>
    fromMicros(BigInt(ms) * 1000n),
  ) as [Instant, Instant]
  const rolledUp = await rolledUpCount(db, viewer, args.names, { start, end })
  const { rows } = await sql<{ same: boolean }>`
    SELECT ${rolledUp}
         = (SELECT coalesce(sum(k.count), 0) FROM ${runsTable(runs)} CROSS JOIN LATERAL (
              SELECT k.count ${fromSketches(viewer, args)} AND k.minutes = c.minutes
                 AND k.bucket >= to_timestamp(c.from_ms / 1000) AND k.bucket < to_timestamp(c.before_ms / 1000)
                 ${whereBucket(sql`k.bucket`, args.range)}) k) AS same`.execute(db)
  return rows[0]?.same === true
}

/** How many events rollups count in these 15-minute buckets. */
export async function countRolledUp(
  db: Database,
  viewer: TenantViewer,
  args: CompareArgs,
): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    SELECT coalesce(sum(r.count), 0)::float8 AS count ${fromRollups(viewer, args)}`.execute(db)
  return rows[0]?.count ?? 0
}

function fromRollups(viewer: TenantViewer, { names, range }: CompareArgs): RawBuilder<unknown> {
  return sql`
    FROM series s JOIN rollup_15m r ON r.tenant_id = s.tenant_id AND r.series_id = s.series_id
   WHERE ${whereSeries(viewer, names)} ${whereBucket(sql`r.bucket`, range)}`
}

function fromSketches(viewer: TenantViewer, { names, byName }: CompareArgs): RawBuilder<unknown> {
  const series =
    names.only === undefined && !byName
      ? sql`SELECT ${sql.lit(ALL_SERIES)}::bigint AS series_id`
      : sql`SELECT s.series_id FROM series s WHERE ${whereSeries(viewer, names)}`
  return sql`
    FROM (${series}) s JOIN sketch k ON k.tenant_id = ${viewer.tenantId} AND k.series_id = s.series_id
   WHERE true`
}

function whereBucket(bucket: RawBuilder<unknown>, { fromMs, beforeMs }: MsRange) {
  const timeOf = (ms: number) => sql`${new Date(ms).toISOString()}::timestamptz`
  return sql`AND ${bucket} >= ${timeOf(fromMs)} AND ${bucket} < ${timeOf(beforeMs)}`
}
