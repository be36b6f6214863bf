import { expect, test } from 'vitest'
import { LIVE_LIMITS } from '../../queries/limits.ts'
import { createSubscriptionShares, type SubscribedBy } from './shares.ts'

const {
  subscribersMax,
  subscribersOfOthersMax,
  subscribersPerTenantMax,
  subscribersPerPersonMax,
  subscribersPerCredentialMax,
} = LIVE_LIMITS

/** Subscribes until a limit is reached. @returns how many there are then, the message, and how to leave */
function fill(
  shares: ReturnType<typeof createSubscriptionShares>,
  next: (i: number) => [tenantId: number, by: SubscribedBy],
) {
  const leave: (() => void)[] = []
  for (;;)
    try {
      leave.push(shares.enter(...next(leave.length)))
    } catch (error) {
      return { count: leave.length, message: String(error), leave }
    }
}

const key = (name: string): SubscribedBy => ({ credential: name })
const browser = (name: string): SubscribedBy => ({ credential: name, isOperator: true })
const member = (personId: number, name: string): SubscribedBy => ({ credential: name, personId })

test.each<[string, number, string, (i: number) => [number, SubscribedBy]]>([
  ['a key', subscribersPerCredentialMax, 'of this API key', () => [1, key('k')]],
  ['a browser', subscribersPerCredentialMax, 'in this browser', (i) => [i, browser('s')]],
  ['a tenant', subscribersPerTenantMax, 'of this tenant', (i) => [1, key(`k${i}`)]],
  ['a person', subscribersPerPersonMax, 'of yours', (i) => [i, member(1, `s${i}`)]],
  [
    'a browser of a person',
    subscribersPerCredentialMax,
    'in this browser',
    (i) => [i, member(1, 's')],
  ],
  ['people of a tenant', subscribersPerTenantMax, 'of this tenant', (i) => [1, member(i, `s${i}`)]],
  ['all people', subscribersOfOthersMax, 'here', (i) => [i, member(i, `s${i}`)]],
  ['all keys', subscribersOfOthersMax, 'here', (i) => [i, key(`k${i}`)]],
  ['everybody', subscribersMax, 'here', (i) => [1, browser(`s${i}`)]],
])(
  '%s may have %i subscriptions, and as many again once those have ended',
  (_, max, whose, next) => {
    const shares = createSubscriptionShares()
    for (let round = 0; round < 2; round++) {
      const { count, message, leave } = fill(shares, next)
      expect([count, shares.size]).toEqual([max, max])
      expect(message).toContain(`${max} live subscriptions ${whose}`)
      // One that ends makes room for exactly one.
      leave.pop()?.()
      const again = fill(shares, (i) => next(max - 1 + i))
      expect(again.count).toBe(1)
      for (const each of [...leave, ...again.leave]) each()
      expect(shares.size).toBe(0)
    }
  },
)

test('a full tenant or key leaves room for others, and keys leave room for people who are signed in', () => {
  const shares = createSubscriptionShares()
  fill(shares, (i) => [1, key(`k${i}`)])
  shares.enter(2, key('k0'))
  shares.enter(1, browser('s'))
  fill(shares, (i) => [3 + i, key(`other${i}`)])
  shares.enter(1, browser('s'))
  expect(() => shares.enter(900_000, key('new'))).toThrow('here')
})

test('people and keys of a tenant share its limit', () => {
  const shares = createSubscriptionShares()
  fill(shares, (i) => [1, key(`k${i}`)])
  expect(() => shares.enter(1, member(1, 's'))).toThrow('of this tenant')
  shares.enter(2, member(1, 's'))
})

test('what runs on the connection of a member counts against its own tenant', () => {
  const shares = createSubscriptionShares()
  const held = shares.hold(1, member(1, 's'))
  const { leave } = fill(shares, (i) => [2, key(`k${i}`)])
  expect(() => shares.enter(2, { ...member(1, 's'), held })).toThrow('of this tenant')
  leave.pop()?.()
  // The connection was given back, and counts for the tenant that the subscription is about.
  const end = shares.enter(2, { ...member(1, 's'), held })
  expect(shares.size).toBe(subscribersPerTenantMax)
  expect(() => shares.enter(2, key('new'))).toThrow('of this tenant')
  end()
  shares.enter(2, key('new'))
  const lent = shares.size
  shares.enter(1, { ...member(1, 's'), held })
  expect(shares.size).toBe(lent)
})
