import { sql } from 'kysely'
import { compileSchemaText } from '../../contract/schema/compile-schema.ts'
import type { Database } from '../db/database.ts'
import { type AuditActor, recordAudit } from '../identity/audit/audit-log.ts'
import { ApiError } from '../lib/api-error.ts'
import type { SchemaMode } from './pinned-schemas.ts'

export const PIN_LIMITS = {
  pinnedPerTenantMax: 100,
  versionsMax: 1_000,
  /** Of a tenant's schemas in the mode reject together: every edge holds them for each of its keys. */
  rejectingBytesMax: 32 * 1024,
} as const

export interface PinChange {
  name: string
  mode: SchemaMode
  /** JSON Schema, as text. */
  document: string
  /** The version that the change was made for; null: none is pinned. */
  version: number | null
}

export interface PinnedVersion {
  version: number
  mode: SchemaMode
}

/**
 * Pins a schema for events of a name. A changed document or mode is a new version. Workers enforce it within
 * LIMITS.tenantCacheMs, and edges as soon as they read the keys of the tenant again, at most a minute later.
 * @param by for the audit log
 * @throws SCHEMA_INVALID, SCHEMA_LIMIT_REACHED, VERSION_CONFLICT
 */
export function pinSchema(
  db: Database,
  tenantId: number,
  { name, mode, document, version }: PinChange,
  by: AuditActor,
): Promise<PinnedVersion> {
  const compiled = compileSchemaText(document)
  if (!compiled.ok)
    throw new ApiError('SCHEMA_INVALID', `The schema${at(compiled.error)}`, {
      errors: [compiled.error],
    })
  return db.transaction().execute(async (tx) => {
    const former = await findForUpdate(tx, tenantId, name, version)
    if (former?.mode === mode && former.document === document)
      return { version: former.version, mode }
    await retire(tx, tenantId, name)
    const { rows } = await sql<{ version: number }>`
      INSERT INTO event_schema (tenant_id, name, version, mode, document)
      SELECT ${tenantId}, ${name}, coalesce(max(version), 0) + 1, ${mode}, ${document}
        FROM event_schema WHERE tenant_id = ${tenantId} AND name = ${name}
      RETURNING version`.execute(tx)
    const pinned = { version: rows[0]?.version as number, mode }
    await checkLimits(tx, tenantId, pinned.version)
    await recordAudit(tx, by, {
      tenantId,
      action: 'schema.pinned',
      object: `schema ${name}`,
      ...(former && { before: { version: former.version, mode: former.mode } }),
      after: pinned,
    })
    return pinned
  })
}

/**
 * Events of the name may be anything again.
 * @throws VERSION_CONFLICT; SCHEMA_NOT_FOUND where none is pinned
 */
export function unpinSchema(
  db: Database,
  tenantId: number,
  { name, version }: Pick<PinChange, 'name' | 'version'>,
  by: AuditActor,
): Promise<void> {
  return db.transaction().execute(async (tx) => {
    const former = await findForUpdate(tx, tenantId, name, version)
    if (!former) throw new ApiError('SCHEMA_NOT_FOUND')
    await retire(tx, tenantId, name)
    await recordAudit(tx, by, {
      tenantId,
      action: 'schema.unpinned',
      object: `schema ${name}`,
      before: { version: former.version, mode: former.mode },
    })
  })
}

/** One change of a tenant's schemas at a time. The version of the tenant moves with it. */
async function findForUpdate(
  tx: Database,
  tenantId: number,
  name: string,
  version: number | null,
): Promise<(PinnedVersion & { document: string }) | undefined> {
  await sql`SELECT FROM tenant WHERE tenant_id = ${tenantId} FOR NO KEY UPDATE`.execute(tx)
  const former = await tx
    .selectFrom('event_schema')
    .select(['version', 'mode', 'document'])
    .where('tenant_id', '=', tenantId)
    .where('name', '=', name)
    .where('retired_at', 'is', null)
    .executeTakeFirst()
  if ((former?.version ?? null) !== version)
    throw new ApiError('VERSION_CONFLICT', undefined, { version: former?.version ?? null })
  return former
}

async function retire(tx: Database, tenantId: number, name: string): Promise<void> {
  await sql`
    UPDATE event_schema SET retired_at = clock_timestamp()
     WHERE tenant_id = ${tenantId} AND name = ${name} AND retired_at IS NULL`.execute(tx)
  await sql`UPDATE tenant SET schemas_version = schemas_version + 1 WHERE tenant_id = ${tenantId}`.execute(
    tx,
  )
}

async function checkLimits(tx: Database, tenantId: number, version: number): Promise<void> {
  const { rows } = await sql<{ pinned: number; bytes: number }>`
    SELECT count(*) AS pinned, coalesce(sum(octet_length(document)) FILTER (WHERE mode = 'reject'), 0)::bigint AS bytes
      FROM event_schema WHERE tenant_id = ${tenantId} AND retired_at IS NULL`.execute(tx)
  const { pinned = 0, bytes = 0 } = rows[0] ?? {}
  const { pinnedPerTenantMax, versionsMax, rejectingBytesMax } = PIN_LIMITS
  if (pinned > pinnedPerTenantMax)
    throw new ApiError(
      'SCHEMA_LIMIT_REACHED',
      `A tenant has at most ${pinnedPerTenantMax} pinned schemas; unpin one first.`,
    )
  if (bytes > rejectingBytesMax)
    throw new ApiError(
      'SCHEMA_LIMIT_REACHED',
      `Schemas in the mode reject have at most ${rejectingBytesMax} bytes together; choose the mode dead-letter.`,
    )
  if (version > versionsMax)
    throw new ApiError('SCHEMA_LIMIT_REACHED', `A schema has at most ${versionsMax} versions.`)
}

function at({ pointer, detail }: { pointer: string; detail: string }): string {
  return `${pointer === '' ? '' : ` at ${pointer}`} ${detail}.`
}
