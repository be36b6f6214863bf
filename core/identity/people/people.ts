import { sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import { inTransaction } from '../../db/in-transaction.ts'
import { badInput } from '../../lib/api-error.ts'
import { checkText } from '../../lib/check-text.ts'
import { type AuditActor, recordAudit } from '../audit/audit-log.ts'
import { IdentityError } from '../identity-error.ts'
import { revokeInvitationsBeyond } from './members.ts'

/** Somebody who signs in by a provider, or by a passkey. */
export interface Person {
  personId: number
  name: string
  email: string | null
  /** May do everything in all tenants. */
  isOperator: boolean
}

export interface PersonClaims {
  /** The provider's identifier, compared exactly. */
  issuer: string
  /** What that provider calls the person, for ever. */
  subject: string
  /** For people to read; identifies nobody. */
  email?: string | undefined
  name?: string | undefined
}

/** The issuer of people who sign in by passkey: this Sluice itself. */
export const PASSKEY_ISSUER = 'urn:sluice:passkey'
const NAME_CHARS_MAX = 200
export const EMAIL_CHARS_MAX = 254

/**
 * The person of these claims, with the name and e-mail address that the provider has now.
 * @throws BAD_USER_INPUT for claims that cannot be stored
 */
export async function findOrCreatePerson(
  db: Database,
  { issuer, subject, email, name }: PersonClaims,
): Promise<Person> {
  checkText('issuer', issuer)
  checkText('subject', subject, 255)
  if (issuer === '' || subject === '') throw badInput('subject', 'is empty')
  const address = email === undefined ? null : readEmail(email)
  const shown = nameOf(name) ?? address ?? 'Unnamed'
  const row = await db
    .insertInto('person')
    .values({ issuer, subject, email: address, name: shown })
    .onConflict((conflict) =>
      conflict.columns(['issuer', 'subject']).doUpdateSet({
        // A provider that sends none now does not take away what is known.
        email: sql`coalesce(${address}, person.email)`,
        name: nameOf(name) === undefined ? sql`person.name` : shown,
      }),
    )
    .returning(['person_id', 'name', 'email', 'is_operator'])
    .executeTakeFirstOrThrow()
  return personOf(row)
}

export async function findPerson(db: Database, personId: number): Promise<Person | undefined> {
  const row = await db
    .selectFrom('person')
    .select(['person_id', 'name', 'email', 'is_operator'])
    .where('person_id', '=', personId)
    .executeTakeFirst()
  return row && personOf(row)
}

/** Makes somebody the operator, or takes that back, with the open invitations beyond their roles. @throws IdentityError for an unknown id */
export function setOperator(
  db: Database,
  personId: number,
  { isOperator, by }: { isOperator: boolean; by: AuditActor },
): Promise<Person> {
  return inTransaction(db, async (tx) => {
    const row = await tx
      .updateTable('person')
      .set({ is_operator: isOperator })
      .where('person_id', '=', personId)
      .returning(['person_id', 'name', 'email', 'is_operator'])
      .executeTakeFirst()
    if (!row) throw new IdentityError(`There is nobody with the id ${personId}.`)
    if (!isOperator) await revokeInvitationsBeyond(tx, [personId])
    await recordAudit(tx, by, {
      tenantId: 0,
      action: 'settings.changed',
      object: `person ${personId}`,
      after: { operator: isOperator },
    })
    return personOf(row)
  })
}

/**
 * In lower case. Capital letters beyond ASCII are refused: the Kelvin sign (U+212A) would become the letter k, and so
 * somebody else's address.
 * @throws BAD_USER_INPUT
 */
export function readEmail(text: string): string {
  const email = lowerAddress(checkText('email', text.trim(), EMAIL_CHARS_MAX))
  if (email !== email.toLowerCase())
    throw badInput('email', 'has capital letters other than A to Z')
  // One address and nothing else: it is shown to people and may go into a header of a message.
  if (
    !/^[^\s@<>,;:"()[\]\\\p{C}]+@[^\s@<>,;:"()[\]\\\p{C}]+\.[^\s@<>,;:"()[\]\\\p{C}]+$/u.test(email)
  )
    throw badInput('email', 'is not an e-mail address')
  return email
}

/** An address as it is compared: in lower case as far as it is ASCII. */
export function lowerAddress(email: string): string {
  return email.trim().replace(/[A-Z]/g, (letter) => letter.toLowerCase())
}

/** One line, without what could change how the text around it looks. */
function nameOf(name: string | undefined): string | undefined {
  const line = name
    ?.replace(/[\p{C}\p{Zl}\p{Zp}]+/gu, ' ')
    .trim()
    .slice(0, NAME_CHARS_MAX)
    .trim()
  return line === '' ? undefined : line
}

function personOf(row: {
  person_id: number
  name: string
  email: string | null
  is_operator: boolean
}): Person {
  return {
    personId: row.person_id,
    name: row.name,
    email: row.email,
    isOperator: row.is_operator,
  }
}

export interface ListedPerson extends Person {
  issuer: string
  subject: string
}

/**
 * The person that somebody at the command line means: by id, or by an e-mail address that one person alone has. The
 * address of a person with a passkey is that of an invitation, which nobody has verified: it names nobody.
 * @throws IdentityError when it is nobody's, that of several, or not verified
 */
export async function findPersonByReference(
  db: Database,
  reference: string,
): Promise<ListedPerson> {
  const isId = /^[1-9]\d{0,8}$/.test(reference)
  const rows = await db
    .selectFrom('person')
    .selectAll()
    .$if(isId, (query) => query.where('person_id', '=', Number(reference)))
    .$if(!isId, (query) => query.where('email', '=', lowerAddress(reference)))
    .orderBy('person_id')
    .limit(10)
    .execute()
  const [found] = rows
  if (!found)
    throw new IdentityError(`There is nobody with the id or e-mail address "${reference}".`)
  if (rows.length > 1) {
    const ids = rows.map(({ person_id }) => person_id).join(', ')
    throw new IdentityError(`Several people have this e-mail address; name one by its id: ${ids}.`)
  }
  if (!isId && found.issuer === PASSKEY_ISSUER)
    throw new IdentityError(
      `This e-mail address is that of a person with a passkey, and was not verified; name the person by the id ${found.person_id}.`,
    )
  return { ...personOf(found), issuer: found.issuer, subject: found.subject }
}

export async function listOperators(db: Database): Promise<Person[]> {
  const rows = await db
    .selectFrom('person')
    .selectAll()
    .where('is_operator', '=', true)
    .orderBy('person_id')
    .limit(1_000)
    .execute()
  return rows.map(personOf)
}
