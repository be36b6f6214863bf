import { randomBytes, randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Ratelimit } from '@upstash/ratelimit'
import { Redis } from '@upstash/redis'
import { Hono } from 'hono'
import { Redis as Direct } from 'ioredis'
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest'
import type { KeyRecord } from '../../../contract/api-key.ts'
import { LIMITS } from '../../../contract/limits.ts'
import { REDIS_KEYS } from '../../../contract/redis-rest.ts'
import { createRedis } from '../../../edge/admission/redis/redis.ts'
import { createRedisAdmission } from '../../../edge/admission/redis/redis-admission.ts'
import { abortOnTimeout } from '../../../edge/lib/timeout.ts'
import { createTestDatabase } from '../../../tests/lib/database.ts'
import { freeze } from '../../../tests/lib/freeze.ts'
import { startTestBridge, type TestBridge } from '../../../tests/lib/redis-bridge.ts'
import { startTestRedis } from '../../../tests/lib/redis-server.ts'
import { startTcpProxy } from '../../../tests/lib/tcp-proxy.ts'
import { createRedisStore } from '../../api/result-cache/redis-store.ts'
import { createDatabase } from '../../db/database.ts'
import { createRedisConnection } from '../../db/redis-connection.ts'
import { createKeyPublisher } from '../../identity/key-publisher.ts'
import { readBody } from '../read-body.ts'
import { createRedisRest } from './redis-rest.ts'

let bridge: TestBridge
let direct: Direct
beforeAll(async () => {
  bridge = await startTestBridge(inject('redisUrl'), undefined, () => true)
  direct = new Direct(inject('redisUrl'))
})
afterAll(async () => {
  direct.disconnect()
  await bridge.close()
})
const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const client = (of = bridge, more = {}) =>
  new Redis({ url: of.url, token: of.token, retry: false, enableTelemetry: false, ...more })

