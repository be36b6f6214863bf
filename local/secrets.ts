import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Database } from '../core/db/database.ts'
import { createKey } from '../core/identity/api-keys.ts'
import { hashSecret } from '../core/identity/hash-secret.ts'
import { createTenant } from '../core/identity/tenants.ts'

/** What a home keeps between starts, readable by its owner only. */
export interface Secrets {
  gatewayPassword: string
  writeKey: string
  readKey: string
  demoKey: string
  /** Stands in the edge's own page /docs: public, so that it does for what stands in an address too. */
  docsKey: string
}

const GENEROUS = 1_000_000

/** Makes the tenants `default` and `demo` and their keys, or finds them again. */
export async function ensureSecrets(home: string, db: Database): Promise<Secrets> {
  const file = join(home, 'secrets.json')
  const kept: Partial<Secrets> = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {}
  await createTenant(db, { tenant: 'default', eventsPerMinute: GENEROUS })
  await createTenant(db, { tenant: 'demo', eventsPerMinute: GENEROUS })
  const secrets: Secrets = {
    gatewayPassword: kept.gatewayPassword ?? randomBytes(24).toString('hex'),
    writeKey: await findOrMake(db, kept.writeKey, () =>
      createKey(db, {
        tenant: 'default',
        name: 'first write key',
        scopes: ['ingest'],
        eventsPerMinute: GENEROUS,
        mayImportHistory: true,
      }),
    ),
    readKey: await findOrMake(db, kept.readKey, () =>
      createKey(db, { tenant: 'default', name: 'first read key', scopes: ['read'] }),
    ),
    demoKey: await findOrMake(db, kept.demoKey, () =>
      createKey(db, {
        tenant: 'demo',
        name: 'demo traffic',
        scopes: ['ingest'],
        eventsPerMinute: GENEROUS,
      }),
    ),
    docsKey: await findOrMake(db, kept.docsKey, () =>
      createKey(db, {
        tenant: 'default',
        name: 'the page /docs',
        kind: 'pub',
        scopes: ['ingest'],
        eventsPerMinute: GENEROUS,
        mayImportHistory: true,
      }),
    ),
  }
  writeFileSync(file, `${JSON.stringify(secrets, null, 2)}\n`, { mode: 0o600 })
  return secrets
}

/**
 * A key that was kept counts only while the database knows it and nobody revoked it. It was made without an end; one
 * that has one was rotated since, and is about to end or has done so.
 */
async function findOrMake(
  db: Database,
  kept: string | undefined,
  make: () => Promise<{ key: string }>,
): Promise<string> {
  if (kept) {
    const row = await db
      .selectFrom('api_key')
      .select('key_id')
      .where('key_sha256', '=', hashSecret(kept))
      .where('revoked_at', 'is', null)
      .where('expires_at', 'is', null)
      .executeTakeFirst()
    if (row) return kept
  }
  return (await make()).key
}
