import { type Selectable, sql } from 'kysely'
import { ENRICHMENT_NAMES, isEnrichment } from '../../contract/enrichment.ts'
import { LIMITS } from '../../contract/limits.ts'
import { TOPICS } from '../../contract/log/topics.ts'
import { notifyKeysChanged } from '../db/channels.ts'
import type { Database } from '../db/database.ts'
import { inTransaction } from '../db/in-transaction.ts'
import type { TenantTable } from '../db/schema.ts'
import { isCustomers } from '../db/tables/system-tenants.ts'
import { batchWatermark, isPublished, watermark } from '../db/watermark.ts'
import { type AuditActor, recordAudit, SYSTEM } from './audit/audit-log.ts'
import { IdentityError } from './identity-error.ts'

export interface Tenant {
  tenant: string
  /** Null: the default of contract/limits.ts. */
  eventsPerMinute: number | null
  eventAgeMaxS: number
  allowedLatenessS: number
  /** The values of schema_version that events may have; null: any. */
  schemaVersions: string[] | null
  /** What is derived from its events (contract/enrichment.ts). */
  enrichments: string[]
  createdAt: string
}

export interface NewTenant {
  /** 1–63 lower-case letters, digits and dashes, not beginning with a dash. */
  tenant: string
  eventsPerMinute?: number
  eventAgeMaxS?: number
  allowedLatenessS?: number
}

/**
 * @param by for the audit log; default: the system itself
 * @returns whether it is new; an existing tenant is not changed
 */
export async function createTenant(
  db: Database,
  tenant: NewTenant,
  by: AuditActor = SYSTEM,
): Promise<boolean> {
  if (!/^[a-z0-9][a-z0-9-]{0,62}$/.test(tenant.tenant))
    throw new IdentityError(
      `"${tenant.tenant}" cannot name a tenant: 1 to 63 lower-case letters, digits and dashes, not beginning with a dash.`,
    )
  return inTransaction(db, async (tx) => {
    const inserted = await tx
      .insertInto('tenant')
      .values({
        slug: tenant.tenant,
        events_per_minute: tenant.eventsPerMinute,
        event_age_max_s: tenant.eventAgeMaxS,
        allowed_lateness_s: tenant.allowedLatenessS,
      })
      .onConflict((conflict) => conflict.column('slug').doNothing())
      .returningAll()
      .executeTakeFirst()
    if (!inserted) return false
    await recordAudit(tx, by, {
      tenantId: inserted.tenant_id,
      action: 'tenant.created',
      object: `tenant ${tenant.tenant}`,
      after: listedTenant(inserted),
    })
    return true
  })
}

/** Properties that are left out do not change. */
export interface TenantChanges {
  /** Null: the default of contract/limits.ts. */
  eventsPerMinute?: number | null
  eventAgeMaxS?: number
  allowedLatenessS?: number
  /** Null: any. */
  schemaVersions?: readonly string[] | null
  /** Empty: nothing is derived from events. */
  enrichments?: readonly string[]
}

/**
 * Takes effect everywhere within a minute, for events received from then on.
 * @throws IdentityError when the tenant does not exist, for a version that no event could have, or for an unknown enrichment
 */
export async function setTenant(
  db: Database,
  tenant: string,
  changes: TenantChanges,
  by: AuditActor = SYSTEM,
): Promise<Tenant> {
  const { eventsPerMinute, eventAgeMaxS, allowedLatenessS, schemaVersions, enrichments } = changes
  const changed = await inTransaction(db, async (tx) => {
    // In the order in which everybody locks them.
    if (allowedLatenessS !== undefined) await lockFinality(tx)
    const before = await tx
      .selectFrom('tenant')
      .selectAll()
      .where('slug', '=', tenant)
      .forNoKeyUpdate()
      .executeTakeFirst()
    if (allowedLatenessS !== undefined) await setAllowedLateness(tx, tenant, allowedLatenessS)
    const after = await tx
      .updateTable('tenant')
      .set({
        // Set to itself, so that an empty change is valid SQL too.
        slug: tenant,
        events_per_minute: eventsPerMinute,
        event_age_max_s: eventAgeMaxS,
        schema_versions: schemaVersions && parseVersions(schemaVersions),
        enrich: enrichments && parseEnrichments(enrichments),
      })
      .where('slug', '=', tenant)
      .returningAll()
      .executeTakeFirst()
    if (!before || !after) throw new IdentityError(`Tenant "${tenant}" does not exist.`)
    await recordAudit(tx, by, {
      tenantId: after.tenant_id,
      action: 'tenant.changed',
      object: `tenant ${tenant}`,
      before: listedTenant(before),
      after: listedTenant(after),
    })
    return listedTenant(after)
  })
  await notifyKeysChanged(db)
  return changed
}