function post(body: unknown, path = '', headers: Record<string, string> = {}, of = bridge) {
  return fetch(of.url + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${bridge.token}`, ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
}

/** A name that no other test uses. */
const newKey = () => `test:${randomUUID()}`

describe('an unmodified @upstash/redis', () => {
  test('sets and gets text, numbers, objects, empty strings and null', async () => {
    const redis = client()
    for (const value of ['text', 'žluťoučký 🐎', 42, { a: [1, null] }, '', 'OK', 'UE9ORw==']) {
      const key = newKey()
      expect(await redis.set(key, value)).toBe('OK')
      expect(await redis.get(key)).toEqual(value)
    }
    expect(await redis.get(newKey())).toBeNull()
    expect(await redis.ping()).toBe('PONG')
  })

  test('sets a value with an expiry, and only when there is none (NX)', async () => {
    const redis = client()
    const key = newKey()
    expect(await redis.set(key, 'first', { nx: true, px: 60_000 })).toBe('OK')
    expect(await redis.set(key, 'second', { nx: true, px: 60_000 })).toBeNull()
    expect(await redis.set(key, 'third', { nx: true, get: true, px: 60_000 })).toBe('first')
    expect(await direct.pttl(key)).toBeGreaterThan(50_000)
  })

  test('executes a pipeline in order, with an error at the command that failed', async () => {
    const redis = client()
    const key = newKey()
    const before = bridge.requests
    const pipeline = redis.pipeline()
    pipeline.set(key, 'not a number').incrby(key, 1).get(key).del(key)
    const results = await pipeline.exec({ keepErrors: true })
    expect(bridge.requests - before).toBe(1)
    expect(results.map(({ result }) => result)).toEqual(['OK', undefined, 'not a number', 1])
    expect(results[1]?.error).toContain('not an integer')
  })

  test('executes a transaction whole or not at all', async () => {
    const redis = client()
    const key = newKey()
    expect(await redis.multi().set(key, '1').incrby(key, 41).get(key).exec()).toEqual([
      'OK',
      42,
      42,
    ])
    const broken = await post([['SET', key, 'changed'], ['GET']], '/multi-exec')
    expect(broken.status).toBe(400)
    expect((await broken.json()).error).toMatch(/^EXECABORT .*wrong number of arguments/)
    expect(await direct.get(key)).toBe('42')
    // Commands after one that fails in execution are executed, as in Redis.
    const inside = await post(
      [
        ['SET', key, 'x'],
        ['INCRBY', key, 1],
        ['GET', key],
      ],
      '/multi-exec',
    )
    expect(await inside.json()).toEqual([
      { result: 'OK' },
      { error: expect.stringContaining('not an integer') },
      { result: 'x' },
    ])
  })

  test('pipelines the commands of one tick automatically', async () => {
    const redis = client(bridge, { enableAutoPipelining: true })
    const before = bridge.requests
    const keys = [newKey(), newKey(), newKey()]
    await Promise.all(keys.map((key) => redis.set(key, key)))
    expect(bridge.requests - before).toBe(1)
  })

  test('receives errors in the words of Redis', async () => {
    const redis = client()
    const key = newKey()
    await redis.set(key, 'text')
    await expect(redis.hgetall(key)).rejects.toThrow(/WRONGTYPE /)
    await expect(redis.evalsha('0'.repeat(40), [], [])).rejects.toThrow(/NOSCRIPT /)
    await expect(redis.eval('return redis.error_reply("OWN words")', [], [])).rejects.toThrow(
      /OWN words/,
    )
  })

  test('runs its script objects, loaded by the first call', async () => {
    const script = client().createScript<string>(`return ARGV[1] .. '${randomUUID()}'`)
    expect(await script.exec([], ['a'])).toMatch(/^a/)
    expect(await script.exec([], ['b'])).toMatch(/^b/)
    expect(await script.eval([], ['c'])).toMatch(/^c/)
  })
})

describe('a value', () => {
  test('of any bytes is returned unchanged, in base64', async () => {
    const key = newKey()
    const bytes = randomBytes(300)
    await direct.set(key, bytes)
    const answer = await post(['GET', key], '', { 'upstash-encoding': 'base64' })
    expect(Buffer.from((await answer.json()).result, 'base64')).toEqual(bytes)
    const lists = await post([['MGET', key, newKey()]], '/pipeline', {
      'upstash-encoding': 'base64',
    })
    expect(await lists.json()).toEqual([{ result: [bytes.toString('base64'), null] }])
  })

  test('of up to 1.5 MiB is accepted, and a larger one is refused by its size', async () => {
    const redis = client()
    const key = newKey()
    const { redisValueBytesMax, redisBodyBytesMax } = LIMITS
    const big = 'x'.repeat(redisValueBytesMax)
    await redis.set(key, big)
    expect(await redis.get(key)).toBe(big)
    await expect(redis.set(key, `${big}x`)).rejects.toThrow(/larger than 1572864 bytes/)
    await expect(redis.set(key, 'ž'.repeat(redisValueBytesMax / 2 + 1))).rejects.toThrow(/larger/)
    const body = await post(' '.repeat(redisBodyBytesMax + 1))
    expect([body.status, (await body.json()).error]).toEqual([
      413,
      'ERR the body is larger than 2097152 bytes',
    ])
    const chunked = await fetch(bridge.url, {
      method: 'POST',
      headers: { authorization: `Bearer ${bridge.token}` },
      body: new Blob([' '.repeat(redisBodyBytesMax + 1)]).stream(),
      duplex: 'half',
    } as RequestInit)
    expect(chunked.status).toBe(413)
  })
})

describe('a pipeline', () => {
  test('reaches Redis in one write', async () => {
    const proxy = await startTcpProxy(Number(new URL(inject('redisUrl')).port))
    closers.push(() => proxy.close())
    const own = await startTestBridge(`redis://127.0.0.1:${proxy.port}`)
    closers.push(() => own.close())
    const key = newKey()
    for (const path of ['/pipeline', '/multi-exec']) {
      proxy.written.length = 0
      const commands = Array.from({ length: 50 }, (_, i) => ['SET', `${key}:${i}`, 'v'])
      expect(await (await post(commands, path, {}, own)).json()).toHaveLength(50)
      expect(proxy.written).toHaveLength(1)
    }
  })

  test('takes 1,000 commands and no more', async () => {
    const commands = Array.from({ length: 1_000 }, () => ['PING'])
    expect(await (await post(commands, '/pipeline')).json()).toHaveLength(1_000)
    expect((await post([...commands, ['PING']], '/pipeline')).status).toBe(413)
    expect((await post([], '/pipeline')).status).toBe(400)
  })
})

