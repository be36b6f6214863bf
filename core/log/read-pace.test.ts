import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createReadPace } from './read-pace.ts'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] })
})
afterEach(() => {
  vi.useRealTimers()
})

/** The interval after ten seconds of traffic. */
function intervalAt(recordsPerSecond: number, pace = createReadPace(40, 160)): number {
  for (let ms = 0; ms < 10_000; ms += 100) {
    vi.advanceTimersByTime(100)
    pace.onBatch(recordsPerSecond / 10)
  }
  return Math.round(pace.intervalMs())
}

test('the interval is the shortest in thin traffic, then grows to the longest', () => {
  expect(createReadPace(40, 160).intervalMs()).toBe(40)
  expect(intervalAt(0)).toBe(40)
  expect(intervalAt(400)).toBe(40)
  expect(intervalAt(550)).toBe(70)
  expect(intervalAt(700)).toBe(100)
  expect(intervalAt(1_000)).toBe(160)
  expect(intervalAt(20_000)).toBe(160)
})

test('after dense traffic the interval is short again', () => {
  const pace = createReadPace(40, 160)
  expect(intervalAt(5_000, pace)).toBe(160)
  expect(intervalAt(10, pace)).toBe(40)
})

test('a pause counts for the traffic after it, and two batches within a millisecond do not divide by zero', () => {
  const pace = createReadPace(40, 160)
  vi.advanceTimersByTime(60_000)
  pace.onBatch(100)
  expect(pace.intervalMs()).toBeLessThan(41)
  pace.onBatch(0)
  expect(Number.isFinite(pace.intervalMs())).toBe(true)
})

test('one length is kept whatever the traffic', () => {
  expect(intervalAt(5_000, createReadPace(100))).toBe(100)
  expect(intervalAt(5_000, createReadPace(0))).toBe(0)
})
