import { sql } from 'kysely'
import { displayPrefix, type KeyKind, mintApiKey, type Scope } from '../../contract/api-key.ts'
import { isOriginPattern } from '../../contract/origin.ts'
import { notifyKeysChanged } from '../db/channels.ts'
import type { Database } from '../db/database.ts'
import { hashSecret } from './hash-secret.ts'
import { IdentityError } from './identity-error.ts'

export interface NewKey {
  tenant: string
  /** Display name. */
  name: string
  scopes: readonly Scope[]
  /** `pub` may be embedded in a web page, so it can only ingest. Default: `adm` with the scope admin, else `sec`. */
  kind?: KeyKind
  /** Origins that browsers may send from, as `isOriginPattern` accepts them; none means any. */
  origins?: readonly string[]
  /** Default: the limit in contract/limits.ts, read when the key is used. */
  eventsPerMinute?: number
  mayImportHistory?: boolean
  expiresAt?: Date
}

export interface CreatedKey {
  /** Shown once; only its hash is stored. */
  key: string
  keyId: string
  displayPrefix: string
}

/** @throws IdentityError when the tenant does not exist, or scopes or origins are invalid */
export async function createKey(db: Database, input: NewKey): Promise<CreatedKey> {
  const { scopes } = input
  const kind = input.kind ?? (scopes.includes('admin') ? 'adm' : 'sec')
  if (scopes.length === 0) throw new IdentityError('A key needs at least one scope.')
  if (kind === 'pub' && scopes.some((scope) => scope !== 'ingest'))
    throw new IdentityError('A public key can only have the scope ingest: anyone can read it.')
  if (scopes.includes('admin') && kind !== 'adm')
    throw new IdentityError('Only a key of the kind adm can have the scope admin.')

  const origins = parseOrigins(input.origins ?? [])
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
          eb.val(input.name).as('name'),
          eb.val(displayPrefix(key)).as('display_prefix'),
          eb.val(hashSecret(key)).as('key_sha256'),
          eb.val([...new Set(scopes)]).as('scopes'),
          eb.val(origins).as('origins'),
          eb.val(input.eventsPerMinute ?? null).as('events_per_minute'),
          eb.val(input.mayImportHistory ?? false).as('may_import_history'),
          eb.val(input.expiresAt ?? null).as('expires_at'),
        ])
        .where('slug', '=', input.tenant),
    )
    .returning('key_id')
    .executeTakeFirst()
  if (!row) throw new IdentityError(`Tenant "${input.tenant}" does not exist.`)
  await notifyKeysChanged(db)
  return { key, keyId: row.key_id, displayPrefix: displayPrefix(key) }
}

/** In lower case and without duplicates, as the edge compares them. */
export function parseOrigins(origins: readonly string[]): string[] {
  const read = origins.map((origin) => origin.trim().toLowerCase())
  for (const origin of read)
    if (!/^https?:/.test(origin) || !isOriginPattern(origin))
      throw new IdentityError(
        `"${origin}" is not an origin; use https://shop.example, https://shop.example:8443 or https://*.shop.example.`,
      )
  if (read.length > ORIGINS_MAX)
    throw new IdentityError(`A key takes at most ${ORIGINS_MAX} origins.`)
  return [...new Set(read)]
}

const ORIGINS_MAX = 100

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
  /** To the minute; to the hour where edges find the key in Redis. */
  lastUsedAt: string | null
  /**
   * Events received with it, duplicates included. Counted by hours of the clock, from the beginning of the hour
   * that was an hour ago: never fewer than there were.
   */
  eventsLastHour: number
  eventsLastDay: number
  /** The id of the key that replaced it by rotation. */
  replacedBy: string | null
}

/** @param tenant default: the keys of all tenants */
export async function listKeys(db: Database, tenant?: string): Promise<ListedKey[]> {
  const rows = await db
    .selectFrom('api_key')
    .innerJoin('tenant', 'tenant.tenant_id', 'api_key.tenant_id')
    .leftJoinLateral(
      (eb) =>
        eb
          .selectFrom('key_use_hour')
          .whereRef('key_use_hour.key_id', '=', 'api_key.key_id')
          .where('hour', '>', sql<string>`now() - interval '25 hours'`)
          .select([
            sql<number>`coalesce(sum(events) FILTER (WHERE hour > now() - interval '2 hours'), 0)::int8`.as(
              'last_hour',
            ),
            sql<number>`coalesce(sum(events), 0)::int8`.as('last_day'),
          ])
          .as('used'),
      (join) => join.onTrue(),
    )
    .$if(tenant !== undefined, (query) => query.where('slug', '=', tenant as string))
    .selectAll('api_key')
    .select(['slug', 'used.last_hour', 'used.last_day'])
    .select(
      sql<string | null>`greatest(last_used_at,
        (SELECT max(hour) FROM key_use_hour WHERE key_use_hour.key_id = api_key.key_id))`.as(
        'seen_at',
      ),
    )
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
    lastUsedAt: row.seen_at,
    eventsLastHour: row.last_hour ?? 0,
    eventsLastDay: row.last_day ?? 0,
    replacedBy: row.replaced_by,
  }))
}

/**
 * Core refuses the key at once, every edge within 60 s. Revoking twice keeps the first time.
 * @param reference as `findKeyId` takes it
 * @throws IdentityError when the reference matches no key, or more than one
 */
export async function revokeKey(db: Database, reference: string): Promise<ListedKey> {
  const keyId = await findKeyId(db, reference)
  await db
    .updateTable('api_key')
    .set((eb) => ({ revoked_at: eb.fn.coalesce('revoked_at', eb.fn<string>('now')) }))
    .where('key_id', '=', keyId)
    .execute()
  await notifyKeysChanged(db)
  return (await listKeys(db)).find((key) => key.keyId === keyId) as ListedKey
}

/**
 * @param reference its key_id, its display prefix, the key itself, or its name among the keys that are not revoked
 * @throws IdentityError when the reference matches no key, or more than one
 */
export async function findKeyId(db: Database, reference: string): Promise<string> {
  const keys = db.selectFrom('api_key').select(['key_id', 'display_prefix']).limit(CANDIDATES_MAX)
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
  if (keyId === undefined) throw new IdentityError('This key does not exist.')
  return keyId
}

const CANDIDATES_MAX = 10