describe('a request with bad credentials is answered 401', () => {
  const token = 'a-token-of-the-test'
  test.each([
    ['without a token', {}],
    ['with another token', { authorization: 'Bearer another' }],
    ['with the beginning of the token', { authorization: `Bearer ${token.slice(0, -1)}` }],
    ['with the token as Basic credentials', { authorization: `Basic ${btoa(`sluice:${token}`)}` }],
    ['with an empty token', { authorization: 'Bearer ' }],
  ])('%s', async (_, headers) => {
    for (const path of ['', '/pipeline', '/multi-exec', '/get/key', `?_token=${bridge.token}`]) {
      const answer = await fetch(bridge.url + path, { method: 'POST', headers, body: '["PING"]' })
      expect([answer.status, await answer.json()]).toEqual([401, { error: 'Unauthorized' }])
    }
  })
})

describe('the bridge refuses', () => {
  test.each([
    'FLUSHALL',
    'CONFIG',
    'KEYS',
    'SUBSCRIBE',
    'BLPOP',
    'CLIENT',
    'SHUTDOWN',
    'MULTI',
    'SELECT',
    'DEBUG',
    'XADD',
  ])('command %s by its name, with all others of its pipeline', async (name) => {
    const answer = await post([name, 'a'])
    expect([answer.status, await answer.json()]).toEqual([
      400,
      { error: `ERR the command '${name}' is not available here` },
    ])
    const key = newKey()
    const pipeline = await post([['SET', key, '1'], [name.toLowerCase()]], '/pipeline')
    expect(pipeline.status).toBe(400)
    // All or nothing: the command before it was not executed either.
    expect(await direct.get(key)).toBeNull()
  })

  test('SCRIPT FLUSH', async () => {
    expect((await (await post(['SCRIPT', 'FLUSH'])).json()).error).toContain("'SCRIPT FLUSH'")
  })

  test.each<[string, unknown]>([
    ['a body that is not JSON', 'nonsense'],
    ['an object', { command: 'GET' }],
    ['an empty command', []],
    ['a list in a command', ['SET', 'a', ['b']]],
    ['null in a command', ['SET', 'a', null]],
    ['a name that is a number', [1]],
    ['text that is not valid Unicode', '["SET","a","\\ud800"]'],
  ])('%s as a command', async (_, body) => {
    const answer = await post(body)
    expect(answer.status).toBe(400)
    expect((await answer.json()).error).toMatch(/^ERR /)
  })

  test('other methods than POST, and other paths', async () => {
    const headers = { authorization: `Bearer ${bridge.token}` }
    const get = await fetch(`${bridge.url}/pipeline`, { headers })
    expect([get.status, get.headers.get('allow')]).toEqual([405, 'POST'])
    expect((await post(['PING'], '/get/key')).status).toBe(404)
  })
})

