import { sql, type Transaction } from 'kysely'
import { displayPrefix, type KeyKind, mintApiKey } from '../../contract/api-key.ts'
import { notifyKeysChanged } from '../db/channels.ts'
import type { Database } from '../db/database.ts'
import type { Schema } from '../db/schema.ts'
import { type CreatedKey, findKeyId, type ListedKey, listKeys, sha256 } from './api-keys.ts'
import { IdentityError } from './tenants.ts'

export interface Rotation {
  /** From when on the old key is refused; it never lives longer than it would have anyway. */
  until: Date
  /** When the new key expires, null for never. Default: when the old one would have, or the lost one. */
  expiresAt?: Date | null
}

export interface Rotated extends CreatedKey {
  /** The key that was replaced, as it stands now. */
  old: ListedKey
  /** RFC 3339 */
  expiresAt: string | null
}

/**
 * A new key with everything of an old one, which works on beside it until its time is over.
 * @param which its key_id, its display prefix or the key itself
 * @throws KeyError when no key is meant, or one that was revoked, has expired or was replaced already
 */
export async function rotateKey(db: Database, which: string, wanted: Rotation): Promise<Rotated> {
  const keyId = await findKeyId(db, which)
  const created = await db.transaction().execute((tx) => replace(tx, keyId, wanted))
  await notifyKeysChanged(db)
  const old = (await listKeys(db)).find((key) => key.keyId === keyId) as ListedKey
  return { ...created, old }
}

async function replace(tx: Transaction<Schema>, keyId: string, { until, expiresAt }: Rotation) {
  // Two people who rotate the same key at once: the second one finds it replaced.
  const old = await tx
    .selectFrom('api_key')
    .selectAll()
    .select(sql<boolean>`expires_at <= now()`.as('expired'))
    .where('key_id', '=', keyId)
    .forUpdate()
    .executeTakeFirstOrThrow()
  if (old.revoked_at !== null) throw new IdentityError('It was revoked; make a new key instead.')
  if (old.expired) throw new IdentityError('It has expired; make a new key instead.')
  const life = old.replaced_by === null ? old.expires_at : await lifeOfLost(tx, old.replaced_by)
  const expires = expiresAt === undefined ? life : expiresAt
  if (expiresAt === undefined && life !== null && Date.parse(life) <= Date.now())
    throw new IdentityError('The new key that was lost is over; say when the new one shall expire.')

  const key = mintApiKey(old.display_prefix.slice(4, 7) as KeyKind)
  const heir = await tx
    .insertInto('api_key')
    .values({
      tenant_id: old.tenant_id,
      name: old.name,
      display_prefix: displayPrefix(key),
      key_sha256: sha256(key),
      scopes: old.scopes,
      origins: old.origins,
      events_per_minute: old.events_per_minute,
      may_import_history: old.may_import_history,
      expires_at: expires,
    })
    .returning(['key_id', 'expires_at'])
    .executeTakeFirstOrThrow()
  await tx
    .updateTable('api_key')
    .set({
      replaced_by: heir.key_id,
      expires_at: sql`least(expires_at, ${until}::timestamptz)`,
    })
    .where('key_id', '=', keyId)
    .execute()
  return {
    key,
    keyId: heir.key_id,
    displayPrefix: displayPrefix(key),
    expiresAt: heir.expires_at,
  }
}

/**
 * Whoever lost the new key before using it revokes it, and may then rotate the old one again. The old one's own
 * end has come near by then, so the lost one tells how long the new one is to live; and where that was rotated in
 * turn, the last of them.
 * @returns when the lost key would have expired, null for never
 * @throws KeyError while one of them is not revoked
 */
async function lifeOfLost(tx: Transaction<Schema>, heirId: string): Promise<string | null> {
  const heir = await tx
    .selectFrom('api_key')
    .select(['display_prefix', 'revoked_at', 'expires_at', 'replaced_by'])
    .where('key_id', '=', heirId)
    .executeTakeFirstOrThrow()
  if (heir.revoked_at === null)
    throw new IdentityError(
      `It was replaced by ${heir.display_prefix}… already; rotate that one, or revoke it first.`,
    )
  return heir.replaced_by === null ? heir.expires_at : lifeOfLost(tx, heir.replaced_by)
}
