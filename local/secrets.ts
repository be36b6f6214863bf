import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { LIMITS } from '../contract/limits.ts'
import type { Database } from '../core/db/database.ts'
import { createKey } from '../core/identity/api-keys.ts'
import { hashSecret } from '../core/identity/hash-secret.ts'
import { createTenant } from '../core/identity/tenants.ts'

/** The keys and passwords that a home stores between starts, readable by its owner only. */
export interface Secrets {
  gatewayPassword: string
  writeKey: string
  readKey: string
  demoKey: string
  /** Shown on the edge's page /docs: a public key, so that it also works in a URL. */
  docsKey: string
}

/** Events a minute: more than one machine takes. */
const UNLIMITED = 1_000_000

/** Creates the tenants `default` and `demo` and their keys, or finds those of the last start. */
export async function ensureSecrets(home: string, db: Database): Promise<Secrets> {
  const file = join(home, 'secrets.json')
  const stored: Partial<Secrets> = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {}
  await createTenant(db, { tenant: 'default', eventsPerMinute: UNLIMITED })
  await createTenant(db, { tenant: 'demo', eventsPerMinute: UNLIMITED })
  const secrets: Secrets = {
    gatewayPassword: stored.gatewayPassword ?? randomBytes(24).toString('hex'),
    writeKey: await findOrCreate(db, stored.writeKey, () =>
      createKey(db, {
        tenant: 'default',
        name: 'first write key',
        scopes: ['ingest'],
        eventsPerMinute: UNLIMITED,
        mayImportHistory: true,
      }),
    ),
    readKey: await findOrCreate(db, stored.readKey, () =>
      createKey(db, { tenant: 'default', name: 'first read key', scopes: ['read'] }),
    ),
    demoKey: await findOrCreate(db, stored.demoKey, () =>
      createKey(db, {
        tenant: 'demo',
        name: 'demo traffic',
        scopes: ['ingest'],
        eventsPerMinute: UNLIMITED,
      }),
    ),
    docsKey: await findOrCreate(db, stored.docsKey, () =>
      createKey(db, {
        tenant: 'default',
        name: 'the page /docs',
        kind: 'pub',
        scopes: ['ingest'],
        // Whoever opens the page may use it, so it may do little.
        eventsPerMinute: LIMITS.keyEventsPerMinuteDefault,
      }),
    ),
  }
  writeFileSync(file, `${JSON.stringify(secrets, null, 2)}\n`, { mode: 0o600 })
  return secrets
}

/**
 * A stored key is used again only while it is in the database, not revoked and without expiry. It was created
 * without one; a key that expires was rotated since.
 */
async function findOrCreate(
  db: Database,
  stored: string | undefined,
  create: () => Promise<{ key: string }>,
): Promise<string> {
  if (stored) {
    const row = await db
      .selectFrom('api_key')
      .select('key_id')
      .where('key_sha256', '=', hashSecret(stored))
      .where('revoked_at', 'is', null)
      .where('expires_at', 'is', null)
      .executeTakeFirst()
    if (row) return stored
  }
  return (await create()).key
}