describe('an unmodified @upstash/ratelimit', () => {
  const make = (limiter: ConstructorParameters<typeof Ratelimit>[0]['limiter'], of = bridge) =>
    new Ratelimit({
      redis: client(of),
      limiter,
      prefix: newKey(),
      ephemeralCache: false,
      timeout: 0,
    })

  test.each([
    ['a token bucket', Ratelimit.tokenBucket(5, '60 s', 5)],
    ['a sliding window', Ratelimit.slidingWindow(5, '60 s')],
    ['a fixed window', Ratelimit.fixedWindow(5, '60 s')],
  ])(
    'with %s admits five requests, counts the remaining ones, and can be reset',
    async (_, algorithm) => {
      const limiter = make(algorithm)
      const results = []
      for (let i = 0; i < 7; i++) results.push(await limiter.limit('someone'))
      expect(results.map(({ success }) => success)).toEqual([
        true,
        true,
        true,
        true,
        true,
        false,
        false,
      ])
      expect(results.slice(0, 5).map(({ remaining }) => remaining)).toEqual([4, 3, 2, 1, 0])
      expect((await limiter.getRemaining('someone')).remaining).toBe(0)
      expect((await limiter.limit('else')).success).toBe(true)
      await limiter.resetUsedTokens('someone')
      expect((await limiter.limit('someone')).success).toBe(true)
    },
  )

  test('works with its cache, with limits in Redis, and with its analytics', async () => {
    const options = { redis: client(), prefix: newKey(), timeout: 0 }
    const cached = new Ratelimit({
      ...options,
      limiter: Ratelimit.cachedFixedWindow(2, '60 s'),
      ephemeralCache: new Map(),
    })
    expect((await cached.limit('a')).success).toBe(true)
    const dynamic = new Ratelimit({
      ...options,
      prefix: newKey(),
      limiter: Ratelimit.tokenBucket(1, '60 s', 1),
      dynamicLimits: true,
      analytics: true,
    })
    await dynamic.setDynamicLimit({ limit: 3 })
    const { success, remaining, pending } = await dynamic.limit('a')
    expect([success, remaining]).toEqual([true, 2])
    await pending
  })

  test('needs one request to the bridge for each decision once its script is known', async () => {
    const limiter = make(Ratelimit.tokenBucket(100, '60 s', 100))
    await limiter.limit('warm')
    const before = bridge.requests
    for (let i = 0; i < 10; i++) await limiter.limit('someone')
    expect(bridge.requests - before).toBe(10)
  })

  test('does not notice that the scripts were flushed, in a pipeline or not', async () => {
    const limiter = make(Ratelimit.tokenBucket(100, '60 s', 100))
    await limiter.limit('someone')
    await direct.script('FLUSH')
    const before = bridge.requests
    expect((await limiter.limit('someone')).remaining).toBe(98)
    expect(bridge.requests - before).toBe(1)

    const redis = client()
    const text = `return '${randomUUID()}'`
    const sha = await redis.scriptLoad(text)
    await direct.script('FLUSH')
    const result = text.slice(8, -1)
    expect(await redis.pipeline().evalsha(sha, [], []).evalsha(sha, [], []).exec()).toEqual([
      result,
      result,
    ])
    await direct.script('FLUSH')
    expect(await (await post(['EVALSHA', sha, 0])).json()).toEqual({ result })
  })

  test('continues after a restart of Redis, and after one of the bridge', async () => {
    const redis = await startTestRedis()
    closers.push(() => redis.remove())
    let own = await startTestBridge(redis.url)
    closers.push(() => own.close())
    const limiter = make(Ratelimit.slidingWindow(10, '60 s'), own)
    expect((await limiter.limit('a')).remaining).toBe(9)
    await redis.kill()
    await expect(limiter.limit('a')).rejects.toThrow(/not connected|broke/)
    await redis.start()
    await expect.poll(() => own.redis.up, { timeout: 5_000 }).toBe(true)
    expect((await limiter.limit('b')).remaining).toBe(9)
    // Another bridge does not know the text yet: it responds NOSCRIPT, and the client sends it.
    await own.close()
    own = await startTestBridge(redis.url)
    await direct.script('FLUSH')
    const again = make(Ratelimit.slidingWindow(10, '60 s'), own)
    expect((await again.limit('a')).remaining).toBe(9)
  })

  test('gets the client’s own SHA-1 from SCRIPT LOAD, whatever Redis calls the script', async () => {
    const redis = client()
    const text = `#!lua flags=allow-key-locking\nreturn '${randomUUID()}'`
    const sha = await redis.scriptLoad(text)
    expect(await redis.evalsha(sha, [], [])).toBe(text.split("'")[1])
    expect(await redis.scriptExists(sha)).toEqual([1])
    // Errors name the line that the client wrote.
    await expect(redis.eval(`${text}\n\nnonsense`, [], [])).rejects.toThrow(/user_script:4/)
    await expect(redis.eval('-'.repeat(70_000), [], [])).rejects.toThrow(/script is larger/)
  })

  test('does not count batches as the edge promises to, so the edge brings its own script', async () => {
    // A refused batch still consumes the remaining tokens.
    const window = make(Ratelimit.slidingWindow(300, '60 s'))
    await window.limit('tenant', { rate: 290 })
    expect((await window.limit('tenant', { rate: 11 })).success).toBe(false)
    expect((await window.limit('tenant', { rate: 10 })).success).toBe(false)
    // The client has to wait for the next refill, however few tokens are missing.
    const bucket = make(Ratelimit.tokenBucket(100, '60 s', 100))
    await bucket.limit('key', { rate: 100 })
    const { success, reset } = await bucket.limit('key', { rate: 1 })
    expect(success).toBe(false)
    expect(reset - Date.now()).toBeGreaterThan(55_000)
    // And without an answer from Redis it admits.
    const late = new Ratelimit({
      redis: { ...client(), evalsha: () => sleep(500) } as never,
      limiter: Ratelimit.tokenBucket(1, '60 s', 1),
      timeout: 50,
    })
    expect(await late.limit('a')).toMatchObject({ success: true, reason: 'timeout' })
  })
})

