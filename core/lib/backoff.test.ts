import { describe, expect, test } from 'vitest'
import { backoffMs } from './backoff.ts'

describe('backoffMs', () => {
  test('doubles with each attempt up to its maximum', () => {
    const waits = [0, 1, 2, 3, 4, 5_000].map((n) => backoffMs(n, { baseMs: 50, maxMs: 400 }))
    expect(waits).toEqual([50, 100, 200, 400, 400, 400])
  })

  test('has no maximum unless one is given', () => {
    expect(backoffMs(20, { baseMs: 1 })).toBe(2 ** 20)
  })

  test('with jitter waits between a half and the whole of the time', () => {
    const waits = Array.from({ length: 200 }, () => backoffMs(1, { baseMs: 50, jitter: true }))
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(50)
    expect(Math.max(...waits)).toBeLessThanOrEqual(100)
    expect(new Set(waits).size).toBeGreaterThan(1)
  })
})
