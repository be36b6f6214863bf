import { sql, type Transaction } from 'kysely'
import { displayPrefix, type KeyKind, mintApiKey } from '../../contract/api-key.ts'
import { notifyKeysChanged } from '../db/channels.ts'
import type { Database } from '../db/database.ts'
import { inTransaction } from '../db/in-transaction.ts'
import type { Schema } from '../db/schema.ts'
import { type CreatedKey, findKeyId } from './api-keys.ts'
import { hashSecret } from './hash-secret.ts'
import { IdentityError } from './identity-error.ts'
import { type KeyChangeOptions, lockKey, recordKeyChange } from './keys/key-change.ts'
import { type ListedKey, readKey } from './keys/listed-keys.ts'

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
 * @throws IdentityError when the reference matches no key, or one that is revoked, expired or replaced already;
 * VERSION_CONFLICT
 */
export async function rotateKey(
  db: Database,
  reference: string,
  rotation: Rotation,
  options: KeyChangeOptions = {},
): Promise<RotatedKey> {
  const keyId = await findKeyId(db, reference, options.tenantId)
  const created = await inTransaction(db, (tx) => replace(tx, keyId, rotation, options))
  await notifyKeysChanged(db)
  return { ...created, old: await readKey(db, keyId) }
}

async function replace(
  tx: Transaction<Schema>,
  keyId: string,
  { until, expiresAt }: Rotation,
  options: KeyChangeOptions,
) {
  // Locked: of two concurrent rotations of a key, the second one finds it replaced.
  const old = await lockKey(tx, keyId, options)
  if (old.revoked_at !== null)
    throw new IdentityError('This key was revoked; create a new key instead.', 'KEY_NOT_ACTIVE')
  if (old.expired)
    throw new IdentityError('This key has expired; create a new key instead.', 'KEY_NOT_ACTIVE')
  const inheritedExpiry =
    old.replaced_by === null ? old.expires_at : await expiryOfLostKey(tx, old.replaced_by)
  const expires = expiresAt === undefined ? inheritedExpiry : expiresAt
  if (
    expiresAt === undefined &&
    inheritedExpiry !== null &&
    Date.parse(inheritedExpiry) <= Date.now()
  )
    throw new IdentityError(
      'The lost key has expired by now; give the expiry of the new one.',
      'BAD_USER_INPUT',
      'expiresAt',
    )

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
      allowed_events: old.allowed_events,
      allowed_properties: old.allowed_properties,
      expires_at: expires,
    })
    .returningAll()
    .executeTakeFirstOrThrow()
  const replaced = await tx
    .updateTable('api_key')
    .set({
      replaced_by: replacement.key_id,
      expires_at: sql`least(expires_at, ${until}::timestamptz)`,
      version: sql`version + 1`,
    })
    .where('key_id', '=', keyId)
    .returningAll()
    .executeTakeFirstOrThrow()
  await recordKeyChange(tx, 'key.rotated', options.by, old, replaced)
  await recordKeyChange(tx, 'key.created', options.by, undefined, replacement)
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
      'KEY_NOT_ACTIVE',
    )
  return replacement.replaced_by === null
    ? replacement.expires_at
    : expiryOfLostKey(tx, replacement.replaced_by)
}