async function lockFinality(tx: Database): Promise<void> {
  await sql`SELECT FROM finality WHERE topic = ${TOPICS.raw.name} FOR UPDATE`.execute(tx)
}

/**
 * Changes nothing that was final without a mark. When it is lowered, readers use the former value until every batch in
 * flight has seen the new one; when it is raised, what is final stays so. The lock on finality keeps more from being
 * published meanwhile.
 */
async function setAllowedLateness(tx: Database, tenant: string, seconds: number): Promise<void> {
  const { rows } = await sql<{ tenant_id: number }>`
    SELECT tenant_id FROM tenant WHERE slug = ${tenant} AND allowed_lateness_s <> ${seconds}`.execute(
    tx,
  )
  const id = rows[0]?.tenant_id
  if (id === undefined) return
  await sql`
    UPDATE tenant t SET allowed_lateness_s = ${seconds}, lateness_xid = pg_current_xact_id(),
           former_lateness_s = CASE WHEN ${isPublished('t.lateness_xid')} THEN t.allowed_lateness_s
                                    ELSE greatest(t.former_lateness_s, t.allowed_lateness_s) END,
           final_floor = CASE WHEN t.allowed_lateness_s < ${seconds} THEN ${watermark(id)} ELSE t.final_floor END,
           marked_floor = CASE WHEN t.allowed_lateness_s < ${seconds}
                               THEN greatest(t.marked_floor, ${batchWatermark()}) ELSE t.marked_floor END
      FROM finality f WHERE f.topic = ${TOPICS.raw.name} AND t.tenant_id = ${id}`.execute(tx)
}

function parseVersions(versions: readonly string[]): string[] {
  const read = [...new Set(versions.map((version) => version.trim()))]
  const bad = read.find(
    (version) => version.length > LIMITS.schemaVersionCharsMax || !/^[\x21-\x7e]+$/.test(version),
  )
  if (bad !== undefined)
    throw new IdentityError(
      `"${bad}" is not a schema version: it takes 1 to ${LIMITS.schemaVersionCharsMax} visible ASCII characters.`,
    )
  if (read.length === 0 || read.length > LIMITS.schemaVersionsMax)
    throw new IdentityError(
      `A tenant takes 1 to ${LIMITS.schemaVersionsMax} schema versions, or any.`,
    )
  return read
}

/** Null instead of none, which every key record and every event would carry. */
function parseEnrichments(names: readonly string[]): string[] | null {
  const read = [...new Set(names.map((name) => name.trim()))].sort()
  const unknown = read.find((name) => !isEnrichment(name))
  if (unknown !== undefined)
    throw new IdentityError(
      `"${unknown}" is not an enrichment: there are ${ENRICHMENT_NAMES.join(', ')}.`,
    )
  return read.length === 0 ? null : read
}

export async function listTenants(db: Database): Promise<Tenant[]> {
  const rows = await db
    .selectFrom('tenant')
    .selectAll()
    .where(isCustomers('slug'))
    .orderBy('tenant_id')
    .execute()
  return rows.map(listedTenant)
}

function listedTenant(row: Selectable<TenantTable>): Tenant {
  return {
    tenant: row.slug,
    eventsPerMinute: row.events_per_minute,
    eventAgeMaxS: row.event_age_max_s,
    allowedLatenessS: row.allowed_lateness_s,
    schemaVersions: row.schema_versions,
    enrichments: row.enrich ?? [],
    createdAt: row.created_at,
  }
}
