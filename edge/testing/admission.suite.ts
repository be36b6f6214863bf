import { expect, it } from 'vitest'
import { LIMITS } from '../../contract/limits.ts'
import type { Admission } from '../admission/admission.ts'
import type { BeginResult } from '../admission/idempotency.ts'
import { acquired, request, storedResponse } from './idempotency.suite.ts'
import { key, START } from './limiter.suite.ts'

/**
 * What every admission promises about limits and leases in one step.
 * @param create an admission without state
 */
export function admissionSuite(create: () => Admission): void {
  const left = (of: { policies: readonly { remaining: number }[] } | undefined) =>
    of?.policies.map(({ remaining }) => remaining)

  it('admission charges the limits and acquires the lease in one step', async () => {
    const admission = create()
    const admissionRequest = { key: key(10, 20), cost: 4, idempotency: request() }
    const { rateLimit, begun } = await admission.admit(admissionRequest, START)
    expect([rateLimit?.allowed, rateLimit?.waitMs, left(rateLimit)]).toEqual([true, 0, [6, 16]])
    await acquired(begun as BeginResult).complete(storedResponse('done'), START + 1)
    const again = await admission.admit(admissionRequest, START + 2)
    expect(again.begun).toEqual({ kind: 'completed', response: storedResponse('done') })
  })

  it('admission charges nothing for a repeated request that is done, in flight or has another body', async () => {
    const admission = create()
    const admit = (idempotent?: ReturnType<typeof request>) =>
      admission.admit({ key: key(10, 10), cost: 5, idempotency: idempotent }, START)
    const first = await admit(request())
    expect((await admit(request())).begun?.kind).toBe('in-flight')
    expect((await admit(request('k', 'other'))).begun?.kind).toBe('mismatch')
    await acquired(first.begun as BeginResult).complete(storedResponse('done'), START)
    expect((await admit(request())).begun?.kind).toBe('completed')
    expect((await admit()).rateLimit?.allowed).toBe(true)
    expect((await admit()).rateLimit?.allowed).toBe(false)
  })

  it('a rate-limited request acquires no lease', async () => {
    const admission = create()
    const admit = (events: number, at: number, fingerprint = 'f') =>
      admission.admit({ key: key(10), cost: events, idempotency: request('k', fingerprint) }, at)
    await admission.admit({ key: key(10), cost: 10, idempotency: undefined }, START)
    const limited = await admit(1, START)
    expect([limited.rateLimit?.allowed, limited.begun]).toEqual([false, undefined])
    const allowedAt = START + (limited.rateLimit?.waitMs ?? 0)
    expect((await admit(1, allowedAt - 1)).rateLimit?.allowed).toBe(false)
    // The key is free: another body may use it.
    expect((await admit(1, allowedAt, 'other')).begun?.kind).toBe('acquired')
  })

  it('admission checks only the limits of a request without an Idempotency-Key', async () => {
    const { rateLimit, begun } = await create().admit(
      { key: key(10), cost: 3, idempotency: undefined },
      START,
    )
    expect([left(rateLimit)?.[0], begun]).toEqual([7, undefined])
  })

  it('a failed request can return its tokens and its lease', async () => {
    const admission = create()
    const admissionRequest = { key: key(10, 10), cost: 10, idempotency: request() }
    const { rateLimit, begun } = await admission.admit(admissionRequest, START)
    await Promise.all([rateLimit?.refund(), acquired(begun as BeginResult).release()])
    const again = await admission.admit(admissionRequest, START)
    expect([again.rateLimit?.allowed, again.begun?.kind]).toEqual([true, 'acquired'])
  })

  it('admission returns the checkpoint of an earlier attempt', async () => {
    const admission = create()
    const admissionRequest = { key: key(10), cost: 1, idempotency: request() }
    await acquired(
      (await admission.admit(admissionRequest, START)).begun as BeginResult,
    ).saveCheckpoint(storedResponse('half'), START)
    expect(
      acquired((await admission.admit(admissionRequest, START)).begun as BeginResult).checkpoint,
    ).toEqual(storedResponse('half'))
  })

  it('a stored response of any content is returned unchanged, up to the size limit', async () => {
    const admission = create()
    const bodies = [
      '{"a":1}',
      '12',
      '',
      'null',
      '"text"',
      'ž🐎\u0000\\',
      'x'.repeat(LIMITS.redisResponseCharsMax - 10),
    ]
    for (const [i, body] of bodies.entries()) {
      const admissionRequest = { key: key(1e6), cost: 1, idempotency: request(`k${i}`) }
      const texts = { status: 200, body, type: 'text/plain' }
      await acquired(
        (await admission.admit(admissionRequest, START)).begun as BeginResult,
      ).complete(texts, START)
      expect((await admission.admit(admissionRequest, START)).begun).toEqual({
        kind: 'completed',
        response: texts,
      })
    }
  })

  it('one of many concurrent requests acquires the lease, and the limits are not exceeded', async () => {
    const admission = create()
    const together = await Promise.all(
      Array.from({ length: 20 }, () =>
        admission.admit({ key: key(100), cost: 1, idempotency: request() }, START),
      ),
    )
    expect(together.filter(({ begun }) => begun?.kind === 'acquired')).toHaveLength(1)
    const many = await Promise.all(
      Array.from({ length: 30 }, () =>
        admission.admit({ key: key(100), cost: 9, idempotency: undefined }, START),
      ),
    )
    expect(many.filter(({ rateLimit }) => rateLimit?.allowed)).toHaveLength(11)
  })
}
