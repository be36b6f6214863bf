import { expect, it } from 'vitest'
import { LIMITS } from '../../contract/limits.ts'
import type { Admission } from '../admission/admission.ts'
import type { BeginResult } from '../admission/idempotency.ts'
import { ours, request, say } from './idempotency.suite.ts'
import { key, START } from './limiter.suite.ts'

/**
 * What every gate promises of limits and leases asked together.
 * @param create one that knows nothing yet
 */
export function gateSuite(create: () => Admission): void {
  const left = (of: { policies: readonly { remaining: number }[] } | undefined) =>
    of?.policies.map(({ remaining }) => remaining)

  it('takes and lends at once', async () => {
    const gate = create()
    const asked = { key: key(10, 20), cost: 4, idempotency: request() }
    const { rateLimit: verdict, begun: claim } = await gate.admit(asked, START)
    expect([verdict?.allowed, verdict?.waitMs, left(verdict)]).toEqual([true, 0, [6, 16]])
    await ours(claim as BeginResult).complete(say('done'), START + 1)
    const again = await gate.admit(asked, START + 2)
    expect(again.begun).toEqual({ kind: 'completed', response: say('done') })
  })

  it('takes nothing from who has it done already, finds it in flight, or asks for another body', async () => {
    const gate = create()
    const ask = (idempotent?: ReturnType<typeof request>) =>
      gate.admit({ key: key(10, 10), cost: 5, idempotency: idempotent }, START)
    const first = await ask(request())
    expect((await ask(request())).begun?.kind).toBe('in-flight')
    expect((await ask(request('k', 'other'))).begun?.kind).toBe('mismatch')
    await ours(first.begun as BeginResult).complete(say('done'), START)
    expect((await ask(request())).begun?.kind).toBe('completed')
    expect((await ask()).rateLimit?.allowed).toBe(true)
    expect((await ask()).rateLimit?.allowed).toBe(false)
  })

  it('lends nothing to who has to wait', async () => {
    const gate = create()
    const ask = (events: number, at: number, fingerprint = 'f') =>
      gate.admit({ key: key(10), cost: events, idempotency: request('k', fingerprint) }, at)
    await gate.admit({ key: key(10), cost: 10, idempotency: undefined }, START)
    const refused = await ask(1, START)
    expect([refused.rateLimit?.allowed, refused.begun]).toEqual([false, undefined])
    const then = START + (refused.rateLimit?.waitMs ?? 0)
    expect((await ask(1, then - 1)).rateLimit?.allowed).toBe(false)
    // Nobody holds the key: it may come with another body.
    expect((await ask(1, then, 'other')).begun?.kind).toBe('acquired')
  })

  it('asks for limits alone where nothing is to be done once only', async () => {
    const { rateLimit: verdict, begun: claim } = await create().admit(
      { key: key(10), cost: 3, idempotency: undefined },
      START,
    )
    expect([left(verdict)?.[0], claim]).toEqual([7, undefined])
  })

  it('gives back what was taken, and the lease, for a request that came to nothing', async () => {
    const gate = create()
    const asked = { key: key(10, 10), cost: 10, idempotency: request() }
    const { rateLimit: verdict, begun: claim } = await gate.admit(asked, START)
    await Promise.all([verdict?.refund(), ours(claim as BeginResult).release()])
    const again = await gate.admit(asked, START)
    expect([again.rateLimit?.allowed, again.begun?.kind]).toEqual([true, 'acquired'])
  })

  it('goes on where an earlier try came half-way', async () => {
    const gate = create()
    const asked = { key: key(10), cost: 1, idempotency: request() }
    await ours((await gate.admit(asked, START)).begun as BeginResult).saveCheckpoint(
      say('half'),
      START,
    )
    expect(ours((await gate.admit(asked, START)).begun as BeginResult).checkpoint).toEqual(
      say('half'),
    )
  })

  it('answers of any form are told as they were, and those that are too long are not kept', async () => {
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
      const asked = { key: key(1e6), cost: 1, idempotency: request(`k${i}`) }
      const response = { status: 200, body, type: 'text/plain' }
      await ours((await gate.admit(asked, START)).begun as BeginResult).complete(response, START)
      expect((await gate.admit(asked, START)).begun).toEqual({ kind: 'completed', response })
    }
  })

  it('one of many that come at once gets the lease, and no more is taken than there is', async () => {
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
