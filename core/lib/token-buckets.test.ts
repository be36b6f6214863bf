import { expect, test } from 'vitest'
import { createTokenBuckets } from './token-buckets.ts'

test('a client may use a minute of tokens at once, and gets them back over a minute', () => {
  let now = 0
  const buckets = createTokenBuckets({ perMinute: 3, now: () => now })
  expect([1, 2, 3, 4].map(() => buckets.take('a'))).toEqual([true, true, true, false])
  expect([buckets.has('a'), buckets.has('b'), buckets.take('b')]).toEqual([false, true, true])
  now += 20_000
  expect([buckets.take('a'), buckets.take('a')]).toEqual([true, false])
})

test('only so many clients are remembered', () => {
  const buckets = createTokenBuckets({ perMinute: 1, clientsMax: 2, now: () => 0 })
  for (const client of ['a', 'b', 'c']) expect(buckets.take(client)).toBe(true)
  expect([buckets.has('a'), buckets.has('b'), buckets.has('c')]).toEqual([true, false, false])
})

test('the addresses of an IPv6 /64 are one client, whatever way they are written', () => {
  const buckets = createTokenBuckets({ perMinute: 2 })
  expect([buckets.take('2001:db8::1'), buckets.take('2001:0DB8:0:0:ffff::')]).toEqual([true, true])
  expect([buckets.has('[2001:db8::2]:443'), buckets.take('2001:db8::3')]).toEqual([false, false])
  expect([buckets.take('2001:db8:0:1::1'), buckets.take('192.0.2.1')]).toEqual([true, true])
})
