import { sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import { recordAudit, SYSTEM } from './audit-log.ts'
import { RETENTION_DAYS_MIN } from './verify-audit.ts'

/** Deleted at a time, so that no transaction holds a chain for long. */
const ENTRIES_MAX = 10_000

/**
 * Deletes entries that are older than the retention, and records it in the chain itself: an entry names the last one that
 * was deleted and its hash, which is what the first one that is kept follows. That entry is newer than all that it stands
 * for, so there always is one.
 * @param db with the rights of the owner of the tables: the role that writes cannot delete
 * @returns how many were deleted
 */
export async function expireAudit(db: Database, retentionDays: number): Promise<number> {
  if (!(retentionDays >= RETENTION_DAYS_MIN))
    throw new RangeError(`the audit log is kept for at least ${RETENTION_DAYS_MIN} days`)
  const { rows } = await sql<{
    tenant_id: number
  }>`SELECT tenant_id FROM audit_head ORDER BY tenant_id`.execute(db)
  let deleted = 0
  for (const { tenant_id: tenantId } of rows)
    deleted += await expireChain(db, tenantId, retentionDays)
  return deleted
}

async function expireChain(db: Database, tenantId: number, retentionDays: number): Promise<number> {
  return db.transaction().execute(async (tx) => {
    await sql`SELECT FROM audit_head WHERE tenant_id = ${tenantId} FOR UPDATE`.execute(tx)
    const { rows } = await sql<{ first: number; last: number; hash: string; cutoff: string }>`
      WITH cutoff AS (SELECT date_trunc('second', clock_timestamp() - make_interval(days => ${retentionDays})) AS at),
      few AS (
        SELECT l.sequence, l.hash, l.at, l.at < cutoff.at AS is_old FROM audit_log l, cutoff
         WHERE tenant_id = ${tenantId} ORDER BY l.sequence LIMIT ${ENTRIES_MAX + 1}),
      -- Up to the first one that is kept, whatever a clock did; and one is always kept.
      old AS (
        SELECT * FROM few WHERE sequence < coalesce((SELECT min(sequence) FROM few WHERE NOT is_old),
                                                    (SELECT max(sequence) FROM few)))
      SELECT min(sequence) OVER () AS first, sequence AS last, encode(hash, 'hex') AS hash,
             least(cutoff.at, (SELECT at FROM few WHERE few.sequence = old.sequence + 1)) AS cutoff
        FROM old, cutoff ORDER BY sequence DESC LIMIT 1`.execute(tx)
    const [old] = rows
    if (!old) return 0
    await recordAudit(tx, SYSTEM, {
      tenantId,
      action: 'audit.expired',
      object: 'audit log',
      after: {
        entries: old.last - old.first + 1,
        throughSequence: old.last,
        throughHash: old.hash,
        olderThan: old.cutoff,
      },
    })
    await sql`DELETE FROM audit_log WHERE tenant_id = ${tenantId} AND sequence <= ${old.last}`.execute(
      tx,
    )
    return old.last - old.first + 1
  })
}
