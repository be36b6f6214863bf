import { sql, type Transaction } from 'kysely'
import { displayPrefix, type KeyKind, mintApiKey } from '../../contract/api-key.ts'
import { notifyKeysChanged } from '../db/channels.ts'
import type { Database } from '../db/database.ts'
import type { Schema } from '../db/schema.ts'
import { type CreatedKey, findKeyId, type ListedKey, listKeys } from './api-keys.ts'
import { hashSecret } from './hash-secret.ts'
import { IdentityError } from './identity-error.ts'

export interface Rotation {
  /** When the old key expires, unless it would have expired earlier. */
  until: Date
  /** When the new key expires, null for never. Default: when the old key, or the lost one, would have expired. */
  expiresAt?: Date | null
}

export interface RotatedKey extends CreatedKey {
  /** The key that was replaced, after the change. */
  old: ListedKey
  /** RFC 3339 */
  expiresAt: string | null
}

/**
 * Creates a key with the properties of an old one, which stays valid until its own time is over.
 * @param reference as `findKeyId` takes it
 * @throws IdentityError when the reference matches no key, or one that is revoked, expired or replaced already
 */
export async function rotateKey(
  db: Database,
  reference: string,
  rotation: Rotation,
): Promise<RotatedKey> {
  const keyId = await findKeyId(db, reference)
  const created = await db.transaction().execute((tx) => replace(tx, keyId, rotation))
  await notifyKeysChanged(db)
  const old = (await listKeys(db)).find((key) => key.keyId === keyId) as ListedKey
  return { ...created, old }
}

async function replace(tx: Transaction<Schema>, keyId: string, { until, expiresAt }: Rotation) {
  // Locked: of two concurrent rotations of a key, the second one finds it replaced.
  const old = await tx
    .selectFrom('api_key')
    .selectAll()
    .select(sql<boolean>`expires_at <= now()`.as('expired'))
    .where('key_id', '=', keyId)
    .forUpdate()
    .executeTakeFirstOrThrow()
  if (old.revoked_at !== null)
    throw new IdentityError('This key was revoked; create a new key instead.')
  if (old.expired) throw new IdentityError('This key has expired; create a new key instead.')
  const inheritedExpiry =
    old.replaced_by === null ? old.expires_at : await expiryOfLostKey(tx, old.replaced_by)
  const expires = expiresAt === undefined ? inheritedExpiry : expiresAt
  if (
    expiresAt === undefined &&
    inheritedExpiry !== null &&
    Date.parse(inheritedExpiry) <= Date.now()
  )
    throw new IdentityError('The lost key has expired by now; give the expiry of the new one.')

  const key = mintApiKey(old.display_prefix.slice(4, 7) as KeyKind)
  const replacement = await tx
    .insertInto('api_key')
    .values({
      tenant_id: old.tenant_id,
      name: old.name,
      display_prefix: displayPrefix(key),
      key_sha256: hashSecret(key),
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
      replaced_by: replacement.key_id,
      expires_at: sql`least(expires_at, ${until}::timestamptz)`,
    })
    .where('key_id', '=', keyId)
    .execute()
  return {
    key,
    keyId: replacement.key_id,
    displayPrefix: displayPrefix(key),
    expiresAt: replacement.expires_at,
  }
}

/**
 * A new key that was lost before its use is revoked, and then the old one is rotated again. The old one's own expiry
 * is near by then, so the new one inherits that of the lost one; where that was rotated in turn, of the last of them.
 * @returns when the lost key would have expired, null for never
 * @throws IdentityError while one of them is not revoked
 */
async function expiryOfLostKey(
  tx: Transaction<Schema>,
  replacementId: string,
): Promise<string | null> {
  const replacement = await tx
    .selectFrom('api_key')
    .select(['display_prefix', 'revoked_at', 'expires_at', 'replaced_by'])
    .where('key_id', '=', replacementId)
    .executeTakeFirstOrThrow()
  if (replacement.revoked_at === null)
    throw new IdentityError(
      `This key was replaced by ${replacement.display_prefix}… already; rotate that one, or revoke it first.`,
    )
  return replacement.replaced_by === null
    ? replacement.expires_at
    : expiryOfLostKey(tx, replacement.replaced_by)
}