describe('large bodies for Redis', () => {
  /** Requests whose bodies do not come before the test ends them. */
  function stalled(count: number, send: (body: ReadableStream) => Promise<unknown>) {
    const ended = Promise.withResolvers<void>()
    const answers = Array.from({ length: count }, () =>
      send(
        new ReadableStream({
          async pull(controller) {
            await ended.promise
            controller.enqueue(Buffer.from('["PING"]'))
            controller.close()
          },
        }),
      ),
    )
    closers.push(async () => {
      ended.resolve()
      await Promise.all(answers)
    })
  }
  const large = () => ['SET', newKey(), 'x'.repeat(100_000)]

  test('do not wait for large bodies that are produced to the log', async () => {
    const reader = new Hono().post('/', async (c) => c.text(`${await readBody(c.req)}`))
    stalled(20, async (body) => reader.request('/', { method: 'POST', body }))
    const answer = await post(large())
    expect([answer.status, await answer.json()]).toEqual([200, { result: 'OK' }])
  })

  test('are answered 429 while too many others are being read, and onError is not called', async () => {
    const errors: Error[] = []
    const { redis, token } = bridge
    const app = createRedisRest({ redis, token, onError: (error) => errors.push(error) })
    const send = async (body: ReadableStream | string) =>
      app.request('/', {
        method: 'POST',
        headers: { authorization: `Bearer ${token}` },
        body,
        duplex: 'half',
      } as RequestInit)
    stalled(LIMITS.redisBodiesBytesMax / LIMITS.redisBodyBytesMax, send)
    const answer = await send(JSON.stringify(large()))
    expect([answer.status, answer.headers.get('retry-after'), await answer.json()]).toEqual([
      429,
      '1',
      { error: 'ERR TOO_MANY_BODIES: other large bodies are being read' },
    ])
    expect(errors).toEqual([])
  })
})

describe('a Redis that hangs or is gone', () => {
  test('is a 503 within 200 ms, and the connection is reopened when Redis stays silent', async () => {
    const proxy = await startTcpProxy(Number(new URL(inject('redisUrl')).port))
    closers.push(() => proxy.close())
    const own = await startTestBridge(`redis://127.0.0.1:${proxy.port}`)
    closers.push(() => own.close())
    proxy.blackHole = true
    const ask = async () => {
      const start = performance.now()
      const answer = await post(['PING'], '', {}, own)
      const body = await answer.json()
      return { ms: performance.now() - start, answer, body }
    }
    const late = await ask()
    expect([late.answer.status, late.body]).toEqual([
      503,
      { error: 'ERR Redis did not answer within 200 ms' },
    ])
    expect(late.answer.headers.get('retry-after')).toBe('1')
    expect(late.ms).toBeLessThan(1_500)
    // The connection is given up after 2 s: from then on no request waits.
    await expect.poll(() => own.redis.up, { timeout: 5_000 }).toBe(false)
    const known = await ask()
    expect([known.answer.status, known.body]).toEqual([
      503,
      { error: 'ERR Redis is not connected' },
    ])
    proxy.blackHole = false
    await expect.poll(() => own.redis.up, { timeout: 10_000 }).toBe(true)
    expect((await ask()).body).toEqual({ result: 'PONG' })
  })

  test('takes no more memory than the limit, however many requests wait', async () => {
    const redis = await startTestRedis()
    closers.push(() => redis.remove())
    const connection = createRedisConnection({
      url: redis.url,
      limits: { redisInFlightCommandsMax: 100, redisSilenceMsMax: 60_000 },
    })
    closers.push(() => connection.close())
    await connection.ready(5_000)
    const thaw = freeze(redis.pid)
    const asked = await Promise.allSettled(
      Array.from({ length: 150 }, () => connection.send([['PING']])),
    )
    const reasons = asked.map((each) => (each as PromiseRejectedResult).reason.message)
    expect(reasons.filter((reason) => reason === 'too much is waiting for Redis')).toHaveLength(50)
    thaw()
    await expect.poll(() => connection.send([['PING']]).catch(() => '')).toHaveLength(1)
  })

  test('is reported once, and so is its return', async () => {
    const redis = await startTestRedis()
    closers.push(() => redis.remove())
    const changes: boolean[] = []
    const connection = createRedisConnection({ url: redis.url, onChange: (up) => changes.push(up) })
    closers.push(() => connection.close())
    await connection.ready(5_000)
    await redis.kill()
    await expect.poll(() => changes).toEqual([false])
    await sleep(1_500)
    await redis.start()
    await expect.poll(() => changes, { timeout: 5_000 }).toEqual([false, true])
  })
})

