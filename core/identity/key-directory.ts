import { sql } from 'kysely'
import type { KeyKind, KeyRecord } from '../../contract/api-key.ts'
import { LIMITS } from '../../contract/limits.ts'
import type { Database } from '../db/database.ts'

/** A key as stored in Postgres; edges get the record only. */
export interface KnownKey {
  tenantId: number
  record: KeyRecord
}

/**
 * The record of a key for the edge; revoked and expired keys have one as well.
 * @param sha256Hex 64 lower-case hexadecimal digits
 */
export async function findKeyRecord(
  db: Database,
  sha256Hex: string,
): Promise<KeyRecord | undefined> {
  return (await findKey(db, sha256Hex))?.record
}

export async function findKey(db: Database, sha256Hex: string): Promise<KnownKey | undefined> {
  if (!/^[0-9a-f]{64}$/.test(sha256Hex)) return undefined
  const row = await keyRows(db)
    .where('key_sha256', '=', Buffer.from(sha256Hex, 'hex'))
    .executeTakeFirst()
  return row && knownKey(row)
}

/** A record under the hash that Redis and edges know its key by. */
export interface HashedKey {
  sha256Hex: string
  record: KeyRecord
}

export const KEYS_PER_PAGE = 5_000

/**
 * Some of all keys, in the order of their ids.
 * @param after the `last` of the page before
 * @returns at most KEYS_PER_PAGE; `last` is undefined for the last page
 */
export async function keyRecordPage(
  db: Database,
  after: string | undefined,
): Promise<{ keys: HashedKey[]; last: string | undefined }> {
  const rows = await keyRows(db)
    .$if(after !== undefined, (query) => query.where('key_id', '>', after as string))
    .orderBy('key_id')
    .limit(KEYS_PER_PAGE)
    .execute()
  const last = rows.length < KEYS_PER_PAGE ? undefined : rows.at(-1)?.key_id
  return { keys: rows.map(hashedKey), last }
}

/** @param keyIds unknown ones are left out */
export async function keyRecordsOf(db: Database, keyIds: readonly string[]): Promise<HashedKey[]> {
  const rows = await keyRows(db).where(sql<boolean>`key_id = ANY(${keyIds}::uuid[])`).execute()
  return rows.map(hashedKey)
}

function keyRows(db: Database) {
  return db
    .selectFrom('api_key')
    .innerJoin('tenant', 'tenant.tenant_id', 'api_key.tenant_id')
    .selectAll('api_key')
    .select([
      'tenant.slug',
      'tenant.event_age_max_s',
      'tenant.schema_versions',
      'tenant.enrich',
      'tenant.events_per_minute as tenant_events_per_minute',
      REJECTING_SCHEMAS.as('event_schemas'),
    ])
}

/** Only of keys that work, of tenants that ever pinned one. */
const REJECTING_SCHEMAS = sql<KeyRecord['event_schemas']>`
  CASE WHEN tenant.schemas_version > 0 AND api_key.revoked_at IS NULL
        AND (api_key.expires_at IS NULL OR api_key.expires_at > now()) THEN
    (SELECT json_agg(json_build_object('name', s.name, 'version', s.version, 'schema', s.document) ORDER BY s.name)
       FROM event_schema s WHERE s.tenant_id = tenant.tenant_id AND s.retired_at IS NULL AND s.mode = 'reject') END`

type KeyRow = Awaited<ReturnType<ReturnType<typeof keyRows>['executeTakeFirstOrThrow']>>

function hashedKey(row: KeyRow): HashedKey {
  return { sha256Hex: row.key_sha256.toString('hex'), record: knownKey(row).record }
}

function knownKey(row: KeyRow): KnownKey {
  const kind = row.display_prefix.slice(4, 7) as KeyKind
  return {
    tenantId: row.tenant_id,
    record: {
      key_id: row.key_id,
      tenant: row.slug,
      kind,
      // Anyone can read a public key in a page, so it can only ingest, whatever its row says.
      scopes: kind === 'pub' ? row.scopes.filter((scope) => scope === 'ingest') : row.scopes,
      origins: row.origins,
      key_events_per_minute: row.events_per_minute ?? LIMITS.keyEventsPerMinuteDefault,
      tenant_events_per_minute: row.tenant_events_per_minute ?? LIMITS.tenantEventsPerMinuteDefault,
      may_import_history: row.may_import_history,
      event_age_max_s: row.event_age_max_s,
      schema_versions: row.schema_versions,
      allowed_events: row.allowed_events,
      allowed_properties: row.allowed_properties,
      ...(row.enrich && { enrich: row.enrich }),
      ...(row.event_schemas && { event_schemas: row.event_schemas }),
      expires_at: row.expires_at,
      revoked_at: row.revoked_at,
    },
  }
}

/** Neither revoked nor expired. */
export function isUsable(record: KeyRecord, now = Date.now()): boolean {
  return (
    record.revoked_at === null &&
    (record.expires_at === null || Date.parse(record.expires_at) > now)
  )
}

const RECORDED_EVERY_MS = 60_000
const RECORDED_KEYS_MAX = 10_000

/**
 * Records in api_key.last_used_at that a key was used, at most once a minute for each key over all
 * processes. Never fails.
 */
export function createKeyUseRecorder(
  db: Database,
  now = Date.now,
): (keyId: string) => Promise<void> {
  const recordedAt = new Map<string, number>()
  return async (keyId) => {
    if (now() - (recordedAt.get(keyId) ?? Number.NEGATIVE_INFINITY) < RECORDED_EVERY_MS) return
    // The oldest entry is dropped: at worst its key is recorded twice in a minute.
    if (recordedAt.size >= RECORDED_KEYS_MAX)
      recordedAt.delete(recordedAt.keys().next().value as string)
    recordedAt.delete(keyId)
    recordedAt.set(keyId, now())
    await db
      .updateTable('api_key')
      .set({ last_used_at: sql<string>`now()` })
      .where('key_id', '=', keyId)
      // A second less than a minute, for the difference between two clocks.
      .where((eb) =>
        eb.or([
          eb('last_used_at', 'is', null),
          eb('last_used_at', '<', sql<string>`now() - interval '59 s'`),
        ]),
      )
      .execute()
      // The request is served all the same; the next use records it.
      .catch(() => recordedAt.delete(keyId))
  }
}
