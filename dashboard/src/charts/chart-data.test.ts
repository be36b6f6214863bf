import { expect, test } from 'vitest'
import { resolveRange } from '../lib/time/range.ts'
import { createOptions } from './chart-options.ts'
import { seriesColour } from './colours.ts'
import { type ChartData, type Dataset, mergeDatasets } from './datasets.ts'
import { fillEmptyBuckets, isRevised, remainder } from './points.ts'
import { ticksBetween } from './ticks.ts'

const at = (text: string) => Date.parse(text)
const [MINUTE, HOUR, DAY] = [60_000, 3_600_000, 86_400_000]
const START = at('2026-11-16T00:00:00Z')

test('a bucket is revised when late events came after it was final', () => {
  const point = { time: 0, value: 1 }
  expect(isRevised({ ...point, isFinal: true, lateCount: 1 })).toBe(true)
  expect(isRevised({ ...point, isFinal: true, lateCount: 0 })).toBe(false)
  expect(isRevised({ ...point, isFinal: false, lateCount: 1 })).toBe(false)
})

test('an empty bucket is final exactly when its end, or the quarter in which the range ends, is', () => {
  const range = resolveRange(
    { kind: 'absolute', from: START, to: START + 40 * MINUTE },
    START + DAY,
    'UTC',
  )
  const finals = (through: number) =>
    fillEmptyBuckets(range, [], through).map(({ isFinal }) => isFinal)
  expect(finals(START + 15 * MINUTE - 1)).toEqual([false, false, false])
  expect(finals(START + 15 * MINUTE)).toEqual([true, false, false])
  expect(finals(START + 40 * MINUTE)).toEqual([true, true, false])
  expect(finals(START + 45 * MINUTE)).toEqual([true, true, true])
  expect(finals(0)).toEqual([false, false, false])
})

test('the remainder keeps the points of the whole, and takes off what each part has there', () => {
  const line = (...values: number[]) =>
    values.map((value, time) => ({ time, value, isFinal: time > 0, lateCount: time }))
  expect(remainder(line(5, 7), [line(1), line(2, 3)])).toEqual([
    { time: 0, value: 2, isFinal: false, lateCount: 0 },
    { time: 1, value: 4, isFinal: true, lateCount: 1 },
  ])
  expect(remainder(line(5), [])).toEqual(line(5))
})

test('eight lines have colours of their own, and the ninth has that of the others', () => {
  expect([0, 7, 8, 100].map(seriesColour)).toEqual([
    'var(--series-1)',
    'var(--series-8)',
    'var(--series-other)',
    'var(--series-other)',
  ])
})

test('a line that stays is the same object with its new values, so that it is animated in place', () => {
  const [a, b] = [
    { label: 'a', data: [] },
    { label: 'b', data: [] },
  ] as unknown as Dataset[]
  const next = [
    { label: 'c', data: [1] },
    { label: 'a', data: [2] },
  ] as unknown as Dataset[]
  const merged = mergeDatasets([a as Dataset, b as Dataset], next)
  expect(merged[1]).toBe(a)
  expect(merged[0]).toBe(next[0])
  expect(merged).toMatchObject([
    { label: 'c', data: [1] },
    { label: 'a', data: [2] },
  ])
})

const data = (times: number[]): ChartData => ({
  resolution: 'HOUR',
  zone: 'UTC',
  times,
  whole: [],
  lines: [],
  previous: undefined,
  isStacked: true,
})

test('the axis of time begins and ends with its buckets, with a tick for each 64 pixels at most', () => {
  const times = Array.from({ length: 25 }, (_, i) => START + i * HOUR)
  const options = createOptions(data(times), { text: 'black', grid: 'grey' }, () => {})
  const x = options.scales?.x as {
    min: number
    max: number
    afterBuildTicks(scale: object): void
    ticks: { callback(value: number, index: number): string }
  }
  expect([x.min, x.max]).toEqual([START, START + DAY])
  const ticks = (width: number) => {
    const scale = { width, ticks: [] as { value: number }[] }
    x.afterBuildTicks(scale)
    return scale.ticks.map(({ value }) => (value - START) / HOUR)
  }
  expect(ticks(64 * 8)).toEqual([0, 3, 6, 9, 12, 15, 18, 21, 24])
  expect(ticks(64 * 8 - 1)).toEqual([0, 6, 12, 18, 24])
  expect(ticks(1)).toEqual([0, 12, 24])
  expect(ticks(10_000)).toHaveLength(25)
  expect([x.ticks.callback(START, 0), x.ticks.callback(START + DAY, 1)]).toEqual([
    '00:00',
    '17 Nov',
  ])
  const y = options.scales?.y as { stacked: boolean; ticks: { callback(value: number): string } }
  expect([y.stacked, y.ticks.callback(20_000)]).toEqual([true, '20\u00a0k'])
})

