import { sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import { ApiError } from '../../lib/api-error.ts'
import { PASSKEY_ISSUER } from '../people/people.ts'

export const PASSKEYS_MAX = 10
const NAME_CHARS_MAX = 100

/** As its owner sees it. */
export interface ListedPasskey {
  /** base64url */
  id: string
  name: string
  createdAt: string
  lastUsedAt: string | null
}

export interface StoredPasskey {
  credentialId: Buffer
  personId: number
  /** The subject of its person. */
  userHandle: string
  publicKey: Buffer
  counter: number
  transports: string[]
}

export interface NewPasskey {
  credentialId: Buffer
  publicKey: Buffer
  counter: number
  transports: readonly string[]
  name: string
}

/** Oldest first. */
export async function listPasskeys(db: Database, personId: number): Promise<ListedPasskey[]> {
  const rows = await db
    .selectFrom('passkey')
    .select(['credential_id', 'name', 'created_at', 'last_used_at'])
    .where('person_id', '=', personId)
    .orderBy('created_at')
    .orderBy('credential_id')
    .limit(PASSKEYS_MAX)
    .execute()
  return rows.map((row) => ({
    id: row.credential_id.toString('base64url'),
    name: row.name,
    createdAt: row.created_at,
    lastUsedAt: row.last_used_at,
  }))
}

export async function findPasskey(
  db: Database,
  credentialId: Buffer,
): Promise<StoredPasskey | undefined> {
  const row = await db
    .selectFrom('passkey')
    .innerJoin('person', 'person.person_id', 'passkey.person_id')
    .select([
      'credential_id',
      'passkey.person_id',
      'subject',
      'public_key',
      'counter',
      'transports',
    ])
    .where('credential_id', '=', credentialId)
    .where('issuer', '=', PASSKEY_ISSUER)
    .executeTakeFirst()
  return (
    row && {
      credentialId: row.credential_id,
      personId: row.person_id,
      userHandle: row.subject,
      publicKey: row.public_key,
      counter: row.counter,
      transports: row.transports,
    }
  )
}

/**
 * @param tx a transaction
 * @throws PASSKEY_EXISTS, PASSKEY_LIMIT_REACHED
 */
export async function addPasskey(
  tx: Database,
  personId: number,
  passkey: NewPasskey,
): Promise<ListedPasskey> {
  await lockPasskeys(tx, personId)
  if ((await listPasskeys(tx, personId)).length >= PASSKEYS_MAX)
    throw new ApiError('PASSKEY_LIMIT_REACHED')
  const row = await tx
    .insertInto('passkey')
    .values({
      credential_id: passkey.credentialId,
      person_id: personId,
      public_key: passkey.publicKey,
      counter: passkey.counter,
      transports: [...passkey.transports],
      name: nameOf(passkey.name),
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning(['name', 'created_at'])
    .executeTakeFirst()
  if (!row) throw new ApiError('PASSKEY_EXISTS')
  const id = passkey.credentialId.toString('base64url')
  return { id, name: row.name, createdAt: row.created_at, lastUsedAt: null }
}

/**
 * The last one stays: without it the person could never sign in again.
 * @param tx a transaction
 * @throws PASSKEY_NOT_FOUND, also for that of another person; LAST_PASSKEY
 */
export async function removePasskey(tx: Database, personId: number, id: string): Promise<void> {
  await lockPasskeys(tx, personId)
  const own = await listPasskeys(tx, personId)
  if (!own.some((passkey) => passkey.id === id)) throw new ApiError('PASSKEY_NOT_FOUND')
  if (own.length === 1) throw new ApiError('LAST_PASSKEY')
  await tx
    .deleteFrom('passkey')
    .where('credential_id', '=', Buffer.from(id, 'base64url'))
    .where('person_id', '=', personId)
    .execute()
}

/**
 * Records a use. A counter that does not move forward is that of a copy; authenticators that do not count send 0.
 * @returns whether the counter is possible
 */
export async function recordPasskeyUse(
  db: Database,
  credentialId: Buffer,
  counter: number,
): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('passkey')
    .set({ counter, last_used_at: sql<string>`clock_timestamp()` })
    .where('credential_id', '=', credentialId)
    .where((where) =>
      where.or([
        where('counter', '<', counter),
        where.and([where('counter', '=', 0), where(sql<number>`${counter}::bigint`, '=', 0)]),
      ]),
    )
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

/** Of two requests that remove the last two, the second sees what the first did. */
async function lockPasskeys(tx: Database, personId: number): Promise<void> {
  await sql`SELECT FROM person WHERE person_id = ${personId} FOR UPDATE`.execute(tx)
}

function nameOf(text: string): string {
  const name = text
    .replace(/[\p{C}\p{Zl}\p{Zp}]+/gu, ' ')
    .trim()
    .slice(0, NAME_CHARS_MAX)
  return name === '' ? 'Passkey' : name
}

/** The subject of a person who signs in by passkey; undefined for one of a provider. */
export async function findUserHandle(db: Database, personId: number): Promise<string | undefined> {
  const row = await db
    .selectFrom('person')
    .select('subject')
    .where('person_id', '=', personId)
    .where('issuer', '=', PASSKEY_ISSUER)
    .executeTakeFirst()
  return row?.subject
}

export async function hasPasskeys(db: Database): Promise<boolean> {
  return (
    (await db.selectFrom('passkey').select('person_id').limit(1).executeTakeFirst()) !== undefined
  )
}
