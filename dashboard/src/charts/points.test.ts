import { expect, test } from 'vitest'
import { fillGaps, remainder } from './points.ts'

const point = (time: number, value: number, isFinal: boolean, lateCount = 0) => ({
  timestamp: new Date(time).toISOString(),
  value,
  isFinal,
  lateCount,
})

test('buckets without events are zero, and final as soon as a later one is', () => {
  const filled = fillGaps([0, 1000, 2000, 3000], [point(1000, 5, true, 2), point(3000, 7, false)])
  expect(filled).toEqual([
    { time: 0, value: 0, isFinal: true, lateCount: 0 },
    { time: 1000, value: 5, isFinal: true, lateCount: 2 },
    { time: 2000, value: 0, isFinal: false, lateCount: 0 },
    { time: 3000, value: 7, isFinal: false, lateCount: 0 },
  ])
})

test('what lies a day behind the newest events is final, even where none is known to be', () => {
  const [month, hour] = [31 * 86_400_000, 3_600_000]
  const finals = (buckets: number[], at: number) =>
    fillGaps(buckets, [point(at, 1, false)]).map(({ isFinal }) => isFinal)
  expect(finals([0, month, 2 * month], 2 * month)).toEqual([true, false, false])
  expect(finals([0, hour, 2 * hour], 2 * hour)).toEqual([false, false, false])
})

test('what is left over is never less than nothing', () => {
  const line = (...values: number[]) =>
    values.map((value, time) => ({ time, value, isFinal: true, lateCount: 0 }))
  const rest = remainder(line(10, 10), [line(3, 6), line(2, 6)])
  expect(rest.map(({ value }) => value)).toEqual([5, 0])
})
