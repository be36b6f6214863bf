import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freeze } from '../../../tests/lib/freeze.ts'
import { startTestRedis, type TestRedis } from '../../../tests/lib/redis-server.ts'
import { createRedisConnection, type RedisConnection } from '../../db/redis-connection.ts'
import { cacheStoreSuite } from './cache-store.suite.ts'
import type { CacheStore } from './cache-store.ts'
import { createRedisStore } from './redis-store.ts'
import { resultCacheSuite } from './result-cache.suite.ts'

/** Of its own, because the tests flush it. */
let server: TestRedis
let redis: RedisConnection
let direct: Redis
beforeAll(async () => {
  server = await startTestRedis()
  redis = createRedisConnection({ url: server.url })
  direct = new Redis(server.url)
  await redis.ready(5_000)
})
afterAll(async () => {
  direct.disconnect()
  await redis.close()
  await server.remove()
})

async function empty(bytesMax?: number): Promise<CacheStore> {
  await direct.flushall()
  return createRedisStore(redis, { bytesMax })
}

describe('the Redis store', () => {
  cacheStoreSuite(empty)

  test('leaves nothing behind but three small keys when its entries expire', async () => {
    const cache = await empty()
    for (let i = 0; i < 20; i++) await cache.set(`a${i}`, Buffer.alloc(1_000), 50)
    await expect.poll(() => cache.get('a19')).toBeUndefined()
    await cache.set('b', Buffer.alloc(1_000), 60_000)
    expect(await direct.get('sluice:{answers}-bytes')).toBe('1300')
    expect(await direct.zcard('sluice:{answers}-by-end')).toBe(1)
    expect(await direct.hlen('sluice:{answers}-sizes')).toBe(1)
  })

  test('finds nothing, without delay, while Redis hangs or is down, and finds entries again afterwards', async () => {
    const own = await startTestRedis()
    const connection = createRedisConnection({ url: own.url })
    try {
      await connection.ready(5_000)
      const cache = createRedisStore(connection)
      await cache.set('a', Buffer.from('x'), 60_000)
      const thaw = freeze(own.pid)
      const start = performance.now()
      expect(await cache.get('a')).toBeUndefined()
      await cache.set('b', Buffer.from('x'), 60_000)
      expect(performance.now() - start).toBeLessThan(1_500)
      thaw()
      await expect.poll(() => cache.get('a'), { timeout: 5_000 }).toBeDefined()
      await own.kill()
      expect(await cache.get('a')).toBeUndefined()
      await cache.set('c', Buffer.from('x'), 60_000)
    } finally {
      await connection.close()
      await own.remove()
    }
  })
})

resultCacheSuite('in Redis', () => createRedisStore(redis), { shared: true })