test('a chart of one bucket, or of none, has an axis too', () => {
  for (const times of [[], [START]]) {
    const x = createOptions(data(times), { text: '', grid: '' }, () => {}).scales?.x as {
      afterBuildTicks(scale: object): void
    }
    const scale = { width: 500, ticks: [{ value: 1 }] }
    x.afterBuildTicks(scale)
    expect(scale.ticks.map(({ value }) => value)).toEqual(times)
  }
})

test('hovering names the bucket, and leaving the chart none', () => {
  const hovered: unknown[] = []
  const options = createOptions(data([START]), { text: '', grid: '' }, (...args) =>
    hovered.push(args),
  )
  const external = options.plugins?.tooltip?.external as unknown as (context: object) => void
  external({ tooltip: { opacity: 1, dataPoints: [{ dataIndex: 3 }], caretX: 9 } })
  external({ tooltip: { opacity: 0, dataPoints: [{ dataIndex: 3 }], caretX: 8 } })
  external({ tooltip: { opacity: 1, caretX: 7 } })
  external({ tooltip: { opacity: 1, dataPoints: [], caretX: 6 } })
  expect(hovered).toEqual([
    [3, 9],
    [undefined, 8],
    [undefined, 7],
    [undefined, 6],
  ])
})

test.each([
  // length, most ticks, finest, distance of the first two
  [15 * MINUTE, 15, MINUTE, MINUTE],
  [15 * MINUTE, 14, MINUTE, 2 * MINUTE],
  [HOUR, 12, MINUTE, 5 * MINUTE],
  [HOUR, 6, MINUTE, 10 * MINUTE],
  [HOUR, 4, MINUTE, 15 * MINUTE],
  [HOUR, 2, MINUTE, 30 * MINUTE],
  [DAY, 24, MINUTE, HOUR],
  [DAY, 12, MINUTE, 2 * HOUR],
  [DAY, 24, 3 * HOUR, 3 * HOUR],
  [DAY, 24, 3.3 * HOUR, 3 * HOUR],
  [DAY, 24, 3.4 * HOUR, 6 * HOUR],
  [DAY, 2, MINUTE, 12 * HOUR],
  [10 * DAY, 10, HOUR, DAY],
  [10 * DAY, 5, HOUR, 2 * DAY],
  [28 * DAY, 4, HOUR, 7 * DAY],
  [56 * DAY, 4, HOUR, 14 * DAY],
] as const)(
  'ticks over %d ms, at most %d and none finer than %d ms, are %d ms apart',
  (length, most, finest, distance) => {
    const ticks = ticksBetween(START, START + length, 'UTC', most, finest)
    expect(ticks[0]).toBe(START)
    expect(new Set(ticks.slice(1).map((tick, i) => tick - (ticks[i] as number)))).toEqual(
      new Set([distance]),
    )
  },
)

test('over years, ticks are at the beginnings of months and years', () => {
  const names = (from: string, to: string, most: number) =>
    ticksBetween(at(from), at(to), 'UTC', most, DAY).map((tick) =>
      new Date(tick).toISOString().slice(0, 10),
    )
  expect(names('2026-02-10T00:00:00Z', '2026-06-10T00:00:00Z', 4)).toEqual([
    '2026-03-01',
    '2026-04-01',
    '2026-05-01',
    '2026-06-01',
  ])
  expect(names('2025-12-10T00:00:00Z', '2027-02-10T00:00:00Z', 5)).toEqual([
    '2026-01-01',
    '2026-04-01',
    '2026-07-01',
    '2026-10-01',
    '2027-01-01',
  ])
  expect(names('2020-02-01T00:00:00Z', '2026-02-01T00:00:00Z', 7)).toEqual([
    '2021-01-01',
    '2022-01-01',
    '2023-01-01',
    '2024-01-01',
    '2025-01-01',
    '2026-01-01',
  ])
  expect(names('1990-01-01T00:00:00Z', '2026-01-01T00:00:00Z', 3)[0]).toBe('1990-01-01')
})
