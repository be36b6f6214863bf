import { expect, it } from 'vitest'
import type { AuthenticatedRequest } from '../auth/authenticate.ts'
import { RECORD } from '../testing/memory-edge.ts'
import { createMemoryRateLimiter } from './memory-rate-limiter.ts'
import { limitPartially } from './partial-limit.ts'
import type { RateLimiter } from './rate-limiter.ts'

const NOW = 1_763_716_800_000

function requestWith(keyPerMinute: number, tenantPerMinute: number): AuthenticatedRequest {
  const key = {
    ...RECORD,
    key_events_per_minute: keyPerMinute,
    tenant_events_per_minute: tenantPerMinute,
  }
  const headers = {}
  const c = { get: () => headers } as unknown as AuthenticatedRequest['c']
  return { c, key, historical: false }
}

interface Case {
  /** Events a minute of the key and of its tenant. */
  key: number
  tenant: number
  /** Taken before, by this key and by another one of the tenant. */
  own: number
  others: number
  sent: number
  allowed: number
  refusedBy?: RegExp
}
const KEY = /^This API key may send/
const TENANT = /^The tenant of this API key may send/

it.each<Case>([
  { key: 10, tenant: 30, own: 0, others: 0, sent: 10, allowed: 10 },
  { key: 10, tenant: 30, own: 0, others: 0, sent: 25, allowed: 10, refusedBy: KEY },
  { key: 10, tenant: 30, own: 4, others: 0, sent: 9, allowed: 6, refusedBy: KEY },
  { key: 10, tenant: 30, own: 10, others: 0, sent: 1, allowed: 0, refusedBy: KEY },
  { key: 30, tenant: 10, own: 0, others: 0, sent: 25, allowed: 10, refusedBy: TENANT },
  { key: 30, tenant: 30, own: 0, others: 26, sent: 9, allowed: 4, refusedBy: TENANT },
  { key: 30, tenant: 30, own: 3, others: 26, sent: 9, allowed: 1, refusedBy: TENANT },
  { key: 30, tenant: 30, own: 0, others: 30, sent: 9, allowed: 0, refusedBy: TENANT },
])(
  'of a stream, a limit that has room for a part takes exactly that part, and gives it back: %j',
  async ({ key, tenant, own, others, sent, allowed, refusedBy }) => {
    const limiter = createMemoryRateLimiter()
    const request = requestWith(key, tenant)
    await limiter.limit(
      { ...request.key, key_id: 'another', key_events_per_minute: 99 },
      others,
      NOW,
    )
    await limiter.limit(request.key, own, NOW)
    for (let attempt = 0; attempt < 2; attempt++) {
      const limit = await limitPartially(request, limiter, sent, () => NOW)
      expect(limit.allowed).toBe(allowed)
      expect(limit.problem?.options.detail).toEqual(refusedBy && expect.stringMatching(refusedBy))
      await limit.refund()
    }
  },
)

it('what was taken before the limiter failed is given back', async () => {
  const inner = createMemoryRateLimiter()
  const request = requestWith(10, 100)
  let left = 1
  const failing: RateLimiter = {
    limit: (...args) =>
      left-- > 0 ? inner.limit(...args) : Promise.reject(new Error('Redis is away')),
  }
  await expect(limitPartially(request, failing, 20, () => NOW)).rejects.toMatchObject({
    code: 'LIMITER_UNAVAILABLE',
  })
  expect((await inner.limit(request.key, 10, NOW)).allowed).toBe(true)
})
