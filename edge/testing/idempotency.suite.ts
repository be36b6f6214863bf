import { expect, it } from 'vitest'
import { LIMITS } from '../../contract/limits.ts'
import type { BeginResult, IdempotencyStore } from '../admission/idempotency.ts'

export const request = (key = 'k', fingerprint = 'f', tenant = 't') => ({
  tenant,
  key,
  fingerprint,
})

export const say = (body: string) => ({ status: 202, body })

export function ours(claim: BeginResult) {
  if (claim.kind !== 'acquired') throw new Error(`the claim is ${claim.kind}`)
  return claim
}

/**
 * What every store of leases and answers promises, by a clock that stands where it is put.
 * @param create one that knows nothing yet
 */
export function idempotencySuite(create: () => IdempotencyStore): void {
  it('an answer is remembered for 30 minutes and no longer', async () => {
    const store = create()
    await ours(await store.begin(request(), 0)).complete(say('the answer'), 100)
    const until = 100 + LIMITS.idempotencyResultMs
    expect(await store.begin(request(), until - 1)).toEqual({
      kind: 'completed',
      response: say('the answer'),
    })
    expect(await store.begin(request('k', 'other'), until - 1)).toEqual({ kind: 'mismatch' })
    expect((await store.begin(request('k', 'other'), until)).kind).toBe('acquired')
  })

  it('a lease whose holder died ends by itself', async () => {
    const store = create()
    ours(await store.begin(request(), 0))
    expect(await store.begin(request(), 1_000)).toEqual({ kind: 'in-flight', waitMs: 2_000 })
    // The publisher must have given up by now, so the holder is dead: wait for the end of the lease.
    expect(await store.begin(request(), 4_000)).toEqual({ kind: 'in-flight', waitMs: 11_000 })
    expect((await store.begin(request(), LIMITS.idempotencyLeaseMs)).kind).toBe('acquired')
  })

  it('whoever lost a lease neither ends nor answers for the one who holds it', async () => {
    const store = create()
    const slow = ours(await store.begin(request(), 0))
    const quick = ours(await store.begin(request(), LIMITS.idempotencyLeaseMs))
    await slow.release()
    await slow.complete(say('late'), LIMITS.idempotencyLeaseMs + 1)
    expect((await store.begin(request(), LIMITS.idempotencyLeaseMs + 2)).kind).toBe('in-flight')
    await quick.complete(say('right'), LIMITS.idempotencyLeaseMs + 3)
    expect(await store.begin(request(), LIMITS.idempotencyLeaseMs + 4)).toMatchObject({
      response: say('right'),
    })
  })

  it('a lease that was given back is free at once', async () => {
    const store = create()
    await ours(await store.begin(request(), 0)).release()
    expect((await store.begin(request('k', 'other'), 1)).kind).toBe('acquired')
  })

  it('no tenant and key are taken for another pair', async () => {
    const store = create()
    ours(await store.begin(request('b', 'f', 'a'), 0))
    expect((await store.begin(request('b', 'f', 'a2'), 0)).kind).toBe('acquired')
    expect((await store.begin(request('ab', 'f', ''), 0)).kind).toBe('acquired')
  })

  it('a lease that is renewed begins anew', async () => {
    const store = create()
    const lease = ours(await store.begin(request(), 0))
    await lease.renew(10_000)
    expect(await store.begin(request(), LIMITS.idempotencyLeaseMs + 1)).toMatchObject({
      kind: 'in-flight',
    })
    expect((await store.begin(request(), 10_000 + LIMITS.idempotencyLeaseMs)).kind).toBe('acquired')
    await lease.renew(10_001 + LIMITS.idempotencyLeaseMs)
    await lease.complete(say('late'), 10_002 + LIMITS.idempotencyLeaseMs)
    expect((await store.begin(request(), 10_003 + LIMITS.idempotencyLeaseMs)).kind).toBe(
      'in-flight',
    )
  })

  it('how far a try came is kept for the next one, until one comes to its end', async () => {
    const store = create()
    const first = ours(await store.begin(request(), 0))
    expect(first.checkpoint).toBeUndefined()
    await first.saveCheckpoint(say('half'), 1)
    expect((await store.begin(request('k', 'other'), 2)).kind).toBe('mismatch')
    const second = ours(await store.begin(request(), 2))
    expect(second.checkpoint).toEqual(say('half'))
    expect((await store.begin(request(), 3)).kind).toBe('in-flight')
    await second.release()
    // The third one dies.
    expect(ours(await store.begin(request(), 4)).checkpoint).toEqual(say('half'))
    const fourth = ours(await store.begin(request(), 4 + LIMITS.idempotencyLeaseMs))
    expect(fourth.checkpoint).toEqual(say('half'))
    await fourth.complete(say('all'), 5 + LIMITS.idempotencyLeaseMs)
    expect(await store.begin(request(), 6 + LIMITS.idempotencyLeaseMs)).toEqual({
      kind: 'completed',
      response: say('all'),
    })
  })
}
