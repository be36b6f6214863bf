import { sql } from 'kysely'
import type { Database } from '../../../db/database.ts'
import { GENESIS, hashEntry, type UnhashedEntry } from '../hash-entry.ts'

/**
 * Writes a chain again as if it were older, with hashes that are right: what the owner of a database can do, and what
 * tests of the retention need.
 * @param daysAgo of an entry by its sequence
 */
export async function rehash(
  db: Database,
  tenantId: number,
  daysAgo: (sequence: number) => number,
): Promise<void> {
  const { rows } = await sql<UnhashedEntry>`
    SELECT tenant_id AS "tenantId", sequence, at, actor_kind AS "actorKind", actor, actor_name AS "actorName", action,
           object, before, after, address, request_id AS "requestId"
      FROM audit_log WHERE tenant_id = ${tenantId} ORDER BY sequence`.execute(db)
  let previousHash = GENESIS
  for (const row of rows) {
    const at = new Date(Date.now() - daysAgo(row.sequence) * 86_400_000).toISOString()
    const stored = at.replace(/\.?0*Z$/, 'Z')
    const hash = hashEntry({ ...row, at: stored, previousHash })
    await sql`
      UPDATE audit_log SET at = ${at}, previous_hash = decode(${previousHash}, 'hex'), hash = decode(${hash}, 'hex')
       WHERE tenant_id = ${tenantId} AND sequence = ${row.sequence}`.execute(db)
    previousHash = hash
  }
  await sql`UPDATE audit_head SET hash = decode(${previousHash}, 'hex') WHERE tenant_id = ${tenantId}`.execute(
    db,
  )
}
