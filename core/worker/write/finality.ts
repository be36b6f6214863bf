import { BUCKET_15M_MS } from '../../db/changed-buckets.ts'
import { appliedThrough } from '../../db/watermark.ts'
import type { ExecuteQuery } from '../consume/connection.ts'

/**
 * What is called final changes only with a mark, whatever the clocks say and however many batches are in flight.
 *
 * Two sides have to agree. Readers call a bucket final when the tenant's watermark has passed its end
 * (core/db/watermark.ts). A batch marks an event late, or an imported one as a revision, when its bucket's
 * end is behind the bound that the batch reads after it has advanced its positions. The mark is never missing when
 * every batch in flight has a bound at least as high as any reader's, so readers use only what is published:
 *
 *   propose: S := the snapshot of this statement, A := the least applied_through that S shows,
 *            X := the id of this transaction, which it gets after S was taken
 *   publish: once X and every transaction with a lower id has ended, readers may use what S shows, and A
 *
 * Why that is enough. A batch gets its transaction id when it advances its positions, and reads its bound in the next
 * statement. If it has not ended when S is published, its id is above X, so it got it after S and read its bound after
 * S: it sees all that S shows, and a bound computed from more is at least as high. (The upper end of S would not do in
 * the place of X: a transaction above it may have had its id before S.) What a batch commits after S is in
 * `watermark.highest_at` at once, for batches; readers use `published_highest_at` until the next snapshot shows it.
 * No clock takes part: clocks decide only how soon a bucket is final.
 *
 * Snapshots and transaction ids are those of one cluster. After a restore from a dump, or a crash that lost ids which
 * left no trace, stored ones may lie ahead of all that are running; `forgetFormerIds` sees that and begins again.
 */

/** What a batch compares the events of a tenant with, as its transaction sees it. */
export interface FinalityView {
  /** Highest time of any event of the tenant; -Infinity for a new tenant. Milliseconds since 1970. */
  highestMs: number
  /** Every partition was applied through this time; -Infinity while that is unknown. */
  appliedThroughMs: number
  /** Buckets that end here or before are final whatever the lateness is now; -Infinity for most tenants. */
  floorMs: number
  allowedLatenessMs: number
  /** Of the tenant's declared metrics; 0 where it never had any. */
  metricsVersion?: number
}

export const NEVER_FINAL: FinalityView = {
  highestMs: Number.NEGATIVE_INFINITY,
  appliedThroughMs: Number.NEGATIVE_INFINITY,
  floorMs: Number.NEGATIVE_INFINITY,
  allowedLatenessMs: 0,
}

export type FinalityByTenant = ReadonlyMap<number, FinalityView>

/**
 * Of tenants, as SQL without parameters. Run it after the statement that gave the transaction its id.
 * @param topic as an SQL literal
 */
export function selectFinality(topic: string, tenantIds: readonly number[]): string {
  const ms = (time: string) => `(extract(epoch FROM ${time}) * 1000)::float8`
  // One literal: thousands of numbers would be parsed into a node each.
  const ids = `'{${tenantIds.join(',')}}'::int[]`
  return `
    SELECT t.tenant_id, t.metrics_version, now() <= t.metrics_activated_at AS activated_later, t.allowed_lateness_s, ${ms('t.marked_floor')} AS floor_ms,
           ${ms('(SELECT max(w.highest_at) FROM watermark w WHERE w.tenant_id = t.tenant_id)')} AS highest_ms,
           ${ms('applied.through')} AS applied_ms
      FROM tenant t
     CROSS JOIN (SELECT ${appliedThrough(topic)} AS through) applied
     WHERE t.tenant_id = ANY (${ids})`
}

export function readFinality(rows: readonly Record<string, unknown>[]): FinalityByTenant {
  const time = (value: unknown) => (value === null ? Number.NEGATIVE_INFINITY : Number(value))
  return new Map(
    rows.map((row) => [
      row.tenant_id as number,
      {
        highestMs: Math.floor(time(row.highest_ms)),
        appliedThroughMs: time(row.applied_ms),
        floorMs: time(row.floor_ms),
        allowedLatenessMs: (row.allowed_lateness_s as number) * 1000,
        metricsVersion: Number(row.metrics_version),
      },
    ]),
  )
}

/**
 * Whether readers may have seen the bucket as final before this event came.
 * @param seenMs highest time of any event of the tenant, those before it in the batch included
 * @param cameMs when the log took it: waiting in the log does not make it later
 */
export function mayBeFinal(
  bucketMs: number,
  { seenMs, cameMs }: { seenMs: number; cameMs: number },
  { appliedThroughMs, floorMs, allowedLatenessMs }: FinalityView,
): boolean {
  const watermarkMs = Math.min(seenMs, Math.max(cameMs, appliedThroughMs)) - allowedLatenessMs
  return bucketMs + BUCKET_15M_MS <= Math.max(watermarkMs, floorMs)
}

/** Publishes what was proposed once it may be, and proposes the next; called by every worker with each heartbeat. */
export async function publishFinality(execute: ExecuteQuery, topic: string): Promise<void> {
  await forgetFormerIds(execute, topic)
  await execute(
    `UPDATE finality SET published_snapshot = pending_snapshot, pending_xid = NULL, pending_snapshot = NULL,
            pending_applied_through = NULL,
            published_applied_through = greatest(published_applied_through, pending_applied_through)
      WHERE topic = $1 AND pg_snapshot_xmin(pg_current_snapshot()) > pending_xid`,
    [topic],
  )
  // One statement, so A is what S shows. While a partition is unknown, the former A stays.
  await execute(
    `UPDATE finality SET pending_xid = pg_current_xact_id(), pending_snapshot = pg_current_snapshot(),
            pending_applied_through =
              (SELECT CASE WHEN bool_and(applied_through IS NOT NULL) THEN min(applied_through) END
                 FROM log_lease WHERE topic = $1)
      WHERE topic = $1 AND pending_snapshot IS NULL`,
    [topic],
  )
}

/** Ids ahead of the cluster's belong to transactions of a former one, which ended before any that is running. */
async function forgetFormerIds(execute: ExecuteQuery, topic: string): Promise<void> {
  const next = 'pg_snapshot_xmax(pg_current_snapshot())'
  await execute(
    `WITH former AS (
       SELECT FROM finality
        WHERE topic = $1 AND (pending_xid >= ${next} OR pg_snapshot_xmax(published_snapshot) > ${next})
     ), watermarks AS (
       UPDATE watermark SET moved_xid = NULL, published_highest_at = highest_at
        WHERE moved_xid >= ${next} AND EXISTS (SELECT FROM former)
     ), tenants AS (
       UPDATE tenant SET lateness_xid = NULL
        WHERE lateness_xid >= ${next} AND EXISTS (SELECT FROM former)
     )
     UPDATE finality SET pending_xid = NULL, pending_snapshot = NULL, pending_applied_through = NULL,
            published_snapshot = '1:1:'
      WHERE topic = $1 AND EXISTS (SELECT FROM former)`,
    [topic],
  )
}
