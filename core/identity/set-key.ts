import { sql } from 'kysely'
import { notifyKeysChanged } from '../db/channels.ts'
import type { Database } from '../db/database.ts'
import { inTransaction } from '../db/in-transaction.ts'
import { findKeyId } from './api-keys.ts'
import { IdentityError } from './identity-error.ts'
import { type KeyChangeOptions, lockKey, recordKeyChange } from './keys/key-change.ts'
import { type KeySettings, parseSettings } from './keys/key-settings.ts'
import { type ListedKey, readKey } from './keys/listed-keys.ts'

/**
 * Every edge uses the change within 60 s. Kind, scopes and tenant of a key never change: rotate or create another.
 * @param reference as `findKeyId` takes it
 * @returns the key after the change
 * @throws IdentityError when the reference matches no key or more than one, for a revoked key, or for an invalid
 * setting; VERSION_CONFLICT
 */
export async function setKey(
  db: Database,
  reference: string,
  changes: KeySettings,
  options: KeyChangeOptions = {},
): Promise<ListedKey> {
  const keyId = await findKeyId(db, reference, options.tenantId)
  await inTransaction(db, async (tx) => {
    const before = await lockKey(tx, keyId, options)
    if (before.revoked_at !== null)
      throw new IdentityError(
        'This key was revoked, and stays revoked; create a new key instead.',
        'KEY_NOT_ACTIVE',
      )
    const settings = parseSettings(changes, before.display_prefix.startsWith('slc_pub'))
    const after = await tx
      .updateTable('api_key')
      .set({ ...settings, version: sql`version + 1` })
      .where('key_id', '=', keyId)
      .returningAll()
      .executeTakeFirstOrThrow()
    await recordKeyChange(tx, 'key.changed', options.by, before, after)
  })
  await notifyKeysChanged(db)
  return readKey(db, keyId)
}