test('the bridge runs no script but those of the edge and of @upstash/ratelimit', async () => {
  const own = await startTestBridge(inject('redisUrl'))
  closers.push(() => own.close())
  const text = `return '${randomUUID()}'`
  // Redis has it, from somebody else.
  const sha = (await direct.script('LOAD', text)) as string
  const endless = 'while true do end'
  for (const command of [
    ['EVAL', endless, 0],
    ['eval', text, 0],
    ['EVALSHA', sha, 0],
    ['evalsha', sha.toUpperCase(), 0],
    ['SCRIPT', 'LOAD', text],
    ['script', 'load', endless],
  ])
    for (const [path, body] of [
      ['', command],
      ['/pipeline', [['PING'], command]],
      ['/multi-exec', [command]],
    ] as const) {
      const response = await post(body, path, {}, own)
      expect([response.status, (await response.json()).error]).toEqual([
        400,
        expect.stringMatching(/^NOPERM this script/),
      ])
    }
  expect(await direct.ping()).toBe('PONG')
})

test('the bridge and core work with the Redis users of decision 13, whose rights no client script can exceed', async () => {
  const own = await startTestRedis()
  closers.push(() => own.remove())
  const admin = new Direct(own.url)
  closers.push(() => admin.disconnect())
  // The users of docs/adr/0013-redis.md.
  const decision = readFileSync(new URL('../../../docs/adr/0013-redis.md', import.meta.url), 'utf8')
  for (const [, user] of decision.matchAll(/ACL SETUSER (.+)/g))
    await admin.call('ACL', 'SETUSER', ...(user as string).replace('>secret', '>pw').split(' '))
  const as = (user: string) => own.url.replace('redis://', `redis://${user}:pw@`)
  const ours = createRedisConnection({ url: as('sluice') })
  closers.push(() => ours.close())
  expect(await ours.ready(5_000)).toBe(true)
  const few = await startTestBridge(as('edges'))
  closers.push(() => few.close())

  const far = createRedisAdmission(
    createRedis({ url: few.url, token: few.token }, abortOnTimeout),
    true,
  )
  const record = { key_id: 'k', tenant: 't', key_events_per_minute: 9, tenant_events_per_minute: 9 }
  const asked = {
    key: record as KeyRecord,
    cost: 1,
    idempotency: { tenant: 't', trust: 'server' as const, key: 'k', fingerprint: 'f' },
  }
  const { rateLimit, begun } = await far.admit(asked, Date.now())
  expect([rateLimit?.allowed, begun?.kind]).toEqual([true, 'acquired'])
  await rateLimit?.refund()
  if (begun?.kind === 'acquired') await begun.complete({ status: 202, body: 'x' }, Date.now())
  expect((await far.admit(asked, Date.now())).begun?.kind).toBe('completed')
  const cache = createRedisStore(ours)
  await cache.set('a', Buffer.from('x'), 60_000)
  expect(await cache.get('a')).toBeDefined()
  const database = await createTestDatabase()
  const db = createDatabase(database.url)
  const logger = { warn() {} }
  const publisher = createKeyPublisher({ db, databaseUrl: database.url, redis: ours, logger })
  await expect.poll(() => admin.exists(REDIS_KEYS.apiKeysAsOf)).toBe(1)
  await publisher.close()
  await db.destroy()
  await database.drop()

  const redis = client(few)
  expect(await redis.mget(REDIS_KEYS.apiKey('a'), REDIS_KEYS.apiKeysAsOf)).toEqual([
    null,
    expect.any(Number),
  ])
  expect(await admin.call('ACL', 'LOG')).toEqual([])
  const anyScript = await startTestBridge(as('edges'), undefined, () => true)
  closers.push(() => anyScript.close())
  for (const script of [
    "return redis.call('FLUSHALL')",
    "return redis.call('CONFIG', 'GET', 'dir')",
    `return redis.call('GET', '${REDIS_KEYS.cachedResult('a')}')`,
    `return redis.call('SET', '${REDIS_KEYS.apiKey('a')}', '{}')`,
  ])
    await expect(client(anyScript).eval(script, [], []), script).rejects.toThrow(
      /can't (run|access)|not allowed/,
    )
  await expect(redis.set('elsewhere', '1')).rejects.toThrow(/NOPERM|permission/i)
})
