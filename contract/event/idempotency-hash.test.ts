import { expect, test } from 'vitest'
import { idempotencyHash, readIdempotencyHash } from './idempotency-hash.ts'

test('a key has one hash in a tenant and trust class, and another one elsewhere', async () => {
  // It must never change: events are found by it for as long as they are held.
  expect(await idempotencyHash('shop', 'server', 'order-7')).toBe('6a3dfa23fb7a9e3f')
  const others = [
    await idempotencyHash('shop', 'public', 'order-7'),
    await idempotencyHash('shop-2', 'server', 'order-7'),
    await idempotencyHash('shop', 'server', 'order-8'),
  ]
  expect(new Set([...others, '6a3dfa23fb7a9e3f']).size).toBe(4)
})

test('64 bits are read as a signed number, and nothing else is', () => {
  expect(readIdempotencyHash('7fffffffffffffff')).toBe(2n ** 63n - 1n)
  expect(readIdempotencyHash('8000000000000000')).toBe(-(2n ** 63n))
  expect(readIdempotencyHash('ffffffffffffffff')).toBe(-1n)
  for (const other of ['7fffffffffffff', '7FFFFFFFFFFFFFFF', '7fffffffffffffff0', '', 7, null, {}])
    expect(readIdempotencyHash(other)).toBeUndefined()
})
