import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { LIMITS } from '../contract/limits.ts'
import { createDatabase, type Database } from '../core/db/database.ts'
import { revokeKey } from '../core/identity/api-keys.ts'
import { rotateKey } from '../core/identity/rotate-key.ts'
import { createTestDatabase, type TestDatabase } from '../tests/lib/database.ts'
import { ensureSecrets } from './secrets.ts'

let database: TestDatabase
let db: Database
const home = mkdtempSync(join(tmpdir(), 'sluice-secrets-'))
beforeAll(async () => {
  database = await createTestDatabase()
  db = createDatabase(database.url)
})
afterAll(async () => {
  await db.destroy()
  await database.drop()
  rmSync(home, { recursive: true, force: true })
})

test('a start finds the keys of the last one, and creates new ones for those that were revoked or rotated', async () => {
  const first = await ensureSecrets(home, db)
  expect(await ensureSecrets(home, db)).toEqual(first)

  await revokeKey(db, first.readKey)
  await rotateKey(db, first.writeKey, { until: new Date(Date.now() - 1_000) })
  // It works for one more day only, so a start must not use or show it.
  await rotateKey(db, first.demoKey, { until: new Date(Date.now() + 86_400_000) })
  const { gatewayPassword, docsKey, ...renewed } = await ensureSecrets(home, db)
  expect({ gatewayPassword, docsKey }).toEqual({
    gatewayPassword: first.gatewayPassword,
    docsKey: first.docsKey,
  })
  for (const name of ['writeKey', 'readKey', 'demoKey'] as const)
    expect(renewed[name], name).not.toBe(first[name])
  expect(await ensureSecrets(home, db)).toMatchObject(renewed)
})

test('each key may do what it is there for and no more: that of the page /docs is public and has the default limit', async () => {
  await ensureSecrets(home, db)
  const { rows } = await database.pool.query(
    `SELECT DISTINCT k.name, left(display_prefix, 7) AS kind, slug, scopes, k.events_per_minute AS limit, may_import_history AS history
       FROM api_key k JOIN tenant t USING (tenant_id) ORDER BY name`,
  )
  const key = { slug: 'default', scopes: ['ingest'], limit: 1_000_000, history: false }
  expect(rows).toEqual([
    { ...key, name: 'demo traffic', kind: 'slc_sec', slug: 'demo' },
    { ...key, name: 'first read key', kind: 'slc_sec', scopes: ['read'], limit: null },
    { ...key, name: 'first write key', kind: 'slc_sec', history: true },
    { ...key, name: 'the page /docs', kind: 'slc_pub', limit: LIMITS.keyEventsPerMinuteDefault },
  ])
})
