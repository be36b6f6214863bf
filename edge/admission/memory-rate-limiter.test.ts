import { expect, it } from 'vitest'
import { LIMITS } from '../../contract/limits.ts'
import { key, limiterSuite, START } from '../testing/limiter.suite.ts'
import { createMemoryRateLimiter } from './memory-rate-limiter.ts'

limiterSuite(createMemoryRateLimiter, 500)

it('the limiter holds no more keys than its maximum', async () => {
  const limiter = createMemoryRateLimiter()
  await limiter.limit(key(1, 1e9, 'first', 'first'), 1, START)
  for (let i = 0; i < LIMITS.limiterEntriesMax; i++)
    await limiter.limit(key(1, 1e9, `k${i}`, `t${i}`), 1, START)
  // The first was forgotten to make room for the last.
  expect((await limiter.limit(key(1, 1e9, 'first', 'first'), 1, START)).allowed).toBe(true)
  const last = `k${LIMITS.limiterEntriesMax - 1}`
  expect((await limiter.limit(key(1, 1e9, last), 1, START)).allowed).toBe(false)
})

it('what is left of a bucket is admitted, exactly and after the clock was set back too', async () => {
  const limiter = createMemoryRateLimiter()
  await limiter.limit(key(10), 9, START)
  expect((await limiter.limit(key(10), 1, START - 1_000)).allowed).toBe(true)
})

it('a window resets when its last event leaves it, and at once where it holds none', async () => {
  const limiter = createMemoryRateLimiter()
  const resets = async (cost: number, at: number) =>
    (await limiter.limit(key(10, 100), cost, at)).policies[1]?.resetSeconds
  // Refused, so the tenant is charged nothing.
  expect(await resets(11, START + 1_000)).toBe(0)
  expect(await resets(1, START + 1_000)).toBe(119)
  expect(await resets(11, START + 60_000)).toBe(60)
})
