import type { Database } from '../db/database.ts'

export interface Tenant {
  tenant: string
  /** Null: the default of contract/limits.ts. */
  eventsPerMinute: number | null
  eventAgeMaxS: number
  allowedLatenessS: number
  createdAt: string
}

export interface NewTenant {
  /** 1–63 lower-case letters, digits and dashes, not beginning with a dash. */
  tenant: string
  eventsPerMinute?: number
  eventAgeMaxS?: number
  allowedLatenessS?: number
}

/** @returns whether it is new; one that exists already is left as it is */
export async function createTenant(db: Database, tenant: NewTenant): Promise<boolean> {
  if (!/^[a-z0-9][a-z0-9-]{0,62}$/.test(tenant.tenant))
    throw new KeyError(
      `"${tenant.tenant}" cannot name a tenant: 1 to 63 lower-case letters, digits and dashes, not beginning with a dash.`,
    )
  const inserted = await db
    .insertInto('tenant')
    .values({
      slug: tenant.tenant,
      events_per_minute: tenant.eventsPerMinute,
      event_age_max_s: tenant.eventAgeMaxS,
      allowed_lateness_s: tenant.allowedLatenessS,
    })
    .onConflict((conflict) => conflict.column('slug').doNothing())
    .returning('tenant_id')
    .executeTakeFirst()
  return inserted !== undefined
}

export async function listTenants(db: Database): Promise<Tenant[]> {
  const rows = await db.selectFrom('tenant').selectAll().orderBy('tenant_id').execute()
  return rows.map((row) => ({
    tenant: row.slug,
    eventsPerMinute: row.events_per_minute,
    eventAgeMaxS: row.event_age_max_s,
    allowedLatenessS: row.allowed_lateness_s,
    createdAt: row.created_at,
  }))
}

/** What a person asked of keys or tenants cannot be done, in a sentence for that person. */
export class KeyError extends Error {
  override name = 'KeyError'
}
