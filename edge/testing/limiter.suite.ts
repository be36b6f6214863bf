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
 * What every limiter promises, by a clock that stands where it is put.
 * @param create one that has counted nothing yet
 * @param numRuns of the test that tries at random
 */
export function limiterSuite(create: () => RateLimiter, numRuns: number): void {
  it('a bucket fills evenly: a tenth of a minute gives a tenth of the events', async () => {
    const limiter = create()
    expect((await limiter.limit(key(100), 100, START)).allowed).toBe(true)
    expect((await limiter.limit(key(100), 10, START + 5_999)).allowed).toBe(false)
    expect((await limiter.limit(key(100), 10, START + 6_000)).allowed).toBe(true)
    expect((await limiter.limit(key(100), 1, START + 6_000)).allowed).toBe(false)
  })

  it('a window slides: what the last minute took is given back little by little', async () => {
    const limiter = create()
    const wide = key(1e9, 60)
    expect((await limiter.limit(wide, 60, START + 30_000)).allowed).toBe(true)
    expect((await limiter.limit(wide, 1, START + 59_999)).allowed).toBe(false)
    // Half a minute into the next one, half of the last counts.
    expect((await limiter.limit(wide, 31, START + 90_000)).allowed).toBe(false)
    expect((await limiter.limit(wide, 30, START + 90_000)).allowed).toBe(true)
    expect((await limiter.limit(wide, 60, START + 240_000)).allowed).toBe(true)
  })

  it('no minute, wherever it begins, admits more than a bucket and what flows in meanwhile', async () => {
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

  it('Retry-After is the truth: that many seconds are enough when nobody else sends, one fewer are not', async () => {
    const step = fc.record({
      // Clocks are set back, too.
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
            const verdict = await limiter.limit(limits, events, at)
            if (verdict.allowed) {
              expect(verdict.waitMs).toBe(0)
              continue
            }
            const seconds = Math.ceil(verdict.waitMs / 1000)
            expect(seconds).toBeGreaterThan(0)
            const tooEarly = await limiter.limit(limits, events, at + (seconds - 1) * 1000)
            expect(tooEarly.allowed).toBe(false)
            const justBefore = await limiter.limit(limits, events, at + verdict.waitMs - 1)
            expect(justBefore.allowed).toBe(false)
            at += seconds * 1000
            expect((await limiter.limit(limits, events, at)).allowed).toBe(true)
          }
        },
      ),
      { numRuns },
    )
  })

  it('the largest quotas are counted as exactly as small ones', async () => {
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

  it('a refused request takes from neither', async () => {
    const limiter = create()
    await limiter.limit(key(10, 5), 5, START)
    expect((await limiter.limit(key(10, 5), 5, START)).allowed).toBe(false)
    expect((await limiter.limit(key(10, 100), 5, START)).allowed).toBe(true)
  })

  it('gives back what was taken for nothing, in the next minute too', async () => {
    const limiter = create()
    const limits = key(10, 10)
    const verdict = await limiter.limit(limits, 10, START + 59_000)
    await limiter.limit(key(10, 10, 'other'), 1, START + 61_000)
    await verdict.refund()
    expect((await limiter.limit(limits, 9, START + 61_000)).allowed).toBe(true)
  })

  it('gives back into the minute it was taken from, which may be the last one by now', async () => {
    const limiter = create()
    const limits = key(10, 12)
    const verdict = await limiter.limit(limits, 10, START + 59_000)
    expect((await limiter.limit(key(10, 12, 'other'), 1, START + 61_000)).allowed).toBe(true)
    await verdict.refund()
    expect((await limiter.limit(limits, 10, START + 61_000)).allowed).toBe(true)
  })

  it('gives nothing back into a window that has slid past what was taken', async () => {
    const limiter = create()
    const wide = key(1e9, 10)
    const verdict = await limiter.limit(wide, 10, START)
    expect((await limiter.limit(wide, 10, START + 180_000)).allowed).toBe(true)
    await verdict.refund()
    expect((await limiter.limit(wide, 1, START + 180_000)).allowed).toBe(false)
  })

  it('a clock that was set back admits nothing twice', async () => {
    const limiter = create()
    await limiter.limit(key(1e9, 10), 10, START + 60_000)
    expect((await limiter.limit(key(1e9, 10), 1, START)).allowed).toBe(false)
    await limiter.limit(key(10, 1e9, 'other', 'other'), 10, START + 60_000)
    expect((await limiter.limit(key(10, 1e9, 'other', 'other'), 1, START)).allowed).toBe(false)
  })
}
