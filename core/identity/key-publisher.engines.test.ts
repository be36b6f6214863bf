import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { keyRecord } from '../../contract/api-key.ts'
import { LIMITS } from '../../contract/limits.ts'
import { REDIS_KEYS } from '../../contract/redis-rest.ts'
import { createTestDatabase, type TestDatabase } from '../../tests/lib/database.ts'
import { startTestRedis, type TestRedis } from '../../tests/lib/redis-server.ts'
import { createDatabase, type Database } from '../db/database.ts'
import { createRedisConnection, type RedisConnection } from '../db/redis-connection.ts'
import { createKey, revokeKey } from './api-keys.ts'
import { createKeyUseRecorder } from './key-directory.ts'
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

const nameOf = (key: string) => REDIS_KEYS.apiKey(createHash('sha256').update(key).digest('hex'))

async function published(key: string) {
  const json = await direct.get(nameOf(key))
  return json === null ? undefined : keyRecord.parse(JSON.parse(json))
}

/** Resolves when a round has published what was committed before this was called. */
async function nextRound(): Promise<void> {
  const since = Date.now()
  await expect.poll(() => asOf().catch(() => 0)).toBeGreaterThanOrEqual(since)
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
  await database.pool.query('UPDATE api_key SET events_per_minute = 5 WHERE key_id = $1', [keyId])
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

test('a flushed or restarted Redis gets all keys back with the next round', async () => {
  const { key } = await newKey()
  start({ keyPublishMs: 100 })
  await expect.poll(() => published(key)).toBeDefined()
  const count = async () => (await direct.keys('sluice:key:*')).length
  const before = await count()
  await direct.flushall()
  await expect.poll(count).toBe(before)
  await nextRound()
  await server.kill()
  await server.start()
  await expect.poll(() => count().catch(() => 0)).toBe(before)
  await nextRound()
})

test('a key that was deleted from Postgres is deleted from Redis', async () => {
  const { key, keyId } = await newKey()
  start({ keyPublishMs: 100 })
  await expect.poll(() => published(key)).toBeDefined()
  await db.deleteFrom('api_key').where('key_id', '=', keyId).execute()
  await expect.poll(() => published(key)).toBeUndefined()
  // And the others expire, should no core write any more.
  const names = await direct.keys('sluice:key:*')
  for (const name of names) {
    // The next time that all are written may fail.
    expect(await direct.pttl(name)).toBeGreaterThan(2 * LIMITS.keyPublishAllMs)
  }
})

test('of two publishers one writes, and the other one writes all keys when it takes over', async () => {
  const { key } = await newKey()
  const { publisher } = start({ keyPublishMs: 100 })
  await nextRound()
  await publisher.close()
  await direct.set(REDIS_KEYS.apiKeysWriter, 'somebody else', 'PX', 3_000)
  await direct.del(REDIS_KEYS.apiKeysAsOf, nameOf(key))
  start({ keyPublishMs: 100 })
  await sleep(1_000)
  expect([await published(key), await asOf()]).toEqual([undefined, 0])
  await expect.poll(() => published(key), { timeout: 5_000 }).toBeDefined()
})

test('a revocation is published within a round, whichever transaction began first and whichever commits first', async () => {
  const keys = [await newKey(), await newKey(), await newKey()]
  start({ keyPublishMs: 50 })
  const revoked = async () =>
    Promise.all(keys.map(async ({ key }) => (await published(key))?.revoked_at != null))
  await nextRound()
  const clients = await Promise.all(keys.map(() => database.pool.connect()))
  try {
    for (const client of clients) await client.query('BEGIN')
    for (const [i, client] of clients.entries())
      await client.query('UPDATE api_key SET revoked_at = now() WHERE key_id = $1', [
        keys[i]?.keyId,
      ])
    const expected = [false, false, false]
    for (const i of [2, 0, 1]) {
      await clients[i]?.query('COMMIT')
      expected[i] = true
      await nextRound()
      expect(await revoked()).toEqual(expected)
    }
  } finally {
    for (const client of clients) client.release(true)
  }
})

test('with 5,000 keys a round without changes reads no key and writes only the time', async () => {
  // Of a tenant of their own, which has more than can be created.
  await database.pool.query(`
    WITH other AS (INSERT INTO tenant (slug) VALUES ('many') RETURNING tenant_id)
    INSERT INTO api_key (tenant_id, name, display_prefix, key_sha256, scopes)
    SELECT tenant_id, 'many', 'slu_sec_many', sha256(i::text::bytea), '{ingest}'
      FROM other, generate_series(1, 5000) i`)
  const { keyId, key } = await newKey()
  let keysRead = 0
  const counted = db.withPlugin({
    transformQuery: ({ node }) => node,
    async transformResult({ result }) {
      keysRead += result.rows.filter((row) => 'key_id' in row || 'sha256Hex' in row).length
      return result
    },
  })
  const keysWritten: string[] = []
  const recorded: RedisConnection = {
    ...redis,
    send(commands, ...rest) {
      for (const [, , keys, ...args] of commands)
        keysWritten.push(...(args.slice(0, Number(keys)) as string[]))
      return redis.send(commands, ...rest)
    },
  }
  const deps = { db: counted, databaseUrl: database.url, redis: recorded }
  const logger = { warn: () => {} }
  publishers.push(createKeyPublisher({ ...deps, logger, limits: { keyPublishMs: 100 } }))
  await nextRound()
  await nextRound()
  expect(keysRead).toBeGreaterThan(5_000)
  const reset = () => {
    keysRead = keysWritten.length = 0
  }
  reset()
  await createKeyUseRecorder(db)(keyId)
  for (let rounds = 0; rounds < 5; rounds++) await nextRound()
  expect(keysRead).toBe(0)
  expect(new Set(keysWritten)).toEqual(
    new Set([REDIS_KEYS.apiKeysWriter, REDIS_KEYS.apiKeysState, REDIS_KEYS.apiKeysAsOf]),
  )
  reset()
  await database.pool.query('UPDATE api_key SET events_per_minute = 5 WHERE key_id = $1', [keyId])
  await nextRound()
  await nextRound()
  // Its id, and its record.
  expect(keysRead).toBe(2)
  expect(keysWritten.filter((name) => name.startsWith(REDIS_KEYS.apiKey('')))).toEqual([
    nameOf(key),
  ])
})

/** The last of more than a page of keys; with rounds as short as these, each writes one page of all keys. */
async function lastKey() {
  const { key, keyId } = await newKey()
  await database.pool.query('DELETE FROM api_key WHERE key_id = $1', [LAST_ID])
  await database.pool.query('UPDATE api_key SET key_id = $1 WHERE key_id = $2', [LAST_ID, keyId])
  return key
}
const LAST_ID = 'ffffffff-ffff-4fff-bfff-ffffffffffff'
const SHORT = { keyPublishMs: 10 }

test('the time as of which Redis agrees moves on while all keys are written again', async () => {
  const key = await lastKey()
  // The next pass begins when one ends.
  start({ ...SHORT, keyPublishAllMs: 1 })
  await nextRound()
  await direct.del(nameOf(key))
  for (let rounds = 0; rounds < 5; rounds++) await nextRound()
  await expect.poll(() => direct.exists(nameOf(key))).toBe(1)
})

test('a Redis that went back to a former state gets the changes since then before its keys are trusted', async () => {
  const key = await lastKey()
  start(SHORT)
  await nextRound()
  await expect.poll(() => published(key)).toBeDefined()
  const names = await direct.keys('sluice:key*')
  const values = await direct.mget(names)
  const before = Number(values[names.indexOf(REDIS_KEYS.apiKeysAsOf)])
  await revokeKey(db, LAST_ID)
  await nextRound()
  expect((await published(key))?.revoked_at).toBeTruthy()
  await direct.mset(Object.fromEntries(names.map((name, i) => [name, values[i] as string])))
  // From the first new time on, and not only after it.
  await expect.poll(asOf, { interval: 1 }).toBeGreaterThan(before)
  expect((await published(key))?.revoked_at).toBeTruthy()
})

test('after more changes than are listed, or without a state in Redis, all keys are written before Redis states a new time', async () => {
  const key = await lastKey()
  start({ ...SHORT, keyChangesMax: 2 })
  await nextRound()
  await expect.poll(() => published(key)).toBeDefined()
  await database.pool.query('UPDATE api_key SET events_per_minute = 9')
  await nextRound()
  expect((await published(key))?.key_events_per_minute).toBe(9)
  const outdated = { ...(await published(key)), key_events_per_minute: 10 }
  await direct.set(nameOf(key), JSON.stringify(outdated))
  await direct.del(REDIS_KEYS.apiKeysState, REDIS_KEYS.apiKeysWriter)
  await nextRound()
  expect((await published(key))?.key_events_per_minute).toBe(9)
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
