import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { KeyRecord } from '../../contract/api-key.ts'
import type { RateLimiter } from '../admission/rate-limiter.ts'

export const START = 1_763_716_800_000 // a full minute

export const key = (
  perMinute: number,
  tenantPerMinute = 1e9,
  key_id = 'k',
  tenant = 't',
): KeyRecord =>
  ({
    key_id,
    tenant,
    key_events_per_minute: perMinute,
    tenant_events_per_minute: tenantPerMinute,
  }) as KeyRecord

/**
 * What every rate limiter promises, tested with an injected clock.
 * @param create a limiter without state
 * @param numRuns of the property test
 */
export function limiterSuite(create: () => RateLimiter, numRuns: number): void {
  it('a bucket refills evenly: a tenth of a minute gives a tenth of the events', async () => {
    const limiter = create()
    expect((await limiter.limit(key(100), 100, START)).allowed).toBe(true)
    expect((await limiter.limit(key(100), 10, START + 5_999)).allowed).toBe(false)
    expect((await limiter.limit(key(100), 10, START + 6_000)).allowed).toBe(true)
    expect((await limiter.limit(key(100), 1, START + 6_000)).allowed).toBe(false)
  })

  it('the window slides: the events of the last minute expire gradually', async () => {
    const limiter = create()
    const wide = key(1e9, 60)
    expect((await limiter.limit(wide, 60, START + 30_000)).allowed).toBe(true)
    expect((await limiter.limit(wide, 1, START + 59_999)).allowed).toBe(false)
    // Half a minute into the next window, half of the last one counts.
    expect((await limiter.limit(wide, 31, START + 90_000)).allowed).toBe(false)
    expect((await limiter.limit(wide, 30, START + 90_000)).allowed).toBe(true)
    expect((await limiter.limit(wide, 60, START + 240_000)).allowed).toBe(true)
  })

  it('no minute, wherever it begins, admits more than a full bucket and one refill', async () => {
    const limiter = create()
    const taken: number[] = []
    for (let at = START; at < START + 300_000; at += 250)
      if ((await limiter.limit(key(100, 150), 1, at)).allowed) taken.push(at)
    for (const from of taken) {
      const inMinute = taken.filter((at) => at >= from && at < from + 60_000).length
      expect(inMinute).toBeLessThanOrEqual(200)
    }
    expect(taken.length).toBeGreaterThanOrEqual(500)
  })

  it('Retry-After is exact: a lone sender is admitted after that many seconds and not one earlier', async () => {
    const step = fc.record({
      // Clocks are set back too.
      after: fc.oneof(fc.nat(70_000), fc.integer({ min: -5_000, max: 0 })),
      events: fc.integer({ min: 1, max: 40 }),
    })
    const perMinute = fc.integer({ min: 40, max: 300 })
    await fc.assert(
      fc.asyncProperty(
        perMinute,
        perMinute,
        fc.nat(59_999),
        fc.array(step, { maxLength: 60 }),
        async (ofKey, ofTenant, offset, steps) => {
          const limiter = create()
          const limits = key(ofKey, ofTenant)
          let at = START + offset
          for (const { after, events } of steps) {
            at += after
            const result = await limiter.limit(limits, events, at)
            if (result.allowed) {
              expect(result.waitMs).toBe(0)
              continue
            }
            const seconds = Math.ceil(result.waitMs / 1000)
            expect(seconds).toBeGreaterThan(0)
            const tooEarly = await limiter.limit(limits, events, at + (seconds - 1) * 1000)
            expect(tooEarly.allowed).toBe(false)
            const justBefore = await limiter.limit(limits, events, at + result.waitMs - 1)
            expect(justBefore.allowed).toBe(false)
            at += seconds * 1000
            expect((await limiter.limit(limits, events, at)).allowed).toBe(true)
          }
        },
      ),
      { numRuns },
    )
  })

  it('the limiter counts the largest quotas exactly', async () => {
    const limiter = create()
    const most = 2_147_483_647
    const limits = key(most, most)
    expect((await limiter.limit(limits, most, START)).policies.map((p) => p.remaining)).toEqual([
      0, 0,
    ])
    const { waitMs } = await limiter.limit(limits, most - 1, START)
    expect((await limiter.limit(limits, most - 1, START + waitMs - 1)).allowed).toBe(false)
    expect((await limiter.limit(limits, most - 1, START + waitMs)).allowed).toBe(true)
  })

  it('a rejected request is charged to neither the key nor the tenant', async () => {
    const limiter = create()
    await limiter.limit(key(10, 5), 5, START)
    expect((await limiter.limit(key(10, 5), 5, START)).allowed).toBe(false)
    expect((await limiter.limit(key(10, 100), 5, START)).allowed).toBe(true)
  })

  it('a refund returns the tokens of a failed request, in the next minute too', async () => {
    const limiter = create()
    const limits = key(10, 10)
    const result = await limiter.limit(limits, 10, START + 59_000)
    await limiter.limit(key(10, 10, 'other'), 1, START + 61_000)
    await result.refund()
    expect((await limiter.limit(limits, 9, START + 61_000)).allowed).toBe(true)
  })

  it('a refund goes to the minute that was charged, even after that minute ended', async () => {
    const limiter = create()
    const limits = key(10, 12)
    const result = await limiter.limit(limits, 10, START + 59_000)
    expect((await limiter.limit(key(10, 12, 'other'), 1, START + 61_000)).allowed).toBe(true)
    await result.refund()
    expect((await limiter.limit(limits, 10, START + 61_000)).allowed).toBe(true)
    // This minute has eleven now, whatever was given back of the last one.
    const third = key(1e9, 12, 'third')
    expect((await limiter.limit(third, 2, START + 119_999)).allowed).toBe(false)
    expect((await limiter.limit(third, 1, START + 119_999)).allowed).toBe(true)
  })

  it('a refund changes nothing once the window has slid past the charge', async () => {
    const limiter = create()
    const wide = key(1e9, 10)
    const result = await limiter.limit(wide, 10, START)
    expect((await limiter.limit(wide, 10, START + 180_000)).allowed).toBe(true)
    await result.refund()
    expect((await limiter.limit(wide, 1, START + 180_000)).allowed).toBe(false)
  })

  it('a clock that is set back admits nothing twice', async () => {
    const limiter = create()
    await limiter.limit(key(1e9, 10), 10, START + 60_000)
    expect((await limiter.limit(key(1e9, 10), 1, START)).allowed).toBe(false)
    await limiter.limit(key(10, 1e9, 'other', 'other'), 10, START + 60_000)
    expect((await limiter.limit(key(10, 1e9, 'other', 'other'), 1, START)).allowed).toBe(false)
  })
}
