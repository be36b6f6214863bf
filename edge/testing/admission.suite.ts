import { expect, it } from 'vitest'
import { LIMITS } from '../../contract/limits.ts'
import type { Gate } from '../admission/admission.ts'
import type { Claim } from '../admission/idempotency.ts'
import { acquired, request, storedResponse } from './idempotency.suite.ts'
import { key, START } from './limiter.suite.ts'

/**
 * What every admission promises about limits and leases in one step.
 * @param create an admission without state
 */
export function admissionSuite(create: () => Gate): void {
  const left = (of: { policies: readonly { remaining: number }[] } | undefined) =>
    of?.policies.map(({ remaining }) => remaining)

  it('admission charges the limits and acquires the lease in one step', async () => {
    const gate = create()
    const asked = { key: key(10, 20), cost: 4, idempotency: request() }
    const { rateLimit: verdict, begun: claim } = await gate.admit(asked, START)
    expect([verdict?.allowed, verdict?.waitMs, left(verdict)]).toEqual([true, 0, [6, 16]])
    await acquired(claim as Claim).finish(storedResponse('done'), START + 1)
    const again = await gate.enter(asked, START + 2)
    expect(again.claim).toEqual({ is: 'done', said: storedResponse('done') })
  })

  it('admission charges nothing for a repeated request that is done, in flight or has another body', async () => {
    const gate = create()
    const ask = (idempotent?: ReturnType<typeof request>) =>
      gate.admit({ key: key(10, 10), cost: 5, idempotency: idempotent }, START)
    const first = await ask(request())
    expect((await ask(request())).claim?.is).toBe('in-flight')
    expect((await ask(request('k', 'other'))).claim?.is).toBe('other-body')
    await acquired(first.claim as Claim).finish(storedResponse('done'), START)
    expect((await ask(request())).claim?.is).toBe('done')
    expect((await ask()).verdict?.allowed).toBe(true)
    expect((await ask()).verdict?.allowed).toBe(false)
  })

  it('a rate-limited request acquires no lease', async () => {
    const gate = create()
    const ask = (events: number, at: number, fingerprint = 'f') =>
      gate.admit({ key: key(10), cost: events, idempotency: request('k', fingerprint) }, at)
    await gate.admit({ key: key(10), cost: 10, idempotency: undefined }, START)
    const refused = await ask(1, START)
    expect([refused.verdict?.allowed, refused.claim]).toEqual([false, undefined])
    const then = START + (refused.verdict?.waitMs ?? 0)
    expect((await ask(1, then - 1)).verdict?.allowed).toBe(false)
    // The key is free: another body may use it.
    expect((await ask(1, then, 'other')).claim?.is).toBe('ours')
  })

  it('admission checks only the limits of a request without an Idempotency-Key', async () => {
    const { verdict, claim } = await create().enter(
      { key: key(10), events: 3, idempotent: undefined },
      START,
    )
    expect([left(verdict)?.[0], claim]).toEqual([7, undefined])
  })

  it('a failed request can return its tokens and its lease', async () => {
    const gate = create()
    const asked = { key: key(10, 10), events: 10, idempotent: request() }
    const { verdict, claim } = await gate.enter(asked, START)
    await Promise.all([verdict?.giveBack(), acquired(claim as Claim).release()])
    const again = await gate.enter(asked, START)
    expect([again.verdict?.allowed, again.claim?.is]).toEqual([true, 'ours'])
  })

  it('admission returns the checkpoint of an earlier attempt', async () => {
    const gate = create()
    const asked = { key: key(10), events: 1, idempotent: request() }
    await acquired((await gate.enter(asked, START)).claim as Claim).keep(
      storedResponse('half'),
      START,
    )
    expect(acquired((await gate.enter(asked, START)).claim as Claim).kept).toEqual(
      storedResponse('half'),
    )
  })

  it('a stored response of any content is returned unchanged, up to the size limit', async () => {
    const gate = create()
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
      const asked = { key: key(1e6), events: 1, idempotent: request(`k${i}`) }
      const texts = { status: 200, body, type: 'text/plain' }
      await acquired((await gate.enter(asked, START)).claim as Claim).finish(texts, START)
      expect((await gate.enter(asked, START)).claim).toEqual({ is: 'done', said: texts })
    }
  })

  it('one of many concurrent requests acquires the lease, and the limits are not exceeded', async () => {
    const gate = create()
    const together = await Promise.all(
      Array.from({ length: 20 }, () =>
        gate.admit({ key: key(100), cost: 1, idempotency: request() }, START),
      ),
    )
    expect(together.filter(({ begun: claim }) => claim?.kind === 'acquired')).toHaveLength(1)
    const many = await Promise.all(
      Array.from({ length: 30 }, () =>
        gate.admit({ key: key(100), cost: 9, idempotency: undefined }, START),
      ),
    )
    expect(many.filter(({ rateLimit: verdict }) => verdict?.allowed)).toHaveLength(11)
  })
}
