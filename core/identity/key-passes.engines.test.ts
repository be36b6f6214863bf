import { createHash } from 'node:crypto'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { keyRecord } from '../../contract/api-key.ts'
import { REDIS_KEYS } from '../../contract/redis-rest.ts'
import { createTestDatabase, type TestDatabase } from '../../tests/lib/database.ts'
import { startTestRedis, type TestRedis } from '../../tests/lib/redis-server.ts'
import { createDatabase, type Database } from '../db/database.ts'
import { createRedisConnection, type RedisConnection } from '../db/redis-connection.ts'
import { createKey } from './api-keys.ts'
import { KEYS_PER_PAGE } from './key-directory.ts'
import { createKeyPublisher, type KeyPublisher } from './key-publisher.ts'
import { createTenant } from './tenants.ts'

/** All keys are more than a page, and each round writes one page: what is trusted between the rounds. */

const FIRST_ID = '00000000-0000-4000-8000-000000000000'
const LAST_ID = 'ffffffff-ffff-4fff-bfff-ffffffffffff'

let database: TestDatabase
let db: Database
let server: TestRedis
let redis: RedisConnection
let direct: Redis
/** Names of the first and the last key, in the order in which they are published. */
let first: string
let last: string
beforeAll(async () => {
  database = await createTestDatabase()
  db = createDatabase(database.url)
  server = await startTestRedis()
  direct = new Redis(server.url)
  redis = createRedisConnection({ url: server.url })
  await redis.ready(5_000)
  await createTenant(db, { tenant: 'acme' })
  await database.pool.query(
    `WITH other AS (INSERT INTO tenant (slug) VALUES ('many') RETURNING tenant_id)
     INSERT INTO api_key (tenant_id, name, display_prefix, key_sha256, scopes)
     SELECT tenant_id, 'many', 'slu_sec_many', sha256(i::text::bytea), '{ingest}' FROM other, generate_series(1, $1::int) i`,
    [KEYS_PER_PAGE],
  )
  first = await keyWithId(FIRST_ID)
  last = await keyWithId(LAST_ID)
})
afterAll(async () => {
  await redis.close()
  direct.disconnect()
  await server.remove()
  await db.destroy()
  await database.drop()
})

let publisher: KeyPublisher | undefined
beforeEach(() => direct.flushall())
afterEach(() => publisher?.close())

async function keyWithId(id: string): Promise<string> {
  const { key, keyId } = await createKey(db, { tenant: 'acme', name: 'x', scopes: ['ingest'] })
  await database.pool.query('UPDATE api_key SET key_id = $1 WHERE key_id = $2', [id, keyId])
  return REDIS_KEYS.apiKey(createHash('sha256').update(key).digest('hex'))
}

/** @param onWrite called after each write with the names of the keys in it */
function start(onWrite: (names: readonly string[]) => Promise<void> | void): void {
  const watched: RedisConnection = {
    ...redis,
    async send(commands, ...rest) {
      const replies = await redis.send(commands, ...rest)
      for (const [, , keys, ...args] of commands)
        await onWrite(args.slice(0, Number(keys)) as string[])
      return replies
    },
  }
  const options = { db, databaseUrl: database.url, redis: watched, logger: { warn() {} } }
  publisher = createKeyPublisher({ ...options, limits: { keyPublishMs: 10 } })
}

const limitOf = async (name: string) =>
  keyRecord.parse(JSON.parse((await direct.get(name)) as string)).key_events_per_minute

test('Redis states no time before the last of all keys is written, where it holds none or another core’s', async () => {
  for (const former of [undefined, { source: 'another', snapshot: '1:1:', allAt: 1 }]) {
    await direct.flushall()
    if (former)
      await direct.set(REDIS_KEYS.apiKeysState, JSON.stringify({ ...former, writtenBy: 'x' }))
    const written: string[] = []
    start((names) => {
      if (names.includes(first)) written.push('first')
      if (names.includes(last)) written.push('last')
      if (names.includes(REDIS_KEYS.apiKeysAsOf)) written.push('time')
    })
    await expect.poll(() => written).toContain('time')
    expect(written.slice(0, 3)).toEqual(['first', 'last', 'time'])
    await publisher?.close()
  }
})

test('what another core wrote while all keys were being written is written again before Redis states a time', async () => {
  const right = 7
  await database.pool.query('UPDATE api_key SET events_per_minute = $1 WHERE key_id = $2', [
    right,
    FIRST_ID,
  ])
  let interfered = false
  start(async (names) => {
    if (interfered || !names.includes(REDIS_KEYS.apiKeysState)) return
    const state = JSON.parse((await direct.get(REDIS_KEYS.apiKeysState)) ?? 'null')
    // The end of the first round: the first page is written, and the last one is not.
    if (state === null) return
    interfered = true
    expect([await limitOf(first), await direct.exists(last)]).toEqual([right, 0])
    const outdated = { ...JSON.parse((await direct.get(first)) as string) }
    await direct.set(first, JSON.stringify({ ...outdated, key_events_per_minute: 1 }))
    await direct.set(REDIS_KEYS.apiKeysState, JSON.stringify({ ...state, writtenBy: 'another' }))
  })
  await expect.poll(() => direct.exists(REDIS_KEYS.apiKeysAsOf)).toBe(1)
  expect(interfered).toBe(true)
  expect([await limitOf(first), await direct.exists(last)]).toEqual([right, 1])
})
