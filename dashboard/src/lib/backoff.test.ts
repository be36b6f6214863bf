import { expect, test } from 'vitest'
import { backoffMs } from './backoff.ts'

test('the wait between attempts doubles and never exceeds 30 s', () => {
  const waits = [1, 2, 3, 4, 5, 6, 50].map((tries) => backoffMs(tries, () => 1))
  expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000])
})

test('jitter shortens a wait by at most a fifth', () => {
  expect(backoffMs(6, () => 0)).toBe(24_000)
})
