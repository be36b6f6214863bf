import { createHash } from 'node:crypto'
import type { Selectable } from 'kysely'
import { sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import type { ApiKeyTable } from '../../db/tables/key-tables.ts'
import { ApiError } from '../../lib/api-error.ts'
import { type AuditAction, type AuditActor, recordAudit, SYSTEM } from '../audit/audit-log.ts'

/** Who changes a key, and what has to hold. */
export interface KeyChangeOptions {
  /** For the audit log. Default: the system itself, for its own start and its tools. */
  by?: AuditActor | undefined
  /** Keys of other tenants do not exist. Default: all tenants. */
  tenantId?: number | undefined
  /** The one that the change was made for. Default: whatever it is. */
  version?: number | undefined
}

/** `expired` as of now, by Postgres' clock. */
export type KeyRow = Selectable<ApiKeyTable> & { expired: boolean }

/** Locks a key until the transaction ends. @throws VERSION_CONFLICT */
export async function lockKey(
  tx: Database,
  keyId: string,
  { version }: KeyChangeOptions,
): Promise<KeyRow> {
  const row = await tx
    .selectFrom('api_key')
    .selectAll()
    .select(sql<boolean>`coalesce(expires_at <= now(), false)`.as('expired'))
    .where('key_id', '=', keyId)
    .forUpdate()
    .executeTakeFirstOrThrow()
  if (version !== undefined && version !== row.version)
    throw new ApiError('VERSION_CONFLICT', undefined, { version: row.version })
  return row
}

/** Of a list as JSON: with two more of this size, a state stays below what an entry of the audit log may have. */
const LIST_BYTES_MAX = 4_096

/** Whole, or where that could exceed an entry, the number of items and the SHA-256 of the JSON array. */
function auditedList(list: string[] | null) {
  if (list === null) return null
  const json = JSON.stringify(list)
  if (Buffer.byteLength(json) <= LIST_BYTES_MAX) return list
  return { count: list.length, sha256: createHash('sha256').update(json).digest('hex') }
}

/** The settings of a key for the audit log: all that a key is, but its hash. */
export function auditedKey(row: Omit<KeyRow, 'expired'>) {
  return {
    name: row.name,
    displayPrefix: row.display_prefix,
    scopes: row.scopes,
    origins: auditedList(row.origins),
    eventsPerMinute: row.events_per_minute,
    mayImportHistory: row.may_import_history,
    allowedEvents: auditedList(row.allowed_events),
    allowedProperties: auditedList(row.allowed_properties),
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at,
    replacedBy: row.replaced_by,
  }
}

/** To be called last in a transaction: what differs between two states of a key, or all of a new one. */
export async function recordKeyChange(
  tx: Database,
  action: AuditAction,
  by: AuditActor | undefined,
  before: Omit<KeyRow, 'expired'> | undefined,
  after: Omit<KeyRow, 'expired'>,
): Promise<void> {
  const is = auditedKey(after)
  const was = before && auditedKey(before)
  const changed = (Object.keys(is) as (keyof typeof is)[]).filter(
    (name) => was === undefined || JSON.stringify(was[name]) !== JSON.stringify(is[name]),
  )
  const pick = (state: typeof is) => Object.fromEntries(changed.map((name) => [name, state[name]]))
  await recordAudit(tx, by ?? SYSTEM, {
    tenantId: after.tenant_id,
    action,
    object: `key ${after.key_id}`,
    ...(was && { before: pick(was) }),
    after: pick(is),
  })
}
