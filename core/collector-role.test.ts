import { afterAll, beforeAll, expect, test } from 'vitest'
import { TOPICS } from '../contract/log/topics.ts'
import { createTestDatabase, type TestDatabase } from '../tests/lib/database.ts'
import { openRequest } from '../tests/lib/open-request.ts'
import { readConfig } from './config.ts'
import { createDatabase, type Database } from './db/database.ts'
import { createKey, revokeKey } from './identity/api-keys.ts'
import { DEFAULT_SIGN_IN } from './identity/sign-in/sign-in-settings.ts'
import { createTenant } from './identity/tenants.ts'
import { createLifecycle } from './lifecycle.ts'
import { createLogger } from './logger.ts'
import { startRoles } from './roles.ts'

let database: TestDatabase
let db: Database
beforeAll(async () => {
  database = await createTestDatabase()
  db = createDatabase(database.url, { max: 1 })
  await createTenant(db, { tenant: 'default' })
})
afterAll(async () => {
  await db.destroy()
  await database.drop()
})

async function start() {
  const lifecycle = createLifecycle()
  const { collector } = await startRoles({
    roles: ['collector'],
    databaseUrl: database.url,
    log: { kind: 'postgres' },
    gatewayUsers: [],
    host: '127.0.0.1',
    port: 0,
    collector: readConfig({ SLUICE_COLLECTOR_PORT: '0' }).collector,
    dashboardFolder: '/nowhere',
    retentionDays: undefined,
    signIn: DEFAULT_SIGN_IN,
    logger: createLogger('error', 2),
    lifecycle,
  })
  const url = `${collector?.url}/v1/events`
  const post = async (key: string) => {
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
    return (await fetch(url, { method: 'POST', headers, body: '{"event":"a"}' })).status
  }
  return { url, post, stop: () => lifecycle.stop() }
}

const newKey = (expiresAt?: Date) =>
  createKey(db, { tenant: 'default', name: 'a key', scopes: ['ingest'], expiresAt })

/** Whether a key was ever used, as `sluice key list` shows it. */
async function wasUsed(keyId: string): Promise<boolean> {
  const { rows } = await database.pool.query(
    'SELECT last_used_at IS NOT NULL AS used FROM api_key WHERE key_id = $1',
    [keyId],
  )
  return rows[0].used
}

test('the collector records the use of a key, and not of one that was revoked or has expired', async () => {
  const { post, stop } = await start()
  const [good, revoked] = [await newKey(), await newKey()]
  const expired = await newKey(new Date(Date.now() - 1_000))
  await revokeKey(db, revoked.keyId)
  expect([await post(revoked.key), await post(expired.key)]).toEqual([401, 401])
  expect(await post(good.key)).toBe(202)
  await expect.poll(() => wasUsed(good.keyId)).toBe(true)
  expect([await wasUsed(revoked.keyId), await wasUsed(expired.keyId)]).toEqual([false, false])
  await stop()
})

test('a collector that stops accepts the event that it has begun to read, and then no other one', async () => {
  const { url, post, stop } = await start()
  const { key } = await newKey()
  expect(await post(key)).toBe(202)
  const records = async () => {
    const { rows } = await database.pool.query(
      'SELECT sum(next_offset)::int AS records FROM log_partition WHERE topic = $1',
      [TOPICS.raw.name],
    )
    return rows[0].records
  }
  const before = await records()
  const open = await openRequest(url, { authorization: `Bearer ${key}` }, '{"event":"a"}')
  const stopping = stop()
  expect(await open.complete()).toBe(202)
  await stopping
  await expect(post(key)).rejects.toThrow('fetch failed')
  expect(await records()).toBe(before + 1)
})
