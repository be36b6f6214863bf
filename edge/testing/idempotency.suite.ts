import { expect, it } from 'vitest'
import type { TrustClass } from '../../contract/event/trust-class.ts'
import { LIMITS } from '../../contract/limits.ts'
import type { BeginResult, IdempotencyStore, IdempotentRequest } from '../admission/idempotency.ts'

export const request = (
  key = 'k',
  fingerprint = 'f',
  tenant = 't',
  trust: TrustClass = 'server',
): IdempotentRequest => ({
  tenant,
  trust,
  key,
  fingerprint,
})

export const storedResponse = (body: string) => ({ status: 202, body })

export function acquired(result: BeginResult) {
  if (result.kind !== 'acquired') throw new Error(`begin returned ${result.kind}`)
  return result
}

/**
 * What every idempotency store promises, tested with an injected clock.
 * @param create a store without state
 */
export function idempotencySuite(create: () => IdempotencyStore): void {
  it('a response is stored for 30 minutes and no longer', async () => {
    const store = create()
    await acquired(await store.begin(request(), 0)).complete(storedResponse('the response'), 100)
    const until = 100 + LIMITS.idempotencyResultMs
    expect(await store.begin(request(), until - 1)).toEqual({
      kind: 'completed',
      response: storedResponse('the response'),
    })
    expect(await store.begin(request('k', 'other'), until - 1)).toEqual({ kind: 'mismatch' })
    expect((await store.begin(request('k', 'other'), until)).kind).toBe('acquired')
  })

  it('a lease whose holder died expires', async () => {
    const store = create()
    acquired(await store.begin(request(), 0))
    expect(await store.begin(request(), 1_000)).toEqual({ kind: 'in-flight', waitMs: 2_000 })
    // Publishing must have timed out by now, so the holder is dead and the lease runs to its end.
    expect(await store.begin(request(), 4_000)).toEqual({ kind: 'in-flight', waitMs: 11_000 })
    const last = await store.begin(request(), LIMITS.idempotencyLeaseMs - 1)
    expect(last).toMatchObject({ kind: 'in-flight' })
    expect((await store.begin(request(), LIMITS.idempotencyLeaseMs)).kind).toBe('acquired')
  })

  it('a holder that lost its lease can neither release nor complete that of its successor', async () => {
    const store = create()
    const slow = acquired(await store.begin(request(), 0))
    const quick = acquired(await store.begin(request(), LIMITS.idempotencyLeaseMs))
    await slow.release()
    await slow.complete(storedResponse('late'), LIMITS.idempotencyLeaseMs + 1)
    expect((await store.begin(request(), LIMITS.idempotencyLeaseMs + 2)).kind).toBe('in-flight')
    await quick.complete(storedResponse('right'), LIMITS.idempotencyLeaseMs + 3)
    expect(await store.begin(request(), LIMITS.idempotencyLeaseMs + 4)).toMatchObject({
      response: storedResponse('right'),
    })
  })

  it('a released lease is available immediately', async () => {
    const store = create()
    await acquired(await store.begin(request(), 0)).release()
    expect((await store.begin(request('k', 'other'), 1)).kind).toBe('acquired')
  })

  it('the same key of another trust class is another one', async () => {
    const store = create()
    const server = acquired(await store.begin(request('k', 'f', 't', 'server'), 0))
    const visitor = acquired(await store.begin(request('k', 'other', 't', 'public'), 0))
    await server.complete(storedResponse('server'), 1)
    await visitor.complete(storedResponse('visitor'), 1)
    const again = await store.begin(request('k', 'f', 't', 'server'), 2)
    expect(again).toEqual({ kind: 'completed', response: storedResponse('server') })
    expect((await store.begin(request('k', 'f', 't', 'public'), 2)).kind).toBe('mismatch')
  })

  it('a tenant and key are never confused with another pair', async () => {
    const store = create()
    acquired(await store.begin(request('b', 'f', 'a'), 0))
    expect((await store.begin(request('b', 'f', 'a2'), 0)).kind).toBe('acquired')
    expect((await store.begin(request('ab', 'f', ''), 0)).kind).toBe('acquired')
  })

  it('renewing a lease restarts its duration, and an expired lease cannot be renewed', async () => {
    const store = create()
    const lease = acquired(await store.begin(request(), 0))
    await lease.renew(10_000)
    expect(await store.begin(request(), LIMITS.idempotencyLeaseMs + 1)).toMatchObject({
      kind: 'in-flight',
    })
    expect((await store.begin(request(), 10_000 + LIMITS.idempotencyLeaseMs)).kind).toBe('acquired')
    await lease.renew(10_001 + LIMITS.idempotencyLeaseMs)
    await lease.complete(storedResponse('late'), 10_002 + LIMITS.idempotencyLeaseMs)
    expect((await store.begin(request(), 10_003 + LIMITS.idempotencyLeaseMs)).kind).toBe(
      'in-flight',
    )
  })

  it('a checkpoint is kept for the next attempt until one attempt completes', async () => {
    const store = create()
    const first = acquired(await store.begin(request(), 0))
    expect(first.checkpoint).toBeUndefined()
    await first.saveCheckpoint(storedResponse('half'), 1)
    expect((await store.begin(request('k', 'other'), 2)).kind).toBe('mismatch')
    const second = acquired(await store.begin(request(), 2))
    expect(second.checkpoint).toEqual(storedResponse('half'))
    expect((await store.begin(request(), 3)).kind).toBe('in-flight')
    await second.release()
    // The third attempt dies.
    expect(acquired(await store.begin(request(), 4)).checkpoint).toEqual(storedResponse('half'))
    const fourth = acquired(await store.begin(request(), 4 + LIMITS.idempotencyLeaseMs))
    expect(fourth.checkpoint).toEqual(storedResponse('half'))
    await fourth.complete(storedResponse('all'), 5 + LIMITS.idempotencyLeaseMs)
    expect(await store.begin(request(), 6 + LIMITS.idempotencyLeaseMs)).toEqual({
      kind: 'completed',
      response: storedResponse('all'),
    })
  })
}
