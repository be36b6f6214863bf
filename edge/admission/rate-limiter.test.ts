import { expect, it } from 'vitest'
import { RECORD } from '../testing/memory-edge.ts'
import { createMemoryRateLimiter } from './memory-rate-limiter.ts'
import { limitDetail } from './rate-limiter.ts'

const NOW = 1_763_716_800_000
const key = { ...RECORD, key_events_per_minute: 5, tenant_events_per_minute: 12 }
const other = { ...key, key_id: 'k2', key_events_per_minute: 12 }

it.each([
  // The key has exactly as many left as are sent.
  [
    'the tenant',
    other,
    9,
    5,
    /^The tenant of this API key may send 12 events .* tenant set <tenant> /,
  ],
  ['the key', key, 3, 3, /^This API key may send 5 events .* key set <key> /],
])(
  'a client that %s refuses is told that limit and how it is raised',
  async (_, before, taken, sent, detail) => {
    const limiter = createMemoryRateLimiter()
    await limiter.limit(before, taken, NOW)
    const result = await limiter.limit(key, sent, NOW)
    expect(result.allowed).toBe(false)
    expect(limitDetail(result, sent)).toMatch(detail)
  },
)

it('the time until a key is full again counts from the clock that its tokens were counted by', async () => {
  const limiter = createMemoryRateLimiter()
  await limiter.limit(key, 5, NOW)
  // Another request finds a clock that was set back by ten seconds.
  const { policies } = await limiter.limit(key, 1, NOW - 10_000)
  expect(policies[0]).toMatchObject({ name: 'key', remaining: 0, resetSeconds: 70 })
})
