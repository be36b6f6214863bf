import { sql } from 'kysely'
import { displayPrefix, type KeyKind, mintApiKey, type Scope } from '../../contract/api-key.ts'
import { notifyKeysChanged } from '../db/channels.ts'
import type { Database } from '../db/database.ts'
import { inTransaction } from '../db/in-transaction.ts'
import { isCustomers } from '../db/tables/system-tenants.ts'
import type { AuditActor } from './audit/audit-log.ts'
import { hashSecret } from './hash-secret.ts'
import { IdentityError } from './identity-error.ts'
import { type KeyChangeOptions, lockKey, recordKeyChange } from './keys/key-change.ts'
import { type KeySettings, parseSettings } from './keys/key-settings.ts'
import { type ListedKey, readKey } from './keys/listed-keys.ts'

export { type ListedKey, listKeys } from './keys/listed-keys.ts'

export interface NewKey extends KeySettings {
  tenant: string
  name: string
  scopes: readonly Scope[]
  /** `pub` may be embedded in a web page, so it can only ingest. Default: `adm` with the scope admin, else `sec`. */
  kind?: KeyKind | undefined
}

export interface CreatedKey {
  /** Shown once; only its hash is stored. */
  key: string
  keyId: string
  displayPrefix: string
}

/** Of a tenant, that are not revoked and have not expired: what is listed has a limit. */
export const WORKING_KEYS_MAX = 500

/**
 * @param by for the audit log; default: the system itself
 * @throws IdentityError when the tenant does not exist, has too many keys, or when a setting is invalid
 */
export async function createKey(db: Database, input: NewKey, by?: AuditActor): Promise<CreatedKey> {
  const { scopes } = input
  const kind = input.kind ?? (scopes.includes('admin') ? 'adm' : 'sec')
  checkScopes(kind, scopes)
  const settings = parseSettings(input, kind === 'pub')
  const key = mintApiKey(kind)
  const keyId = await inTransaction(db, async (tx) => {
    const tenantId = await lockTenant(tx, input.tenant)
    const row = await tx
      .insertInto('api_key')
      .values({
        ...settings,
        tenant_id: tenantId,
        name: settings.name as string,
        display_prefix: displayPrefix(key),
        key_sha256: hashSecret(key),
        scopes: [...new Set(scopes)],
      })
      .returningAll()
      .executeTakeFirstOrThrow()
    await recordKeyChange(tx, 'key.created', by, undefined, row)
    return row.key_id
  })
  await notifyKeysChanged(db)
  return { key, keyId, displayPrefix: displayPrefix(key) }
}

function checkScopes(kind: KeyKind, scopes: readonly Scope[]): void {
  const refuse = (message: string) => new IdentityError(message, 'BAD_USER_INPUT', 'scopes')
  if (scopes.length === 0) throw refuse('A key needs at least one scope.')
  if (kind === 'pub' && scopes.some((scope) => scope !== 'ingest'))
    throw refuse('A public key can only have the scope ingest: anyone can read it.')
  if (scopes.includes('admin') && kind !== 'adm')
    throw refuse('Only a key of the kind adm can have the scope admin.')
}

/** So that keys that are created at the same time do not exceed the limit together. */
async function lockTenant(tx: Database, slug: string): Promise<number> {
  const tenant = await tx
    .selectFrom('tenant')
    .select('tenant_id')
    .where('slug', '=', slug)
    .forNoKeyUpdate()
    .executeTakeFirst()
  if (!tenant)
    throw new IdentityError(`Tenant "${slug}" does not exist.`, 'BAD_USER_INPUT', 'tenant')
  const { working } = await tx
    .selectFrom('api_key')
    .select(sql<number>`count(*)`.as('working'))
    .where('tenant_id', '=', tenant.tenant_id)
    .where('revoked_at', 'is', null)
    .where((eb) => eb.or([eb('expires_at', 'is', null), eb('expires_at', '>', sql<string>`now()`)]))
    .executeTakeFirstOrThrow()
  if (working >= WORKING_KEYS_MAX)
    throw new IdentityError(
      `A tenant has at most ${WORKING_KEYS_MAX} API keys that work; revoke one first.`,
      'KEY_LIMIT_REACHED',
    )
  return tenant.tenant_id
}

/**
 * Core refuses the key at once, every edge within 60 s. Revoking twice keeps the first time.
 * @param reference as `findKeyId` takes it
 * @throws IdentityError when the reference matches no key, or more than one; VERSION_CONFLICT
 */
export async function revokeKey(
  db: Database,
  reference: string,
  options: KeyChangeOptions = {},
): Promise<ListedKey> {
  const keyId = await findKeyId(db, reference, options.tenantId)
  await inTransaction(db, async (tx) => {
    const before = await lockKey(tx, keyId, options)
    if (before.revoked_at !== null) return
    const after = await tx
      .updateTable('api_key')
      .set({ revoked_at: sql`now()`, version: sql`version + 1` })
      .where('key_id', '=', keyId)
      .returningAll()
      .executeTakeFirstOrThrow()
    await recordKeyChange(tx, 'key.revoked', options.by, before, after)
  })
  await notifyKeysChanged(db)
  return readKey(db, keyId)
}

/**
 * @param reference its key_id, its display prefix, the key itself, or its name among the keys that are not revoked
 * @param tenantId keys of other tenants do not exist; default: all tenants
 * @throws IdentityError when the reference matches no key, or more than one
 */
export async function findKeyId(
  db: Database,
  reference: string,
  tenantId?: number,
): Promise<string> {
  const keys = db
    .selectFrom('api_key')
    .innerJoin('tenant', 'tenant.tenant_id', 'api_key.tenant_id')
    .select(['key_id', 'display_prefix'])
    .where(isCustomers('slug'))
    .$if(tenantId !== undefined, (query) =>
      query.where('api_key.tenant_id', '=', tenantId as number),
    )
    .limit(CANDIDATES_MAX)
  let found = await keys
    .where((eb) =>
      eb.or([
        eb(eb.cast('key_id', 'text'), '=', reference.toLowerCase()),
        eb('display_prefix', '=', reference),
        eb('key_sha256', '=', hashSecret(reference)),
      ]),
    )
    .execute()
  const isName = found.length === 0
  if (isName)
    found = await keys.where('name', '=', reference).where('revoked_at', 'is', null).execute()
  if (found.length > 1)
    throw new IdentityError(
      isName
        ? `Several keys have this name: ${found.map((key) => `${key.display_prefix}…`).join(', ')}.`
        : `${found.length} keys have this prefix; use the key id.`,
    )
  const keyId = found[0]?.key_id
  if (keyId === undefined) throw new IdentityError('This key does not exist.', 'KEY_NOT_FOUND')
  return keyId
}

const CANDIDATES_MAX = 10
