import { createHash } from 'node:crypto'
import { displayPrefix, type KeyKind, mintApiKey, type Scope } from '../../contract/api-key.ts'
import type { Database } from '../db/database.ts'
import { KeyError } from './tenants.ts'

export interface NewKey {
  tenant: string
  /** For people, to tell one key from another. */
  name: string
  scopes: readonly Scope[]
  /** `pub` may stand in a browser's page, so it can only ingest. Default: `adm` with the scope admin, else `sec`. */
  kind?: KeyKind
  /** Where a browser may send from; none means anywhere. */
  origins?: readonly string[]
  /** Default: that of contract/limits.ts, looked up when the key is used. */
  eventsPerMinute?: number
  mayImportHistory?: boolean
  expiresAt?: Date
}

export interface CreatedKey {
  /** Shown once; only its hash is kept. */
  key: string
  keyId: string
  displayPrefix: string
}

/** @throws KeyError when there is no such tenant, or when the scopes do not suit the kind */
export async function createKey(db: Database, wanted: NewKey): Promise<CreatedKey> {
  const { scopes } = wanted
  const kind = wanted.kind ?? (scopes.includes('admin') ? 'adm' : 'sec')
  if (scopes.length === 0) throw new KeyError('A key needs at least one scope.')
  if (kind === 'pub' && scopes.some((scope) => scope !== 'ingest'))
    throw new KeyError('A public key can only have the scope ingest: anyone can read it.')
  if (scopes.includes('admin') && kind !== 'adm')
    throw new KeyError('Only a key of the kind adm can have the scope admin.')

  const key = mintApiKey(kind)
  const row = await db
    .insertInto('api_key')
    .columns([
      'tenant_id',
      'name',
      'display_prefix',
      'key_sha256',
      'scopes',
      'origins',
      'events_per_minute',
      'may_import_history',
      'expires_at',
    ])
    .expression((eb) =>
      eb
        .selectFrom('tenant')
        .select((eb) => [
          'tenant_id',
          eb.val(wanted.name).as('name'),
          eb.val(displayPrefix(key)).as('display_prefix'),
          eb.val(sha256(key)).as('key_sha256'),
          eb.val([...new Set(scopes)]).as('scopes'),
          eb.val([...(wanted.origins ?? [])]).as('origins'),
          eb.val(wanted.eventsPerMinute ?? null).as('events_per_minute'),
          eb.val(wanted.mayImportHistory ?? false).as('may_import_history'),
          eb.val(wanted.expiresAt ?? null).as('expires_at'),
        ])
        .where('slug', '=', wanted.tenant),
    )
    .returning('key_id')
    .executeTakeFirst()
  if (!row) throw new KeyError(`There is no tenant "${wanted.tenant}".`)
  return { key, keyId: row.key_id, displayPrefix: displayPrefix(key) }
}

/** What may be shown of a key for ever. Times are RFC 3339. */
export interface ListedKey {
  keyId: string
  tenant: string
  name: string
  displayPrefix: string
  scopes: Scope[]
  origins: string[]
  eventsPerMinute: number | null
  mayImportHistory: boolean
  createdAt: string
  expiresAt: string | null
  revokedAt: string | null
  /** To the minute. */
  lastUsedAt: string | null
}

/** @param tenant all tenants' keys without it */
export async function listKeys(db: Database, tenant?: string): Promise<ListedKey[]> {
  const rows = await db
    .selectFrom('api_key')
    .innerJoin('tenant', 'tenant.tenant_id', 'api_key.tenant_id')
    .$if(tenant !== undefined, (query) => query.where('slug', '=', tenant as string))
    .selectAll('api_key')
    .select('slug')
    .orderBy('api_key.created_at')
    .execute()
  return rows.map((row) => ({
    keyId: row.key_id,
    tenant: row.slug,
    name: row.name,
    displayPrefix: row.display_prefix,
    scopes: row.scopes,
    origins: row.origins,
    eventsPerMinute: row.events_per_minute,
    mayImportHistory: row.may_import_history,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at,
    lastUsedAt: row.last_used_at,
  }))
}

/**
 * From now on refused here, and at every edge within 60 s. Revoking twice keeps the first time.
 * @param which its key_id, its display prefix or the key itself
 * @throws KeyError when no key, or more than one, is meant
 */
export async function revokeKey(db: Database, which: string): Promise<ListedKey> {
  const found = await db
    .selectFrom('api_key')
    .select('key_id')
    .where((eb) =>
      eb.or([
        eb(eb.cast('key_id', 'text'), '=', which.toLowerCase()),
        eb('display_prefix', '=', which),
        eb('key_sha256', '=', sha256(which)),
      ]),
    )
    .execute()
  if (found.length > 1)
    throw new KeyError(`${found.length} keys begin like this; name one by its id.`)
  const keyId = found[0]?.key_id
  if (keyId === undefined) throw new KeyError('There is no such key.')
  await db
    .updateTable('api_key')
    .set((eb) => ({ revoked_at: eb.fn.coalesce('revoked_at', eb.fn<string>('now')) }))
    .where('key_id', '=', keyId)
    .execute()
  return (await listKeys(db)).find((key) => key.keyId === keyId) as ListedKey
}

/** Also of session tokens and sign-in links: all of them are random, so a fast hash is enough. */
export function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
