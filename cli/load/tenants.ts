import type { Database } from '../../core/db/database.ts'
import { createKey, revokeKey } from '../../core/identity/api-keys.ts'
import { createTenant } from '../../core/identity/tenants.ts'

/** A tenant that only this load test uses, so that its numbers are known from zero. */
export interface LoadTenant {
  tenant: string
  writeKey: string
  readKey: string
}

const KEY_LIFE_MS = 48 * 3_600_000

/**
 * Runs `work` with new tenants; their keys are revoked afterwards, the tenants and their events stay.
 * @param eventsPerMinute the limit of each tenant and each key
 */
export async function withLoadTenants<T>(
  db: Database,
  { count, eventsPerMinute }: { count: number; eventsPerMinute: number },
  work: (tenants: LoadTenant[]) => Promise<T>,
): Promise<T> {
  const run = Date.now().toString(36)
  const keyIds: string[] = []
  const newKey = async (tenant: string, scope: 'ingest' | 'read') => {
    const { key, keyId } = await createKey(db, {
      tenant,
      name: `load test, ${scope}`,
      scopes: [scope],
      eventsPerMinute,
      expiresAt: new Date(Date.now() + KEY_LIFE_MS),
    })
    keyIds.push(keyId)
    return key
  }
  try {
    const tenants: LoadTenant[] = []
    for (let n = 0; n < count; n++) {
      const tenant = `load-${run}-${n}`
      await createTenant(db, { tenant, eventsPerMinute })
      tenants.push({
        tenant,
        writeKey: await newKey(tenant, 'ingest'),
        readKey: await newKey(tenant, 'read'),
      })
    }
    return await work(tenants)
  } finally {
    for (const keyId of keyIds) await revokeKey(db, keyId)
  }
}
