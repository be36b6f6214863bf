import { sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import type { AuditActor } from '../audit/audit-log.ts'
import { acceptInvitation } from '../people/invitations.ts'
import { findOrCreatePerson, type Person } from '../people/people.ts'
import { bindOperator, findBoundOperator } from './operators.ts'
import type { OperatorSetting } from './sign-in-settings.ts'

/** Who proved who they are, by a provider or a passkey. */
export interface Authenticated {
  issuer: string
  subject: string
  /** Verified. */
  email?: string | undefined
  name?: string | undefined
}

export interface AdmitOptions {
  /** The token of its link, where the sign-in began with one. */
  invitation?: string | undefined
  operators?: readonly OperatorSetting[]
  /** Where the request came from, for the audit log. */
  from?: Pick<AuditActor, 'address' | 'requestId'>
}

/**
 * Lets in who has a membership, an invitation of their own address, or is an operator by setting. Nothing is kept of
 * anybody else.
 * @returns undefined for somebody who may not sign in
 * @throws INVITATION_NOT_FOUND, INVITATION_FOR_ANOTHER, MEMBER_LIMIT_REACHED
 */
export async function admitPerson(
  db: Database,
  who: Authenticated,
  { invitation, operators = [], from = {} }: AdmitOptions,
): Promise<Person | undefined> {
  if (invitation !== undefined)
    return db.transaction().execute(async (tx) => {
      const person = await findOrCreatePerson(tx, who)
      await acceptInvitation(tx, { token: invitation, person, verifiedEmail: who.email, from })
      return person
    })
  const known = await findKnown(db, who)
  if (await isOperatorBySetting(db, who, known?.personId, operators))
    return createOperator(db, who, from)
  return known?.mayEnter ? findOrCreatePerson(db, who) : undefined
}

async function findKnown(
  db: Database,
  { issuer, subject }: Authenticated,
): Promise<{ personId: number; mayEnter: boolean } | undefined> {
  const { rows } = await sql<{ personId: number; mayEnter: boolean }>`
    SELECT p.person_id AS "personId",
           p.is_operator OR EXISTS (SELECT FROM membership m WHERE m.person_id = p.person_id) AS "mayEnter"
      FROM person p WHERE p.issuer = ${issuer} AND p.subject = ${subject}`.execute(db)
  return rows[0]
}

/** An address that was bound to another person stays that person's. */
async function isOperatorBySetting(
  db: Database,
  { issuer, email }: Authenticated,
  personId: number | undefined,
  operators: readonly OperatorSetting[],
): Promise<boolean> {
  if (email === undefined) return false
  if (!operators.some((each) => each.issuer === issuer && each.email === email)) return false
  const bound = await findBoundOperator(db, { issuer, email })
  return bound === undefined || bound === personId
}

/** @returns undefined where somebody else was bound to the address a moment ago; then nothing is kept */
async function createOperator(
  db: Database,
  who: Authenticated,
  from: NonNullable<AdmitOptions['from']>,
): Promise<Person | undefined> {
  const tx = await db.startTransaction().execute()
  try {
    const person = await findOrCreatePerson(tx, who)
    const { issuer, email = '' } = who
    const { personId, name } = person
    const by = { kind: 'person', personId, name, ...from } as const
    const isBound = await bindOperator(tx, { issuer, email, personId, by })
    await (isBound ? tx.commit() : tx.rollback()).execute()
    return isBound ? { ...person, isOperator: true } : undefined
  } catch (error) {
    if (!tx.isCommitted && !tx.isRolledBack) await tx.rollback().execute()
    throw error
  }
}
