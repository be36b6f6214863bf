import { expect, it } from 'vitest'
import { LIMITS } from '../../contract/limits.ts'
import { createAddressLimit, TooManyLookupsError } from './address-limit.ts'

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
