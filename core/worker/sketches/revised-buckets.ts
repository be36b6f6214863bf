import type pg from 'pg'
import { BUCKET_15M_MS } from '../../db/changed-buckets.ts'
import { SKETCH_MINUTES } from '../../db/tables/sketches.ts'
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

const BUCKETS_MAX = 2_000

/** @returns ranges of neighbouring buckets of one day, by tenant */
export async function findRevisedBuckets(client: pg.ClientBase): Promise<RevisedBuckets> {
  const { rows } = await client.query<{ tenant_id: number; ms: number }>(
    `SELECT DISTINCT r.tenant_id, (extract(epoch FROM r.bucket) * 1000)::float8 AS ms
       FROM rollup_15m r
       JOIN sketch_progress p ON p.tenant_id = r.tenant_id AND r.bucket < p.derived_through
       LEFT JOIN sketch k ON k.tenant_id = r.tenant_id AND k.series_id = r.series_id
                         AND k.minutes = ${SKETCH_MINUTES[0]} AND k.bucket = r.bucket
      WHERE r.revised_at >= (SELECT checked_to FROM sketch_revision) AND r.count IS DISTINCT FROM k.rollup_count
      ORDER BY 1, 2 LIMIT ${BUCKETS_MAX + 1}`,
  )
  const ranges: RevisedBuckets['ranges'] = []
  for (const { tenant_id, ms } of rows.slice(0, BUCKETS_MAX)) {
    const last = ranges.at(-1)
    if (last?.tenantId === tenant_id && last.beforeMs === ms && !isMidnight(ms))
      last.beforeMs += BUCKET_15M_MS
    else ranges.push({ tenantId: tenant_id, fromMs: ms, beforeMs: ms + BUCKET_15M_MS })
  }
  return { ranges, isCut: rows.length > BUCKETS_MAX }
}

function isMidnight(ms: number): boolean {
  return ms % 86_400_000 === 0
}

/** Before the buckets are looked for. @returns what `advanceRevision` saves once all of them are derived */
export async function proposeRevision(
  client: pg.ClientBase,
  graceMs: number,
): Promise<string | undefined> {
  const { rows } = await client.query<{ ended: string | null }>(
    `WITH former AS (
       SELECT pending_at, coalesce(pg_snapshot_xmin(pg_current_snapshot()) > pending_xid, true) AS has_ended,
              -- Ids ahead of the cluster's are of one that this database was restored from.
              coalesce(pending_xid >= pg_snapshot_xmax(pg_current_snapshot()), false) AS is_foreign
         FROM sketch_revision
     ), proposed AS (
       UPDATE sketch_revision SET pending_at = clock_timestamp(), pending_xid = pg_current_xact_id()
        WHERE (SELECT has_ended OR is_foreign FROM former)
     )
     SELECT (pending_at - make_interval(secs => ${graceMs / 1000}))::text AS ended FROM former WHERE has_ended AND NOT is_foreign`,
  )
  return rows[0]?.ended ?? undefined
}

export async function advanceRevision(client: pg.ClientBase, to: string): Promise<void> {
  await client.query('UPDATE sketch_revision SET checked_to = greatest(checked_to, $1)', [to])
}
