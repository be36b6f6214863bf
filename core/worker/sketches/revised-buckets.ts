import type pg from 'pg'
import { BUCKET_15M_MS } from '../../db/changed-buckets.ts'
import { CLOCK_WAS_SET_BACK } from '../../db/tables/long-rollups.ts'
import { ALL_SERIES, SKETCH_MINUTES } from '../../db/tables/sketches.ts'
import { watermarkSql } from '../../db/watermark.ts'
import type { MsRange } from './sketch-rows.ts'

/**
 * Which sketches are no longer what rollups count, without a scan of all of them and without missing a commit.
 *
 * A batch that adds to a bucket that was final sets `revised_at` to the time at which its transaction began. The rows
 * revised since `checked_to` are compared by their count, so looking at one twice costs a look-up and nothing else; what
 * counts is that `checked_to` never passes the time of a transaction that has not ended:
 *
 *   propose: T := the clock, X := the id of this transaction, which it gets after T was read
 *   advance: once X and every transaction with a lower id has ended, and all rows revised since the former `checked_to`
 *            that are visible then were derived, checked_to := T less the grace
 *
 * A batch that began before T and is not visible by then has an id above X, so it got its id later than X, yet began
 * before T: a batch gets its id with its first statement, which is sent together with BEGIN. The grace is a hundred times
 * longer than that may take.
 */
export interface RevisedBuckets {
  ranges: ({ tenantId: number } & MsRange)[]
  /** There are more of them. */
  isCut: boolean
}

/** Where it is kept what was checked; of hours and days of rollups apart, so that neither waits for the other. */
export type RevisionTable = 'sketch_revision' | 'rollup_long_revision'

const BUCKETS_MAX = 2_000

export interface BucketArgs {
  /** Of one range, unless a single bucket has more. */
  eventsMax: number
  /** Tenants that are left out. */
  except: readonly number[]
}

/** @returns ranges of neighbouring buckets of one day, by tenant */
export async function findRevisedBuckets(
  client: pg.ClientBase,
  args: BucketArgs,
): Promise<RevisedBuckets> {
  return readRanges(
    client,
    args,
    `FROM rollup_15m r JOIN sketch_progress p ON p.tenant_id = r.tenant_id AND r.bucket < p.derived_through`,
    'r.revised_at >= (SELECT checked_to FROM sketch_revision)',
  )
}

/**
 * Buckets that have a sketch and no mark where they should. Where sketches end later than the watermark, which happens
 * before events are dropped, a bucket with a sketch is not final, and batches add to it without a mark. These are
 * compared as long as that is so, and once more when the watermark has passed: so far back as it can have been passed by.
 *
 * To be called after the targets were read: a tenant may go on to its target once all of these are derived, since what
 * is committed later was marked. A batch that marked nothing had ended before readers were told of that watermark.
 */
export async function findUnmarkedBuckets(
  client: pg.ClientBase,
  args: BucketArgs,
): Promise<RevisedBuckets> {
  return readRanges(
    client,
    args,
    `FROM (SELECT p.tenant_id, p.derived_through, date_bin('1 hour', ${watermarkSql('p.tenant_id')}, 'epoch') AS mark,
                  make_interval(secs => greatest(o.allowed_lateness_s, o.former_lateness_s)) AS lateness
             FROM sketch_progress p JOIN tenant o USING (tenant_id) OFFSET 0) p
     JOIN series s ON s.tenant_id = p.tenant_id
     JOIN rollup_15m r ON r.tenant_id = s.tenant_id AND r.series_id = s.series_id AND r.bucket < p.derived_through
                      AND r.bucket >= least(p.mark, p.derived_through - p.lateness - interval '2 hours')`,
    'p.mark IS DISTINCT FROM p.derived_through',
  )
}

/** @param from with rows `r` of rollups */
async function readRanges(
  client: pg.ClientBase,
  { eventsMax, except }: BucketArgs,
  from: string,
  where: string,
): Promise<RevisedBuckets> {
  const sketchOf = (name: string, series: string) => `
       LEFT JOIN sketch ${name} ON ${name}.tenant_id = r.tenant_id AND ${name}.series_id = ${series}
                         AND ${name}.minutes = ${SKETCH_MINUTES[0]} AND ${name}.bucket = r.bucket`
  // At most as many events as all series had, and those that changed have now.
  const { rows } = await client.query<{ tenant_id: number; ms: number; events: number }>(
    `SELECT r.tenant_id, (extract(epoch FROM r.bucket) * 1000)::float8 AS ms,
            (coalesce(max(whole.rollup_count), 0) + sum(r.count))::float8 AS events
       ${from} ${sketchOf('k', 'r.series_id')} ${sketchOf('whole', String(ALL_SERIES))}
      WHERE ${where} AND r.count IS DISTINCT FROM k.rollup_count AND r.tenant_id <> ALL ($1)
      GROUP BY r.tenant_id, r.bucket ORDER BY 1, 2 LIMIT ${BUCKETS_MAX + 1}`,
    [except],
  )
  const ranges: RevisedBuckets['ranges'] = []
  let ofRange = 0
  for (const { tenant_id, ms, events } of rows.slice(0, BUCKETS_MAX)) {
    const last = ranges.at(-1)
    const isNext = last?.tenantId === tenant_id && last.beforeMs === ms && !isMidnight(ms)
    ofRange = isNext ? ofRange + events : events
    if (isNext && ofRange <= eventsMax) last.beforeMs += BUCKET_15M_MS
    else {
      ofRange = events
      ranges.push({ tenantId: tenant_id, fromMs: ms, beforeMs: ms + BUCKET_15M_MS })
    }
  }
  return { ranges, isCut: rows.length > BUCKETS_MAX }
}

function isMidnight(ms: number): boolean {
  return ms % 86_400_000 === 0
}

/**
 * Before the buckets are looked for. Where Postgres' clock was set back, later marks may be below `checked_to`, which
 * then goes back to the clock less the grace: a run comes much sooner than that. @returns what `advanceRevision` saves once all of them are derived */
export async function proposeRevision(
  client: pg.ClientBase,
  graceMs: number,
  table: RevisionTable = 'sketch_revision',
): Promise<string | undefined> {
  const grace = `make_interval(secs => ${graceMs / 1000})`
  const { rows } = await client.query<{ ended: string | null }>(
    `WITH former AS (
       SELECT pending_at, coalesce(pg_snapshot_xmin(pg_current_snapshot()) > pending_xid, true) AS has_ended,
              -- Ids ahead of the cluster's are of one that this database was restored from.
              coalesce(pending_xid >= pg_snapshot_xmax(pg_current_snapshot()), false) AS is_foreign,
              ${CLOCK_WAS_SET_BACK} AS is_ahead
         FROM ${table}
     ), proposed AS (
       UPDATE ${table} SET pending_at = clock_timestamp(), pending_xid = pg_current_xact_id(),
              checked_to = CASE WHEN (SELECT is_ahead FROM former) THEN least(checked_to, clock_timestamp() - ${grace}) ELSE checked_to END
        WHERE (SELECT has_ended OR is_foreign OR is_ahead FROM former)
     )
     SELECT (pending_at - ${grace})::text AS ended FROM former WHERE has_ended AND NOT is_foreign AND NOT is_ahead`,
  )
  return rows[0]?.ended ?? undefined
}

export async function advanceRevision(
  client: pg.ClientBase,
  to: string,
  table: RevisionTable = 'sketch_revision',
): Promise<void> {
  await client.query(`UPDATE ${table} SET checked_to = greatest(checked_to, $1)`, [to])
}
