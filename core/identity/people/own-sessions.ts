import type { Database } from '../../db/database.ts'
import { inTransaction } from '../../db/in-transaction.ts'
import { type AuditActor, recordAudit } from '../audit/audit-log.ts'
import { endSessionById, endSessionsOf } from '../sessions.ts'

export interface SessionEnd {
  /** null: the operator, by login links. */
  owner: number | null
  by: AuditActor
}

/** @returns whether there was such a session; one of somebody else is as none */
export function endOwnSession(
  db: Database,
  { owner, sessionId, by }: SessionEnd & { sessionId: string },
): Promise<boolean> {
  return inTransaction(db, async (tx) => {
    if (!(await endSessionById(tx, owner, sessionId))) return false
    await recordAudit(tx, by, {
      tenantId: 0,
      action: 'session.ended',
      object: `session ${sessionId}`,
    })
    return true
  })
}

/**
 * @param except the session that stays
 * @returns how many were ended
 */
export function endOwnSessions(
  db: Database,
  { owner, except, by }: SessionEnd & { except?: string | undefined },
): Promise<number> {
  return inTransaction(db, async (tx) => {
    const sessions = await endSessionsOf(tx, owner, except)
    if (sessions > 0)
      await recordAudit(tx, by, {
        tenantId: 0,
        action: 'session.ended',
        object: owner === null ? 'operator' : `person ${owner}`,
        after: { sessions },
      })
    return sessions
  })
}
