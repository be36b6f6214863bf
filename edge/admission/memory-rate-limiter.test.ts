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
