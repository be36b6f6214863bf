import { sql } from 'kysely'
import type { KeyKind, Scope } from '../../../contract/api-key.ts'
import type { Database } from '../../db/database.ts'
import { isCustomers } from '../../db/tables/system-tenants.ts'

/** What may be shown of a key for ever. Times are RFC 3339. */
export interface ListedKey {
  keyId: string
  tenant: string
  name: string
  displayPrefix: string
  kind: KeyKind
  scopes: Scope[]
  origins: string[]
  eventsPerMinute: number | null
  mayImportHistory: boolean
  /** Names of events that it may send; null: any. */
  allowedEvents: string[] | null
  /** Properties that its events may have; null: any. */
  allowedProperties: string[] | null
  /** Moves with every change. */
  version: number
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
  const rows = await keyRows(db)
    .$if(tenant !== undefined, (query) => query.where('slug', '=', tenant as string))
    .orderBy('api_key.created_at')
    .execute()
  return rows.map(listedKey)
}

/** Those that work first, newest first of each. @param max no more are read */
export async function listKeysOf(
  db: Database,
  tenantId: number,
  max: number,
): Promise<ListedKey[]> {
  const rows = await keyRows(db)
    .where('api_key.tenant_id', '=', tenantId)
    .orderBy(sql`revoked_at IS NOT NULL OR coalesce(expires_at <= now(), false)`)
    .orderBy('api_key.created_at', 'desc')
    .orderBy('api_key.key_id')
    .limit(max)
    .execute()
  return rows.map(listedKey)
}

/** @param keyId of a key that exists */
export async function readKey(db: Database, keyId: string): Promise<ListedKey> {
  return listedKey(await keyRows(db).where('key_id', '=', keyId).executeTakeFirstOrThrow())
}

function keyRows(db: Database) {
  return db
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
    .where(isCustomers('slug'))
    .select(COLUMNS)
    .select(['slug', 'used.last_hour', 'used.last_day'])
    .select(
      sql<string | null>`greatest(last_used_at,
        (SELECT max(hour) FROM key_use_hour WHERE key_use_hour.key_id = api_key.key_id))`.as(
        'seen_at',
      ),
    )
}

/** Without the hash, which the role that queries may not read. */
const COLUMNS = [
  'api_key.key_id',
  'api_key.name',
  'api_key.display_prefix',
  'api_key.scopes',
  'api_key.origins',
  'api_key.events_per_minute',
  'api_key.may_import_history',
  'api_key.allowed_events',
  'api_key.allowed_properties',
  'api_key.version',
  'api_key.created_at',
  'api_key.expires_at',
  'api_key.revoked_at',
  'api_key.replaced_by',
] as const

type KeyRow = Awaited<ReturnType<ReturnType<typeof keyRows>['executeTakeFirstOrThrow']>>

function listedKey(row: KeyRow): ListedKey {
  return {
    keyId: row.key_id,
    tenant: row.slug,
    name: row.name,
    displayPrefix: row.display_prefix,
    kind: row.display_prefix.slice(4, 7) as KeyKind,
    scopes: row.scopes,
    origins: row.origins,
    eventsPerMinute: row.events_per_minute,
    mayImportHistory: row.may_import_history,
    allowedEvents: row.allowed_events,
    allowedProperties: row.allowed_properties,
    version: row.version,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at,
    lastUsedAt: row.seen_at,
    eventsLastHour: row.last_hour ?? 0,
    eventsLastDay: row.last_day ?? 0,
    replacedBy: row.replaced_by,
  }
}
