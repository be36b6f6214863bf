import { sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import { type AuditActor, recordAudit } from '../audit/audit-log.ts'
import { hashSecret } from '../hash-secret.ts'
import { revokeInvitationsBeyond } from '../people/members.ts'
import type { OperatorSetting } from './sign-in-settings.ts'

/** Operators by setting: an address names one person, from that person's first sign-in on. */

/**
 * Makes the person an operator, and records that, unless the address is another person's since an earlier sign-in.
 * @param email verified, in lower case
 * @returns whether the person is the operator of this address
 */
export async function bindOperator(
  tx: Database,
  { issuer, email, personId, by }: OperatorSetting & { personId: number; by: AuditActor },
): Promise<boolean> {
  await tx
    .insertInto('operator_binding')
    .values({ issuer, email_sha256: hashSecret(email), person_id: personId })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
  const bound = await tx
    .selectFrom('operator_binding')
    .select('person_id')
    .where('issuer', '=', issuer)
    .where('email_sha256', '=', hashSecret(email))
    .executeTakeFirst()
  if (bound?.person_id !== personId) return false
  const { numUpdatedRows } = await tx
    .updateTable('person')
    .set({ is_operator: true })
    .where('person_id', '=', personId)
    .where('is_operator', '=', false)
    .executeTakeFirst()
  if (numUpdatedRows > 0n)
    await recordAudit(tx, by, {
      ...{ tenantId: 0, action: 'settings.changed', object: `person ${personId}` },
      ...{ before: { operator: false }, after: { operator: true } },
    })
  return true
}

/** Whether the address was bound to a person, this one or another. */
export async function findBoundOperator(
  db: Database,
  { issuer, email }: OperatorSetting,
): Promise<number | undefined> {
  const bound = await db
    .selectFrom('operator_binding')
    .select('person_id')
    .where('issuer', '=', issuer)
    .where('email_sha256', '=', hashSecret(email))
    .executeTakeFirst()
  return bound?.person_id
}

/** At the start of core: who is no longer in the setting is no longer an operator. */
export function applyOperators(db: Database, operators: readonly OperatorSetting[]): Promise<void> {
  return db.transaction().execute(async (tx) => {
    const released = await releaseOperators(tx, operators)
    await revokeInvitationsBeyond(tx, released)
    for (const personId of released)
      await recordAudit(
        tx,
        { kind: 'system' },
        {
          ...{ tenantId: 0, action: 'settings.changed', object: `person ${personId}` },
          ...{ before: { operator: true }, after: { operator: false } },
        },
      )
  })
}

/** @returns the ids of those who were operators */
async function releaseOperators(
  tx: Database,
  operators: readonly OperatorSetting[],
): Promise<number[]> {
  const issuers = operators.map(({ issuer }) => issuer)
  const hashes = operators.map(({ email }) => hashSecret(email))
  const { rows } = await sql<{ personId: number }>`
    WITH released AS (
      DELETE FROM operator_binding b
       WHERE NOT EXISTS (SELECT FROM unnest(${issuers}::text[], ${hashes}::bytea[]) o (issuer, email)
                          WHERE o.issuer = b.issuer AND o.email = b.email_sha256)
      RETURNING person_id
    )
    UPDATE person p SET is_operator = false
     WHERE p.is_operator AND p.person_id IN (SELECT person_id FROM released)
       AND NOT EXISTS (SELECT FROM operator_binding b
                        JOIN unnest(${issuers}::text[], ${hashes}::bytea[]) o (issuer, email)
                          ON o.issuer = b.issuer AND o.email = b.email_sha256
                       WHERE b.person_id = p.person_id)
    RETURNING person_id AS "personId"`.execute(tx)
  return rows.map(({ personId }) => personId)
}
