import { type EnrichmentName, isEnrichment } from '../../../contract/enrichment.ts'
import { LIMITS } from '../../../contract/limits.ts'
import { type PinnedSchema, readPinnedSchemas } from '../../schemas/pinned-schemas.ts'
import type { ExecuteQuery } from '../consume/connection.ts'

export interface TenantSettings {
  id: number
  eventAgeMaxS: number
  /** What is derived from its events. */
  enrich: readonly EnrichmentName[]
  /** By the name of events; undefined where none is pinned. */
  schemas: ReadonlyMap<string, PinnedSchema> | undefined
  schemasVersion: number
}

/** What the worker knows of tenants, refreshed every LIMITS.tenantCacheMs. */
export interface Tenants {
  /** Looks up those that are unknown or stale, in one query. */
  learn(slugs: readonly string[]): Promise<void>
  get(slug: string): TenantSettings | undefined
  /** @throws when no batch ever named it */
  byId(id: number): TenantSettings
}

export function createTenants(execute: ExecuteQuery, now: () => number = Date.now): Tenants {
  let bySlug = new Map<string, TenantSettings>()
  // Never emptied: the batch before is being written by these while the next one learns.
  const byId = new Map<number, TenantSettings>()
  let staleAtMs = 0

  /** Reads the schemas of tenants whose version moved; it was read before them, so none is missed. */
  async function learnSchemas(rows: readonly Record<string, unknown>[]) {
    const changed = rows.filter(
      ({ tenant_id, schemas_version }) =>
        Number(schemas_version) !== (byId.get(tenant_id as number)?.schemasVersion ?? 0),
    )
    const ids = changed.map(({ tenant_id }) => tenant_id as number)
    const read = ids.length > 0 ? await readPinnedSchemas(execute, ids) : undefined
    return (id: number) => (ids.includes(id) ? read?.get(id) : byId.get(id)?.schemas)
  }

  return {
    async learn(slugs) {
      // All are forgotten now and then: what an operator has changed is in force within LIMITS.tenantCacheMs.
      const stale = now() >= staleAtMs || bySlug.size > LIMITS.tenantCacheEntriesMax
      const unknown = [...new Set(slugs)].filter((slug) => stale || !bySlug.has(slug))
      if (unknown.length === 0) return
      const { rows } = await execute(
        'SELECT tenant_id, slug, event_age_max_s, enrich, schemas_version FROM tenant WHERE slug = ANY ($1)',
        [unknown],
      )
      const schemas = await learnSchemas(rows)
      if (stale) {
        bySlug = new Map()
        staleAtMs = now() + LIMITS.tenantCacheMs
      }
      for (const row of rows) {
        const settings = {
          id: row.tenant_id as number,
          eventAgeMaxS: row.event_age_max_s as number,
          enrich: ((row.enrich as string[] | null) ?? []).filter(isEnrichment),
          schemas: schemas(row.tenant_id as number),
          schemasVersion: Number(row.schemas_version),
        }
        bySlug.set(row.slug as string, settings)
        byId.set(settings.id, settings)
      }
    },
    get: (slug) => bySlug.get(slug),
    byId(id) {
      const settings = byId.get(id)
      if (!settings) throw new Error(`tenant ${id} was not loaded before its batch`)
      return settings
    },
  }
}
