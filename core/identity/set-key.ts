import { notifyKeysChanged } from '../db/channels.ts'
import type { Database } from '../db/database.ts'
import { findKeyId, type ListedKey, listKeys, parseOrigins } from './api-keys.ts'
import { IdentityError } from './identity-error.ts'

/** Properties that are left out do not change. Kind, scopes and tenant of a key never do: rotate or create another. */
export interface KeyChanges {
  /** Display name. */
  name?: string
  /** Origins that browsers may send from; none means any. */
  origins?: readonly string[]
  /** Null: the default of contract/limits.ts. */
  eventsPerMinute?: number | null
  mayImportHistory?: boolean
  /** Null: never. */
  expiresAt?: Date | null
}

/**
 * Every edge uses the change within 60 s.
 * @param reference as `findKeyId` takes it
 * @returns the key after the change
 * @throws IdentityError when the reference matches no key or more than one, for a revoked key, or for invalid origins
 */
export async function setKey(
  db: Database,
  reference: string,
  { name, origins, eventsPerMinute, mayImportHistory, expiresAt }: KeyChanges,
): Promise<ListedKey> {
  const keyId = await findKeyId(db, reference)
  const changed = await db
    .updateTable('api_key')
    .set({
      // Set to itself, so that an empty change is valid SQL too.
      key_id: keyId,
      name,
      origins: origins && parseOrigins(origins),
      events_per_minute: eventsPerMinute,
      may_import_history: mayImportHistory,
      expires_at: expiresAt,
    })
    .where('key_id', '=', keyId)
    .where('revoked_at', 'is', null)
    .returning('key_id')
    .executeTakeFirst()
  if (!changed)
    throw new IdentityError('This key was revoked, and stays revoked; create a new key instead.')
  await notifyKeysChanged(db)
  return (await listKeys(db)).find((key) => key.keyId === keyId) as ListedKey
}
