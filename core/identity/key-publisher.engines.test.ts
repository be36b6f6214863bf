import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { keyRecord } from '../../contract/api-key.ts'
import { REDIS_KEYS } from '../../contract/redis-rest.ts'
import { createTestDatabase, type TestDatabase } from '../../tests/lib/database.ts'
import { startTestRedis, type TestRedis } from '../../tests/lib/redis-server.ts'
import { createDatabase, type Database } from '../db/database.ts'
import { createRedisConnection, type RedisConnection } from '../db/redis-connection.ts'
import { createKey, revokeKey } from './api-keys.ts'
import { createKeyPublisher, type KeyPublisherDeps } from './key-publisher.ts'
import { rotateKey } from './rotate-key.ts'
import { setKey } from './set-key.ts'
import { createTenant, setTenant } from './tenants.ts'

let database: TestDatabase
let db: Database
/** Of its own: there is one writer for each Redis, and a test flushes it. */
let server: TestRedis
let redis: RedisConnection
let direct: Redis
beforeAll(async () => {
  database = await createTestDatabase()
  db = createDatabase(database.url)
  server = await startTestRedis()
  direct = new Redis(server.url)
  redis = createRedisConnection({ url: server.url })
  await redis.ready(5_000)
  await createTenant(db, { tenant: 'acme' })
})
afterAll(async () => {
  await redis.close()
  direct.disconnect()
  await server.remove()
  await db.destroy()
  await database.drop()
})
const publishers: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const publisher of publishers.splice(0)) await publisher.close()
})
// The publisher of the test before may still hold the writer's lease.
beforeEach(() => direct.del(REDIS_KEYS.apiKeysWriter))

/** By default it reacts to notifications only, without polling. */
function start(limits: KeyPublisherDeps['limits'] = { keyPublishMs: 60_000 }) {
  const warnings: unknown[] = []
  const logger = { warn: (...line: unknown[]) => void warnings.push(line) }
  const publisher = createKeyPublisher({ db, databaseUrl: database.url, redis, logger, limits })
  publishers.push(publisher)
  return { publisher, warnings }
}

const newKey = () => createKey(db, { tenant: 'acme', name: 'x', scopes: ['ingest'] })

async function published(key: string) {
  const sha256Hex = createHash('sha256').update(key).digest('hex')
  const json = await direct.get(REDIS_KEYS.apiKey(sha256Hex))
  return json === null ? undefined : keyRecord.parse(JSON.parse(json))
}

const asOf = async () => Number(await direct.get(REDIS_KEYS.apiKeysAsOf))

test('a key is in Redis a moment after it was created, changed, rotated or revoked', async () => {
  const before = await newKey()
  start()
  await expect.poll(() => published(before.key)).toMatchObject({ tenant: 'acme', revoked_at: null })
  const { key, keyId } = await newKey()
  await expect.poll(() => published(key)).toMatchObject({ key_id: keyId, scopes: ['ingest'] })
  await setTenant(db, 'acme', { eventsPerMinute: 77 })
  await expect.poll(() => published(key)).toMatchObject({ tenant_events_per_minute: 77 })
  await setKey(db, keyId, { eventsPerMinute: 5, mayImportHistory: true })
  await expect
    .poll(() => published(key))
    .toMatchObject({ key_events_per_minute: 5, may_import_history: true })
  const rotated = await rotateKey(db, keyId, { until: new Date(Date.now() + 1_000) })
  await expect.poll(() => published(rotated.key)).toMatchObject({ key_id: rotated.keyId })
  expect((await published(key))?.expires_at).not.toBeNull()
  await revokeKey(db, keyId)
  await expect.poll(async () => (await published(key))?.revoked_at).toBeTruthy()
})

test('Redis agrees with Postgres as of the time that it states', async () => {
  const started = Date.now()
  start({ keyPublishMs: 100 })
  await expect.poll(asOf).toBeGreaterThanOrEqual(started)
  const { key, keyId } = await newKey()
  await expect.poll(() => published(key)).toBeDefined()
  // Without a notification: the publisher polls.
  const changed = Date.now()
  await db
    .updateTable('api_key')
    .set({ events_per_minute: 5 })
    .where('key_id', '=', keyId)
    .execute()
  const committed = Date.now()
  for (;;) {
    const at = await asOf()
    const record = await published(key)
    if (at >= committed) {
      expect(record?.key_events_per_minute).toBe(5)
      break
    }
    expect(committed - changed).toBeLessThan(5_000)
  }
})

test('a flushed Redis gets all keys back with the next full round', async () => {
  const { key } = await newKey()
  start({ keyPublishMs: 100, keyPublishAllMs: 1_000 })
  await expect.poll(() => published(key)).toBeDefined()
  await direct.flushall()
  await expect.poll(() => published(key), { timeout: 5_000 }).toBeDefined()
})

test('a key that was deleted from Postgres is deleted from Redis', async () => {
  const { key, keyId } = await newKey()
  start({ keyPublishMs: 100 })
  await expect.poll(() => published(key)).toBeDefined()
  await db.deleteFrom('api_key').where('key_id', '=', keyId).execute()
  await expect.poll(() => published(key)).toBeUndefined()
  // And the others expire, should no core write any more.
  const names = await direct.keys('sluice:key:*')
  for (const name of names) expect(await direct.pttl(name)).toBeGreaterThan(0)
})

test('of two publishers one writes, and the other one when its lease has expired', async () => {
  await direct.set(REDIS_KEYS.apiKeysWriter, 'somebody else', 'PX', 3_000)
  await direct.del(REDIS_KEYS.apiKeysAsOf)
  const { key } = await newKey()
  start({ keyPublishMs: 100 })
  await sleep(1_000)
  expect([await published(key), await asOf()]).toEqual([undefined, 0])
  await expect.poll(() => published(key), { timeout: 5_000 }).toBeDefined()
})

test('the publisher warns once while Redis is down, and continues when it is back', async () => {
  let away = true
  const flaky: RedisConnection = {
    ...redis,
    send: (...args) => (away ? Promise.reject(new Error('away')) : redis.send(...args)),
  }
  const warnings: unknown[] = []
  const publisher = createKeyPublisher({
    db,
    databaseUrl: database.url,
    redis: flaky,
    logger: { warn: (...line) => void warnings.push(line) },
    limits: { keyPublishMs: 50 },
  })
  publishers.push(publisher)
  const { key } = await newKey()
  await sleep(500)
  expect(warnings).toHaveLength(1)
  away = false
  await expect.poll(() => published(key)).toBeDefined()
})
