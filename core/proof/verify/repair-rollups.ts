import { type RawBuilder, sql } from 'kysely'
import { changedBuckets } from '../../db/changed-buckets.ts'
import { storedNotifications } from '../../db/channels.ts'
import type { Database } from '../../db/database.ts'
import { type AuditActor, recordAudit } from '../../identity/audit/audit-log.ts'
import type { Difference } from './difference.ts'

export interface RepairResult {
  repaired: number
  /** Rollups that cannot be counted again: names that share a series, or without one. */
  left: number
}

/**
 * Counts the rollups of these differences again from single events, one bucket a transaction, and marks them as revised.
 * The row is locked first: a batch that adds to it waits, and adds to the new numbers, since its events are not visible
 * to the recount. Which events were late cannot be counted again: as many stay late as were, at most all.
 * Each tenant's repair is in the audit log.
 */
export async function repairRollups(
  db: Database,
  differences: readonly Difference[],
  by: AuditActor,
): Promise<RepairResult> {
  const rollups = differences.filter(({ kind }) => kind === 'rollup')
  let repaired = 0
  for (const difference of rollups) if (await repairOne(db, difference, by)) repaired++
  return { repaired, left: rollups.length - repaired }
}

async function repairOne(
  db: Database,
  { tenant, seriesId, bucket, metric, stored, recounted }: Difference,
  by: AuditActor,
): Promise<boolean> {
  // Names beyond the limit have no event of their name.
  if (!seriesId || !bucket || !metric) return false
  return db.transaction().execute(async (tx) => {
    await sql`SET LOCAL statement_timeout = '60s'`.execute(tx)
    const { rows: own } = await sql<{ metric: string }>`
      SELECT metric FROM series WHERE series_id = ${seriesId} AND tenant_id = ${tenant}`.execute(tx)
    // A row of a series that does not exist counts nothing.
    const name = own[0]?.metric ?? null
    const at = sql`${bucket}::timestamptz`
    await sql`
      INSERT INTO rollup_15m (tenant_id, series_id, bucket, count, value_count, sum, late_count)
      VALUES (${tenant}, ${seriesId}, ${at}, 0, 0, 0, 0) ON CONFLICT DO NOTHING`.execute(tx)
    await sql`
      SELECT FROM rollup_15m WHERE tenant_id = ${tenant} AND series_id = ${seriesId} AND bucket = ${at} FOR UPDATE`.execute(
      tx,
    )
    await recount(tx, { tenant, seriesId, name, at })
    const changed = changedBuckets([{ tenantId: tenant, ms: Date.parse(bucket) }])
    for (const { channel, payload } of storedNotifications(changed))
      await sql`SELECT pg_notify(${channel}, ${payload})`.execute(tx)
    await recordAudit(tx, by, {
      ...{ tenantId: tenant, action: 'rollups.repaired', object: `rollup ${metric} ${bucket}` },
      ...{ before: { counted: stored }, after: { counted: recounted } },
    })
    return true
  })
}

interface Rollup {
  tenant: number
  seriesId: number
  name: string | null
  at: RawBuilder<unknown>
}

async function recount(tx: Database, { tenant, seriesId, name, at }: Rollup): Promise<void> {
  const { rows } = await sql<{ count: number }>`
    UPDATE rollup_15m r SET count = e.count, value_count = e.value_count, sum = e.sum, min = e.min, max = e.max,
           late_count = greatest(0, least(r.late_count, e.late_max)), revised_at = now()
      FROM (SELECT count(*) AS count, count(value) AS value_count, coalesce(sum(value), 0) AS sum, min(value) AS min, max(value) AS max,
                   count(*) FILTER (WHERE greatest(stored_at, received_at) >= ${at} + interval '15 minutes') AS late_max
              FROM event WHERE tenant_id = ${tenant} AND name = ${name} AND occurred_at >= ${at}
               AND occurred_at < ${at} + interval '15 minutes' AND received_on >= (${at} AT TIME ZONE 'UTC')::date - 1) e
     WHERE r.tenant_id = ${tenant} AND r.series_id = ${seriesId} AND r.bucket = ${at}
    RETURNING r.count`.execute(tx)
  if (rows[0]?.count === 0)
    await sql`
      DELETE FROM rollup_15m WHERE tenant_id = ${tenant} AND series_id = ${seriesId} AND bucket = ${at}`.execute(
      tx,
    )
}
