import { createHash, randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { keyRecord } from '../../contract/api-key.ts'
import { REDIS_KEYS } from '../../contract/redis-rest.ts'
import { createTestDatabase, type TestDatabase } from '../../tests/lib/database.ts'
import { startTestRedis, type TestRedis } from '../../tests/lib/redis-server.ts'
import { createDatabase, type Database } from '../db/database.ts'
import { createRedisConnection, type RedisConnection } from '../db/redis-connection.ts'
import { createKey, revokeKey } from './api-keys.ts'
import { keyRecordPage } from './key-directory.ts'
import { createKeyPublisher } from './key-publisher.ts'
import { createTenant } from './tenants.ts'

/** Beside a core of 0.3 in a rolling upgrade: its lease names no write, and it knows nothing of the state. */

let database: TestDatabase
let db: Database
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

const TAKE_LEASE = `if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1`

/** @returns a round of such a core: all keys and the time, without a state; false while another one holds the lease */
function createFormerCore(leaseMs: number) {
  const self = randomUUID()
  return async () => {
    const began = Date.now()
    if ((await direct.eval(TAKE_LEASE, 1, REDIS_KEYS.apiKeysWriter, self, leaseMs)) !== 1)
      return false
    const { keys } = await keyRecordPage(db, undefined)
    for (const { sha256Hex, record } of keys)
      await direct.set(REDIS_KEYS.apiKey(sha256Hex), JSON.stringify(record), 'PX', 36_000_000)
    await direct.set(REDIS_KEYS.apiKeysAsOf, String(began), 'PX', 36_000_000)
    return true
  }
}

const newKey = () => createKey(db, { tenant: 'acme', name: 'x', scopes: ['ingest'] })
const publish = () => {
  const deps = { db, databaseUrl: database.url, redis, logger: { warn() {} } }
  return createKeyPublisher({ ...deps, limits: { keyPublishMs: 100 } })
}
async function published(key: string) {
  const json = await direct.get(REDIS_KEYS.apiKey(createHash('sha256').update(key).digest('hex')))
  return json === null ? undefined : keyRecord.parse(JSON.parse(json))
}
const asOf = async () => Number(await direct.get(REDIS_KEYS.apiKeysAsOf))

test('of a core of the former version and this one, one writes at a time, and neither leaves a change out', async () => {
  const formerRound = createFormerCore(1_500)
  const kept = await newKey()
  expect(await formerRound()).toBe(true)
  const publisher = publish()
  try {
    // While the former core renews its lease, it alone writes.
    const revoked = await newKey()
    expect(await formerRound()).toBe(true)
    expect(await published(revoked.key)).toMatchObject({ revoked_at: null })
    expect(await direct.exists(REDIS_KEYS.apiKeysState)).toBe(0)
    await revokeKey(db, revoked.keyId)
    expect((await published(revoked.key))?.revoked_at).toBeNull()

    // It stopped: this one takes over, and writes what changed meanwhile.
    await expect.poll(async () => (await published(revoked.key))?.revoked_at).toBeTruthy()
    expect(await published(kept.key)).toMatchObject({ revoked_at: null })
    expect(await formerRound()).toBe(false)
  } finally {
    await publisher.close()
  }

  // Rolled back: the former core takes over, and what this one left behind is outdated when it comes again.
  await expect.poll(formerRound, { timeout: 20_000 }).toBe(true)
  const late = await newKey()
  expect(await formerRound()).toBe(true)
  await revokeKey(db, late.keyId)
  const next = publish()
  try {
    const since = Date.now()
    await expect.poll(async () => (await published(late.key))?.revoked_at).toBeTruthy()
    await expect.poll(asOf).toBeGreaterThanOrEqual(since)
  } finally {
    await next.close()
  }
})
