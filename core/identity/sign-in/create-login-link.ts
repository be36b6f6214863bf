import type { Database } from '../../db/database.ts'
import { inTransaction } from '../../db/in-transaction.ts'
import { type AuditActor, recordAudit } from '../audit/audit-log.ts'
import { mintLoginLink } from '../login-links.ts'

/** Creates a link for the operator, and records it in the audit log. @returns its token */
export function createLoginLink(db: Database, by: AuditActor = { kind: 'cli' }): Promise<string> {
  return inTransaction(db, async (tx) => {
    const token = await mintLoginLink(tx)
    await recordAudit(tx, by, {
      tenantId: 0,
      action: 'sign-in.link-created',
      object: 'operator',
    })
    return token
  })
}
