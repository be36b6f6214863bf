import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { type Admission, createAdmission } from '../../edge/admission/admission.ts'
import { createMemoryIdempotency } from '../../edge/admission/memory-idempotency.ts'
import { createMemoryRateLimiter } from '../../edge/admission/memory-rate-limiter.ts'
import type { RedisClient } from '../../edge/admission/redis/redis.ts'
import { createRedisAdmission } from '../../edge/admission/redis/redis-admission.ts'
import { key, START } from '../../edge/testing/limiter.suite.ts'
import { startTestRedis } from '../../tests/lib/redis-server.ts'
import { mulberry32 } from '../../tools/demo/traffic.ts'
import { createRedisConnection } from '../db/redis-connection.ts'
import { admitTogether } from './admit-together.ts'
import { createRedisClient } from './redis-client.ts'

const SEED = Date.now() % 1_000_000

/** Admission on a Redis of the test's own, and how often it was asked. */
async function setUp(redisMsMax = 10_000) {
  const server = await startTestRedis()
  onTestFinished(() => server.remove())
  const connection = createRedisConnection({ url: server.url })
  onTestFinished(() => connection.close())
  await connection.ready(10_000)
  const client = createRedisClient(connection, redisMsMax)
  const counts = { calls: 0 }
  const counted: RedisClient = {
    get: client.get,
    run(...args) {
      counts.calls++
      return client.run(...args)
    },
  }
  return { counts, connection, admission: createRedisAdmission(admitTogether(counted), true) }
}

const KEYS = [key(150, 200), key(120, 1e9, 'other', 'other')] as const

/** All at the same time. */
const admitAll = (admission: Admission, costs: readonly number[], now: number) =>
  Promise.all(
    costs.map(async (cost, i) => {
      const request = { key: KEYS[i % 2] as (typeof KEYS)[0], cost, idempotency: undefined }
      const { allowed, waitMs, policies } = (await admission.admit(request, now)).rateLimit ?? {}
      return { allowed, waitMs, policies }
    }),
  )

test('requests of the same time are admitted and told as if each had been asked for by itself', async () => {
  const { admission, counts } = await setUp()
  const memory = createAdmission(createMemoryRateLimiter(), createMemoryIdempotency())
  const random = mulberry32(SEED)
  const times = Array.from({ length: 60 }, (_, i) => START + i * 5_000)
  let allowed = 0
  for (const now of times) {
    const costs = Array.from({ length: 20 }, () => 1 + Math.floor(random() * 4))
    const results = await admitAll(admission, costs, now)
    expect(results, `seed ${SEED}`).toEqual(await admitAll(memory, costs, now))
    allowed += results.filter((result) => result.allowed).length
  }
  expect(allowed).toBeGreaterThan(0)
  expect(allowed).toBeLessThan(20 * times.length)
  const before = counts.calls
  await admitAll(admission, Array(20).fill(1), START + 900_000)
  expect(counts.calls - before).toBe(KEYS.length)
})

test('requests of one key by its former limit and by its new one are each admitted by their own', async () => {
  const { admission } = await setUp()
  const memory = createAdmission(createMemoryRateLimiter(), createMemoryIdempotency())
  const [former, changed] = [key(1_000, 1e9), key(2, 1e9)]
  const admitEach = (by: Admission) =>
    Promise.all(
      [former, changed, changed].map(async (key) => {
        const request = { key, cost: key === former ? 1 : 2, idempotency: undefined }
        return (await by.admit(request, START)).rateLimit?.allowed
      }),
    )
  expect(await admitEach(admission)).toEqual(await admitEach(memory))
})

test('requests that wait for a Redis that hangs fail with the one that it was asked for', async () => {
  const { admission, counts, connection } = await setUp(200)
  await connection.send([['client', 'pause', '1000']])
  const first = admitAll(admission, [1], START)
  await sleep(100)
  const results = await Promise.allSettled([first, admitAll(admission, [1], START)])
  expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  expect(counts.calls).toBe(1)
})
