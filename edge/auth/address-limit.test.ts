import { expect, it } from 'vitest'
import { LIMITS } from '../../contract/limits.ts'
import { createAddressLimit, createLookupQueue, TooManyLookupsError } from './address-limit.ts'

const NOW = 1_763_716_800_000
const most = LIMITS.unknownKeysPerMinuteMax

function waitOf(enter: () => unknown): number {
  try {
    enter()
    return 0
  } catch (error) {
    if (error instanceof TooManyLookupsError) return error.waitMs
    throw error
  }
}

it('an address may have a hundred unknown keys looked up, and then one after each waiting time', () => {
  const limit = createAddressLimit()
  for (let i = 0; i < most; i++) limit.countLookup('192.0.2.1', NOW)
  const wait = waitOf(() => limit.countLookup('192.0.2.1', NOW))
  expect(wait).toBe(60_000 / most)
  expect(waitOf(() => limit.countLookup('192.0.2.1', NOW + wait - 1))).toBe(1)
  expect(waitOf(() => limit.countLookup('192.0.2.1', NOW + wait))).toBe(0)
  expect(waitOf(() => limit.countLookup('192.0.2.2', NOW))).toBe(0)
})

it('a look-up that finds its key is not counted', () => {
  const limit = createAddressLimit()
  for (let i = 0; i < 10 * most; i++) limit.countLookup('192.0.2.1', NOW)()
  for (let i = 0; i < most; i++) limit.countLookup('192.0.2.1', NOW)
  expect(waitOf(() => limit.countLookup('192.0.2.1', NOW))).toBeGreaterThan(0)
})

it('all addresses of a /64 share a limit, and its neighbour has another', () => {
  const limit = createAddressLimit()
  for (let i = 0; i < most; i++) limit.countLookup(`[2001:db8:0:1::${i.toString(16)}]:443`, NOW)
  expect(waitOf(() => limit.countLookup('2001:0db8::1:aaaa:bbbb:cccc:dddd', NOW))).toBeGreaterThan(
    0,
  )
  expect(waitOf(() => limit.countLookup('2001:db8:0:2::1', NOW))).toBe(0)
})

it('the limit remembers no more addresses than its maximum', () => {
  const limit = createAddressLimit(2)
  for (let i = 0; i < most; i++) limit.countLookup('192.0.2.1', NOW)
  limit.countLookup('192.0.2.2', NOW)
  limit.countLookup('192.0.2.3', NOW)
  // The first was forgotten.
  expect(waitOf(() => limit.countLookup('192.0.2.1', NOW))).toBe(0)
})

it('an address that other edges found over the limit waits as long as they say, with its whole /64', () => {
  const limit = createAddressLimit()
  limit.exhaust('2001:db8:0:1::1', 5_000, NOW)
  for (const [passed, wait] of [
    [0, 5_000],
    [4_999, 1],
    [5_000, 0],
  ] as const)
    expect(waitOf(() => limit.countLookup('[2001:db8:0:1::2]:443', NOW + passed))).toBe(wait)
  expect(waitOf(() => limit.countLookup('2001:db8:0:2::1', NOW))).toBe(0)
})

const { lookupOverLimitMs, lookupOverLimitAnyMs, lookupWaitMsMax } = LIMITS

it('look-ups over the limit have one turn after the other for a /64, until the wait is too long', () => {
  const queue = createLookupQueue()
  const turns = lookupWaitMsMax / lookupOverLimitMs
  for (let i = 0; i <= turns; i++)
    expect(queue.enter(`2001:db8:0:1::${i.toString(16)}`, NOW)).toBe(i * lookupOverLimitMs)
  expect(queue.enter('2001:db8:0:1::ffff', NOW)).toBeUndefined()
  expect(queue.enter('2001:db8:0:1::ffff', NOW + lookupOverLimitMs)).toBe(lookupWaitMsMax)
})

it('look-ups over the limit have one turn after the other for all addresses together', () => {
  const queue = createLookupQueue()
  const turns = lookupWaitMsMax / lookupOverLimitAnyMs
  for (let i = 0; i <= turns; i++)
    expect(queue.enter(`192.0.2.${i}`, NOW)).toBe(i * lookupOverLimitAnyMs)
  expect(queue.enter('198.51.100.1', NOW)).toBeUndefined()
  expect(queue.enter('198.51.100.1', NOW + lookupOverLimitAnyMs)).toBe(lookupWaitMsMax)
})

it('a clock that was set back refuses nobody a turn', () => {
  const queue = createLookupQueue()
  for (let i = 0; i < 100; i++) queue.enter('192.0.2.1', NOW)
  const earlier = NOW - 3_600_000
  expect(queue.enter('192.0.2.1', earlier)).toBe(0)
  expect(queue.enter('192.0.2.1', earlier)).toBe(lookupOverLimitMs)
  expect(queue.enter('192.0.2.2', earlier)).toBe(2 * lookupOverLimitAnyMs)
})
