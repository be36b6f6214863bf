import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { REDIS_KEYS } from '../../contract/redis-rest.ts'
import { startTestRedis, type TestRedis } from '../../tests/lib/redis-server.ts'
import { createRedisConnection, type RedisConnection } from '../db/redis-connection.ts'
import { createPublishedKeys } from './published-keys.ts'

let server: TestRedis
let redis: RedisConnection
let direct: Redis
beforeAll(async () => {
  server = await startTestRedis()
  direct = new Redis(server.url)
  redis = createRedisConnection({ url: server.url })
  await redis.ready(5_000)
})
afterAll(async () => {
  await redis.close()
  direct.disconnect()
  await server.remove()
})

const NAME = REDIS_KEYS.apiKey('0'.repeat(64))

test('of two cores one writes; a late write of the one that lost its lease changes nothing', async () => {
  const [one, two] = [createPublishedKeys(redis), createPublishedKeys(redis)]
  expect(await one.begin()).toEqual({ state: undefined, isOurs: false })
  expect(await two.begin()).toBeUndefined()
  await one.write([[NAME, 'of one']])
  await direct.del(REDIS_KEYS.apiKeysWriter)
  expect(await two.begin()).toBeDefined()
  await expect(one.write([[NAME, 'late']])).rejects.toThrow('another core publishes API keys')
  await two.write([[NAME, 'of two']])
  expect(await direct.get(NAME)).toBe('of two')
  await direct.del(REDIS_KEYS.apiKeysWriter)
})

test('a write that a given-up connection delivers late changes nothing', async () => {
  const sent: string[][] = []
  const keys = createPublishedKeys({
    ...redis,
    send(commands, ...rest) {
      sent.push(...(commands as string[][]))
      return redis.send(commands, ...rest)
    },
  })
  await keys.begin()
  await keys.write([[NAME, 'of the former round']])
  await keys.begin()
  await keys.write([[NAME, null]])
  expect(await redis.send([sent[1] as string[]])).toEqual([0])
  expect(await direct.get(NAME)).toBeNull()
  await direct.del(REDIS_KEYS.apiKeysWriter)
})

test('a replica that took over without the last write refuses the next one', async () => {
  const keys = createPublishedKeys(redis)
  await keys.begin()
  await keys.write([[NAME, 'one']])
  const replicated = (await direct.get(REDIS_KEYS.apiKeysWriter)) as string
  await keys.write([[NAME, 'two']])
  await direct.mset({ [REDIS_KEYS.apiKeysWriter]: replicated, [NAME]: 'one' })
  await expect(keys.end({ source: '', snapshot: '1:1:', allAt: 1 }, 1)).rejects.toThrow(
    'Redis lost writes',
  )
  expect(await direct.exists(REDIS_KEYS.apiKeysState, REDIS_KEYS.apiKeysAsOf)).toBe(0)
  await direct.del(REDIS_KEYS.apiKeysWriter)
})

test('the state in Redis is ours only as this process left it at the end of its last round', async () => {
  const [one, two] = [createPublishedKeys(redis), createPublishedKeys(redis)]
  const state = { source: 'a server', snapshot: '5:7:5', allAt: 3 }
  await one.begin()
  await one.end(state, 4)
  expect(await direct.get(REDIS_KEYS.apiKeysAsOf)).toBe('4')
  expect(await one.begin()).toMatchObject({ state, isOurs: true })
  // The round before did not end.
  expect(await one.begin()).toMatchObject({ state, isOurs: false })
  await one.end(state, undefined)
  await direct.del(REDIS_KEYS.apiKeysWriter)
  expect(await two.begin()).toMatchObject({ state, isOurs: false })
  await direct.set(REDIS_KEYS.apiKeysState, '{"of":"another version"}')
  expect(await two.begin()).toEqual({ state: undefined, isOurs: false })
})
