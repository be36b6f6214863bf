import { expect, it } from 'vitest'
import { LIMITS } from '../../contract/limits.ts'
import type { Claim, Idempotency } from '../admission/idempotency.ts'

export const request = (key = 'k', fingerprint = 'f', tenant = 't') => ({
  tenant,
  key,
  fingerprint,
})

export const say = (body: string) => ({ status: 202, body })

export function ours(claim: Claim) {
  if (claim.is !== 'ours') throw new Error(`the claim is ${claim.is}`)
  return claim
}

/**
 * What every store of leases and answers promises, by a clock that stands where it is put.
 * @param create one that knows nothing yet
 */
export function idempotencySuite(create: () => Idempotency): void {
  it('an answer is remembered for 30 minutes and no longer', async () => {
    const store = create()
    await ours(await store.claim(request(), 0)).finish(say('the answer'), 100)
    const until = 100 + LIMITS.idempotencyResultMs
    expect(await store.claim(request(), until - 1)).toEqual({ is: 'done', said: say('the answer') })
    expect(await store.claim(request('k', 'other'), until - 1)).toEqual({ is: 'other-body' })
    expect((await store.claim(request('k', 'other'), until)).is).toBe('ours')
  })

  it('a lease whose holder died ends by itself', async () => {
    const store = create()
    ours(await store.claim(request(), 0))
    expect(await store.claim(request(), 1_000)).toEqual({ is: 'in-flight', waitMs: 2_000 })
    // The publisher must have given up by now, so the holder is dead: wait for the end of the lease.
    expect(await store.claim(request(), 4_000)).toEqual({ is: 'in-flight', waitMs: 11_000 })
    expect((await store.claim(request(), LIMITS.idempotencyLeaseMs)).is).toBe('ours')
  })

  it('whoever lost a lease neither ends nor answers for the one who holds it', async () => {
    const store = create()
    const slow = ours(await store.claim(request(), 0))
    const quick = ours(await store.claim(request(), LIMITS.idempotencyLeaseMs))
    await slow.release()
    await slow.finish(say('late'), LIMITS.idempotencyLeaseMs + 1)
    expect((await store.claim(request(), LIMITS.idempotencyLeaseMs + 2)).is).toBe('in-flight')
    await quick.finish(say('right'), LIMITS.idempotencyLeaseMs + 3)
    expect(await store.claim(request(), LIMITS.idempotencyLeaseMs + 4)).toMatchObject({
      said: say('right'),
    })
  })

  it('a lease that was given back is free at once', async () => {
    const store = create()
    await ours(await store.claim(request(), 0)).release()
    expect((await store.claim(request('k', 'other'), 1)).is).toBe('ours')
  })

  it('no tenant and key are taken for another pair', async () => {
    const store = create()
    ours(await store.claim(request('b', 'f', 'a'), 0))
    expect((await store.claim(request('b', 'f', 'a2'), 0)).is).toBe('ours')
    expect((await store.claim(request('ab', 'f', ''), 0)).is).toBe('ours')
  })

  it('a lease that is renewed begins anew', async () => {
    const store = create()
    const lease = ours(await store.claim(request(), 0))
    await lease.renew(10_000)
    expect(await store.claim(request(), LIMITS.idempotencyLeaseMs + 1)).toMatchObject({
      is: 'in-flight',
    })
    expect((await store.claim(request(), 10_000 + LIMITS.idempotencyLeaseMs)).is).toBe('ours')
    await lease.renew(10_001 + LIMITS.idempotencyLeaseMs)
    await lease.finish(say('late'), 10_002 + LIMITS.idempotencyLeaseMs)
    expect((await store.claim(request(), 10_003 + LIMITS.idempotencyLeaseMs)).is).toBe('in-flight')
  })

  it('how far a try came is kept for the next one, until one comes to its end', async () => {
    const store = create()
    const first = ours(await store.claim(request(), 0))
    expect(first.kept).toBeUndefined()
    await first.keep(say('half'), 1)
    expect((await store.claim(request('k', 'other'), 2)).is).toBe('other-body')
    const second = ours(await store.claim(request(), 2))
    expect(second.kept).toEqual(say('half'))
    expect((await store.claim(request(), 3)).is).toBe('in-flight')
    await second.release()
    // The third one dies.
    expect(ours(await store.claim(request(), 4)).kept).toEqual(say('half'))
    const fourth = ours(await store.claim(request(), 4 + LIMITS.idempotencyLeaseMs))
    expect(fourth.kept).toEqual(say('half'))
    await fourth.finish(say('all'), 5 + LIMITS.idempotencyLeaseMs)
    expect(await store.claim(request(), 6 + LIMITS.idempotencyLeaseMs)).toEqual({
      is: 'done',
      said: say('all'),
    })
  })
}
