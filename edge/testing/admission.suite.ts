import { expect, it } from 'vitest'
import { LIMITS } from '../../contract/limits.ts'
import type { Gate } from '../admission/admission.ts'
import type { Claim } from '../admission/idempotency.ts'
import { ours, request, say } from './idempotency.suite.ts'
import { key, START } from './limiter.suite.ts'

/**
 * What every gate promises of limits and leases asked together.
 * @param create one that knows nothing yet
 */
export function gateSuite(create: () => Gate): void {
  const left = (of: { policies: readonly { remaining: number }[] } | undefined) =>
    of?.policies.map(({ remaining }) => remaining)

  it('takes and lends at once', async () => {
    const gate = create()
    const asked = { key: key(10, 20), events: 4, idempotent: request() }
    const { verdict, claim } = await gate.enter(asked, START)
    expect([verdict?.allowed, verdict?.waitMs, left(verdict)]).toEqual([true, 0, [6, 16]])
    await ours(claim as Claim).finish(say('done'), START + 1)
    const again = await gate.enter(asked, START + 2)
    expect(again.claim).toEqual({ is: 'done', said: say('done') })
  })

  it('takes nothing from who has it done already, finds it in flight, or asks for another body', async () => {
    const gate = create()
    const ask = (idempotent?: ReturnType<typeof request>) =>
      gate.enter({ key: key(10, 10), events: 5, idempotent }, START)
    const first = await ask(request())
    expect((await ask(request())).claim?.is).toBe('in-flight')
    expect((await ask(request('k', 'other'))).claim?.is).toBe('other-body')
    await ours(first.claim as Claim).finish(say('done'), START)
    expect((await ask(request())).claim?.is).toBe('done')
    expect((await ask()).verdict?.allowed).toBe(true)
    expect((await ask()).verdict?.allowed).toBe(false)
  })

  it('lends nothing to who has to wait', async () => {
    const gate = create()
    const ask = (events: number, at: number, fingerprint = 'f') =>
      gate.enter({ key: key(10), events, idempotent: request('k', fingerprint) }, at)
    await gate.enter({ key: key(10), events: 10, idempotent: undefined }, START)
    const refused = await ask(1, START)
    expect([refused.verdict?.allowed, refused.claim]).toEqual([false, undefined])
    const then = START + (refused.verdict?.waitMs ?? 0)
    expect((await ask(1, then - 1)).verdict?.allowed).toBe(false)
    // Nobody holds the key: it may come with another body.
    expect((await ask(1, then, 'other')).claim?.is).toBe('ours')
  })

  it('asks for limits alone where nothing is to be done once only', async () => {
    const { verdict, claim } = await create().enter(
      { key: key(10), events: 3, idempotent: undefined },
      START,
    )
    expect([left(verdict)?.[0], claim]).toEqual([7, undefined])
  })

  it('gives back what was taken, and the lease, for a request that came to nothing', async () => {
    const gate = create()
    const asked = { key: key(10, 10), events: 10, idempotent: request() }
    const { verdict, claim } = await gate.enter(asked, START)
    await Promise.all([verdict?.giveBack(), ours(claim as Claim).release()])
    const again = await gate.enter(asked, START)
    expect([again.verdict?.allowed, again.claim?.is]).toEqual([true, 'ours'])
  })

  it('goes on where an earlier try came half-way', async () => {
    const gate = create()
    const asked = { key: key(10), events: 1, idempotent: request() }
    await ours((await gate.enter(asked, START)).claim as Claim).keep(say('half'), START)
    expect(ours((await gate.enter(asked, START)).claim as Claim).kept).toEqual(say('half'))
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
      const asked = { key: key(1e6), events: 1, idempotent: request(`k${i}`) }
      const said = { status: 200, body, type: 'text/plain' }
      await ours((await gate.enter(asked, START)).claim as Claim).finish(said, START)
      expect((await gate.enter(asked, START)).claim).toEqual({ is: 'done', said })
    }
  })

  it('one of many that come at once gets the lease, and no more is taken than there is', async () => {
    const gate = create()
    const together = await Promise.all(
      Array.from({ length: 20 }, () =>
        gate.enter({ key: key(100), events: 1, idempotent: request() }, START),
      ),
    )
    expect(together.filter(({ claim }) => claim?.is === 'ours')).toHaveLength(1)
    const many = await Promise.all(
      Array.from({ length: 30 }, () =>
        gate.enter({ key: key(100), events: 9, idempotent: undefined }, START),
      ),
    )
    expect(many.filter(({ verdict }) => verdict?.allowed)).toHaveLength(11)
  })
}
