import { expect, it } from 'vitest'
import { LIMITS } from '../../contract/limits.ts'
import type { BeginResult, IdempotencyStore } from '../admission/idempotency.ts'

export const request = (key = 'k', fingerprint = 'f', tenant = 't') => ({
  tenant,
  key,
  fingerprint,
})

export const storedResponse = (body: string) => ({ status: 202, body })

export function acquired(claim: Claim) {
  if (claim.is !== 'ours') throw new Error(`the claim is ${claim.is}`)
  return claim
}

/**
 * What every idempotency store promises, tested with an injected clock.
 * @param create a store without state
 */
export function idempotencySuite(create: () => Idempotency): void {
  it('a response is stored for 30 minutes and no longer', async () => {
    const store = create()
    await acquired(await store.claim(request(), 0)).finish(storedResponse('the response'), 100)
    const until = 100 + LIMITS.idempotencyResultMs
    expect(await store.claim(request(), until - 1)).toEqual({
      is: 'done',
      said: storedResponse('the response'),
    })
    expect(await store.claim(request('k', 'other'), until - 1)).toEqual({ is: 'other-body' })
    expect((await store.claim(request('k', 'other'), until)).is).toBe('ours')
  })

  it('a lease whose holder died expires', async () => {
    const store = create()
    acquired(await store.claim(request(), 0))
    expect(await store.claim(request(), 1_000)).toEqual({ is: 'in-flight', waitMs: 2_000 })
    // Publishing must have timed out by now, so the holder is dead and the lease runs to its end.
    expect(await store.claim(request(), 4_000)).toEqual({ is: 'in-flight', waitMs: 11_000 })
    expect((await store.claim(request(), LIMITS.idempotencyLeaseMs)).is).toBe('ours')
  })

  it('a holder that lost its lease can neither release nor complete that of its successor', async () => {
    const store = create()
    const slow = acquired(await store.claim(request(), 0))
    const quick = acquired(await store.claim(request(), LIMITS.idempotencyLeaseMs))
    await slow.release()
    await slow.finish(storedResponse('late'), LIMITS.idempotencyLeaseMs + 1)
    expect((await store.claim(request(), LIMITS.idempotencyLeaseMs + 2)).is).toBe('in-flight')
    await quick.finish(storedResponse('right'), LIMITS.idempotencyLeaseMs + 3)
    expect(await store.claim(request(), LIMITS.idempotencyLeaseMs + 4)).toMatchObject({
      said: storedResponse('right'),
    })
  })

  it('a released lease is available immediately', async () => {
    const store = create()
    await acquired(await store.claim(request(), 0)).release()
    expect((await store.claim(request('k', 'other'), 1)).is).toBe('ours')
  })

  it('a tenant and key are never confused with another pair', async () => {
    const store = create()
    acquired(await store.claim(request('b', 'f', 'a'), 0))
    expect((await store.claim(request('b', 'f', 'a2'), 0)).is).toBe('ours')
    expect((await store.claim(request('ab', 'f', ''), 0)).is).toBe('ours')
  })

  it('renewing a lease restarts its duration, and an expired lease cannot be renewed', async () => {
    const store = create()
    const lease = acquired(await store.claim(request(), 0))
    await lease.renew(10_000)
    expect(await store.begin(request(), LIMITS.idempotencyLeaseMs + 1)).toMatchObject({
      kind: 'in-flight',
    })
    expect((await store.begin(request(), 10_000 + LIMITS.idempotencyLeaseMs)).kind).toBe('acquired')
    await lease.renew(10_001 + LIMITS.idempotencyLeaseMs)
    await lease.finish(storedResponse('late'), 10_002 + LIMITS.idempotencyLeaseMs)
    expect((await store.claim(request(), 10_003 + LIMITS.idempotencyLeaseMs)).is).toBe('in-flight')
  })

  it('a checkpoint is kept for the next attempt until one attempt completes', async () => {
    const store = create()
    const first = acquired(await store.claim(request(), 0))
    expect(first.kept).toBeUndefined()
    await first.keep(storedResponse('half'), 1)
    expect((await store.claim(request('k', 'other'), 2)).is).toBe('other-body')
    const second = acquired(await store.claim(request(), 2))
    expect(second.kept).toEqual(storedResponse('half'))
    expect((await store.claim(request(), 3)).is).toBe('in-flight')
    await second.release()
    // The third attempt dies.
    expect(acquired(await store.claim(request(), 4)).kept).toEqual(storedResponse('half'))
    const fourth = acquired(await store.claim(request(), 4 + LIMITS.idempotencyLeaseMs))
    expect(fourth.kept).toEqual(storedResponse('half'))
    await fourth.finish(storedResponse('all'), 5 + LIMITS.idempotencyLeaseMs)
    expect(await store.claim(request(), 6 + LIMITS.idempotencyLeaseMs)).toEqual({
      is: 'done',
      said: storedResponse('all'),
    })
  })
}
