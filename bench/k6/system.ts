import { createDatabase } from '../../core/db/database.ts'
import { createKey } from '../../core/identity/api-keys.ts'
import { createTenant } from '../../core/identity/tenants.ts'

/** The system under test, and its tenants for the test. */
export interface System {
  edgeUrls: string[]
  coreUrl: string
  graphqlUrl: string
  /** No one else sends events. */
  isExclusive: boolean
  /**
   * Stored responses are in Redis, which the edge skips when it is slow: then a repetition is processed again and
   * its events are duplicates.
   */
  mayForgetResponses: boolean
  tenants: Tenant[]
}

export interface Tenant {
  name: string
  writeKey: string
  readKey: string
}

const UNLIMITED = 1_000_000_000

/** Creates the tenants of this run, each with a write key and a read key. */
export async function createTenants(databaseUrl: string, count: number): Promise<Tenant[]> {
  const db = createDatabase(databaseUrl, { max: 1 })
  const run = Date.now().toString(36)
  try {
    const tenants: Tenant[] = []
    for (let t = 0; t < count; t++) {
      const name = `k6-${run}-${t}`
      await createTenant(db, { tenant: name, eventsPerMinute: UNLIMITED })
      const of = { tenant: name, name: 'k6' }
      const write = { ...of, scopes: ['ingest'], eventsPerMinute: UNLIMITED } as const
      const { key: writeKey } = await createKey(db, write)
      const { key: readKey } = await createKey(db, { ...of, scopes: ['read'] })
      tenants.push({ name, writeKey, readKey })
    }
    return tenants
  } finally {
    await db.destroy()
  }
}
