import { expect, test } from 'vitest'
import { cutIntoWindows, windowsWithin } from './day-windows.ts'

const DAY_MS = 86_400_000
const dayAt = (i: number) =>
  new Date(Date.UTC(2026, 10, 30) - i * DAY_MS).toISOString().slice(0, 10)
const days = (count: number) => Array.from({ length: count }, (_, i) => dayAt(i))

test.each([0, 1, 5, 6, 7, 37, 38, 39, 400])(
  'the windows of %i days cover every day once, also days without a partition yet',
  (count) => {
    const windows = cutIntoWindows(days(count))
    for (let i = -5; i < count + 100; i++) {
      const covering = windows.filter(
        ({ from, before }) =>
          (from === undefined || from <= dayAt(i)) && (before === undefined || dayAt(i) < before),
      )
      expect([i, covering.length]).toEqual([i, 1])
    }
    expect(windows.length).toBe(1 + Math.max(0, Math.ceil((count - 6) / 32)))
  },
)

test('a window holds at most 32 days, and the newest one six', () => {
  const windows = cutIntoWindows(days(400))
  expect(windows[0]).toEqual({ from: dayAt(5), before: undefined })
  expect(windows[1]).toEqual({ from: dayAt(37), before: dayAt(5) })
  expect(windows.at(-1)).toEqual({ from: undefined, before: dayAt(389) })
})

test('only windows that touch the days asked for are read, exactly to the day', () => {
  const windows = cutIntoWindows(days(80))
  const within = (first?: number, last?: number) =>
    windowsWithin(windows, {
      first: first === undefined ? undefined : dayAt(first),
      last: last === undefined ? undefined : dayAt(last),
    }).map((window) => windows.indexOf(window))
  expect(within()).toEqual([0, 1, 2, 3])
  expect(within(undefined, 5)).toEqual([0, 1, 2, 3])
  expect(within(undefined, 6)).toEqual([1, 2, 3])
  expect(within(5)).toEqual([0])
  expect(within(6)).toEqual([0, 1])
  expect(within(38, 37)).toEqual([1, 2])
  expect(within(400, 300)).toEqual([3])
})
