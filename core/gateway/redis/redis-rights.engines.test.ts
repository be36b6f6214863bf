import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ratelimit } from '@upstash/ratelimit'
import { Redis } from '@upstash/redis'
import { Redis as Direct } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { REDIS_KEYS } from '../../../contract/redis-rest.ts'
import { startTestBridge, type TestBridge } from '../../../tests/lib/redis-bridge.ts'
import { startTestRedis, type TestRedis } from '../../../tests/lib/redis-server.ts'
import { createRedisConnection } from '../../db/redis-connection.ts'
import { ROOT } from '../../lib/paths.ts'
import { checkBridgeUser, checkMayLimit } from './bridge-user.ts'
import { EDGES_USER_RULES } from './edges-user.ts'

/** The users of docs/adr/0013-redis.md in a real Redis. */
const decision = readFileSync(join(ROOT, 'docs/adr/0013-redis.md'), 'utf8')
const users = [...decision.matchAll(/^ACL SETUSER (.+)$/gm)].map(([, user]) => user as string)

describe('the Redis user of the edges in decision 13', () => {
  let server: TestRedis
  let direct: Direct
  let bridge: TestBridge
  let password: string
  let redis: Redis
  beforeAll(async () => {
    server = await startTestRedis()
    direct = new Direct(server.url)
    password = randomBytes(16).toString('hex')
    for (const user of users)
      await direct.call('ACL', 'SETUSER', ...user.replace('>secret', `>${password}`).split(' '))
    bridge = await startTestBridge(server.url.replace('//', `//edges:${password}@`))
    const { url, token } = bridge
    redis = new Redis({ url, token, retry: false, enableTelemetry: false })
  })
  afterAll(async () => {
    direct?.disconnect()
    await bridge?.close()
    await server?.remove()
  })

  test.each([
    ['a token bucket', Ratelimit.tokenBucket(2, '60 s', 2)],
    ['a sliding window', Ratelimit.slidingWindow(2, '60 s')],
    ['a fixed window', Ratelimit.fixedWindow(2, '60 s')],
    ['a fixed window in a cache', Ratelimit.cachedFixedWindow(2, '60 s')],
  ])('has the rights that @upstash/ratelimit needs for %s', async (name, limiter) => {
    const limit = new Ratelimit({
      redis,
      limiter,
      prefix: `mine:${name}`,
      timeout: 0,
      analytics: true,
      dynamicLimits: !name.endsWith('cache'),
      ephemeralCache: new Map(),
    })
    const results = []
    for (let i = 0; i < 3; i++) {
      const { success, pending } = await limit.limit('someone')
      results.push(success)
      await pending
    }
    expect(results).toEqual([true, true, false])
    expect((await limit.getRemaining('someone')).remaining).toBe(0)
    await limit.resetUsedTokens('someone')
    expect((await limit.limit('someone')).success).toBe(true)
    expect(await direct.call('ACL', 'LOG')).toEqual([])
  })

  test('may write limits, locks of both trust classes and counts, and reads the API keys only', async () => {
    const dryRun = (...command: string[]) => direct.call('ACL', 'DRYRUN', 'edges', ...command)
    for (const key of [
      REDIS_KEYS.bucket('shop', 'k1'),
      REDIS_KEYS.window('shop'),
      REDIS_KEYS.idempotencyKey('shop', 'server', 'order-1'),
      REDIS_KEYS.idempotencyKey('shop', 'public', 'order-1'),
      `${REDIS_KEYS.unknownKeys}:{192.0.2.1}:29933788`,
    ])
      expect([key, await dryRun('SET', key, '1')]).toEqual([key, 'OK'])
    expect(await dryRun('INCRBY', `${REDIS_KEYS.unknownKeys}:{192.0.2.1}:1`, '1')).toBe('OK')
    for (const key of [REDIS_KEYS.apiKey('ab'), REDIS_KEYS.apiKeysAsOf]) {
      expect(await dryRun('GET', key)).toBe('OK')
      expect(String(await dryRun('SET', key, '1'))).toMatch(/no permissions/)
    }
    expect(String(await dryRun('GET', `${REDIS_KEYS.signIns}:{192.0.2.1}:1`))).toMatch(/no perm/)
  })

  test('has the rights that local engines and docker-compose.yml give it', () => {
    const compose = readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8').replaceAll(
      /[\s",-]+/g,
      ' ',
    )
    const rules = EDGES_USER_RULES.replaceAll(/[\s-]+/g, ' ')
    expect(users[1]).toBe(`edges on >secret ${EDGES_USER_RULES}`)
    expect(compose).toContain(rules)
  })

  test('is told apart from the user of core, whatever the URLs look like', async () => {
    const connections = await Promise.all(
      [server.url, server.url.replace('//', '//default:any@'), bridge.redis].map(async (each) => {
        if (typeof each !== 'string') return each
        const connection = createRedisConnection({ url: each })
        await connection.ready(5_000)
        return connection
      }),
    )
    const [core, alias, edges] = connections as [
      typeof bridge.redis,
      typeof bridge.redis,
      typeof bridge.redis,
    ]
    try {
      await expect(checkBridgeUser(core, alias)).rejects.toThrow(
        'SLUICE_REDIS_BRIDGE_URL signs in to Redis as default, the user of REDIS_URL',
      )
      await checkBridgeUser(core, edges)
    } finally {
      await core.close()
      await alias.close()
    }
  })

  test('may run the scripts of limits, which the user of core may not: a collector reports it at its start', async () => {
    await checkMayLimit(bridge.redis)
    const core = createRedisConnection({ url: server.url.replace('//', `//sluice:${password}@`) })
    try {
      await core.ready(5_000)
      await expect(checkMayLimit(core)).rejects.toThrow(
        "The collector's user of Redis may not run the scripts of limits: NOPERM",
      )
    } finally {
      await core.close()
    }
  })

  test('cannot reach other keys or commands, by a script or without', async () => {
    await direct.set('sluice:answer:1', 'of another tenant')
    for (const work of [
      () => redis.get('sluice:answer:1'),
      () => redis.eval('return redis.call("GET", "sluice:answer:1")', [], []),
      () => redis.eval('return redis.call("FLUSHALL")', [], []),
      () => redis.set('sluice:key:abc', 'made up'),
      () => redis.set('another', 'program'),
    ])
      await expect(work()).rejects.toThrow(/NOPERM|can.t (access|run)/)
  })
})
