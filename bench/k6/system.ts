import { createDatabase } from '../../core/db/database.ts'
import { createKey } from '../../core/identity/api-keys.ts'
import { createTenant } from '../../core/identity/tenants.ts'

/** The Sluice that is tried, and who tries it there. */
export interface System {
  edgeUrls: string[]
  coreUrl: string
  graphqlUrl: string
  /** Nobody but us sends events. */
  ours: boolean
  /**
   * Answers to an Idempotency-Key are kept in a Redis, which an edge leaves alone when it is too slow: then a
   * repetition is taken anew, and its events are duplicates.
   */
  forgetful: boolean
  tenants: Tenant[]
}

export interface Tenant {
  name: string
  writeKey: string
  readKey: string
}

const GENEROUS = 1_000_000_000

/** Tenants of this run only, each with a key to write and one to read. */
export async function makeTenants(databaseUrl: string, count: number): Promise<Tenant[]> {
  const db = createDatabase(databaseUrl, { max: 1 })
  const run = Date.now().toString(36)
  try {
    const tenants: Tenant[] = []
    for (let t = 0; t < count; t++) {
      const name = `k6-${run}-${t}`
      await createTenant(db, { tenant: name, eventsPerMinute: GENEROUS })
      const of = { tenant: name, name: 'k6' }
      const write = { ...of, scopes: ['ingest'], eventsPerMinute: GENEROUS } as const
      const { key: writeKey } = await createKey(db, write)
      const { key: readKey } = await createKey(db, { ...of, scopes: ['read'] })
      tenants.push({ name, writeKey, readKey })
    }
    return tenants
  } finally {
    await db.destroy()
  }
}
