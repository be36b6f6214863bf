import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type ResolvedRange, resolveRange } from '../lib/time/range.ts'
import { clearColourCache, resolveColour } from './colours.ts'
import { type ChartData, createDatasets, type Dataset, mergeDatasets } from './datasets.ts'
import type { Point } from './points.ts'

/** Enough of a document to resolve a colour. */
const canvas = { parentElement: { append() {} } } as unknown as HTMLCanvasElement
beforeEach(() => {
  vi.stubGlobal('document', { createElement: () => ({ style: {}, remove() {} }) })
  vi.stubGlobal('getComputedStyle', () => ({ color: 'rgb(1, 2, 3)' }))
})
afterEach(() => {
  clearColourCache()
  vi.unstubAllGlobals()
})

const at = (text: string) => Date.parse(text)
const pointsAt = (times: number[], numberOf: (i: number) => number, isFinal = true): Point[] =>
  times.map((time, i) => ({ time, value: numberOf(i), isFinal, lateCount: 0 }))
const dataOf = (range: ResolvedRange, changes: Partial<ChartData> = {}): ChartData => {
  const points = pointsAt(range.buckets, (i) => i)
  return {
    resolution: range.resolution,
    zone: range.zone,
    times: range.buckets,
    whole: points,
    lines: [{ name: '*', colour: 'var(--accent)', points }],
    previous: pointsAt(range.previousBuckets, (i) => 1_000 + i),
    isStacked: false,
    ...changes,
  }
}
const xy = (dataset: Dataset | undefined) => dataset?.data.map(({ x, y }) => [x, y])

test.each([
  ['UTC', '2026-11-21T00:00:00Z', '2026-11-24T00:00:00Z'],
  // Clocks go back in the range, and in the period before it.
  ['America/New_York', '2025-11-01T04:00:00Z', '2025-11-04T05:00:00Z'],
  ['America/New_York', '2025-11-04T05:00:00Z', '2025-11-08T05:00:00Z'],
  // By half an hour, so that the night has a bucket of half an hour.
  ['Australia/Lord_Howe', '2026-04-03T13:00:00Z', '2026-04-06T13:30:00Z'],
  ['Australia/Lord_Howe', '2026-04-05T13:30:00Z', '2026-04-08T13:30:00Z'],
  ['Australia/Lord_Howe', '2025-10-03T13:30:00Z', '2025-10-06T13:00:00Z'],
])(
  'in %s the period before is drawn bucket by bucket at the times of the range from %s',
  (zone, from, to) => {
    const range = resolveRange(
      { kind: 'absolute', from: at(from), to: at(to) },
      at('2027-01-01'),
      zone,
    )
    const [line, previous, ...others] = createDatasets(dataOf(range), canvas)
    expect(others).toEqual([])
    expect(xy(line)).toEqual(range.buckets.map((time, i) => [time, i]))
    expect(xy(previous)).toEqual(range.buckets.map((time, i) => [time, 1_000 + i]))
    expect(range.previousWindow.to).toBe(range.window.from)
  },
)

const hours = resolveRange(
  { kind: 'absolute', from: at('2026-11-21T00:00:00Z'), to: at('2026-11-24T00:00:00Z') },
  at('2027-01-01'),
  'UTC',
)

test('an unknown period before is left out of the chart', () => {
  expect(createDatasets(dataOf(hours, { previous: undefined }), canvas)).toHaveLength(1)
})

test('lines by name are stacked from the first one up, and the period before is not part of the stack', () => {
  const lines = ['a', 'b', 'other'].map((name, n) => ({
    ...{ name, colour: `var(--series-${n + 1})` },
    points: pointsAt(hours.buckets, (i) => 10 * n + i),
  }))
  const datasets = createDatasets(dataOf(hours, { lines, isStacked: true }), canvas)
  expect(datasets.map(({ fill, stack, order }) => [fill, stack, order])).toEqual([
    ['origin', undefined, 0],
    ['-1', undefined, 1],
    ['-1', undefined, 2],
    [false, 'previous', 99],
  ])
  expect(datasets[2]?.data[5]).toEqual({ x: hours.buckets[5], y: 25 })
})

test('the way to a bucket that is not final is dashed and pale, the way to a final one is not', () => {
  const points = pointsAt(hours.buckets, (i) => i).map((point, i) => ({ ...point, isFinal: i < 2 }))
  const [line] = createDatasets(
    dataOf(hours, { lines: [{ name: '*', colour: 'var(--accent)', points }] }),
    canvas,
  )
  type Style = (context: { p0DataIndex: number; p1DataIndex: number }) => unknown
  const segment = line?.segment as unknown as { borderDash: Style; borderColor: Style }
  const to = (i: number) => ({ p0DataIndex: i - 1, p1DataIndex: i })
  expect([segment.borderDash(to(1)), segment.borderColor(to(1))]).toEqual([undefined, undefined])
  expect([segment.borderDash(to(2)), segment.borderColor(to(2))]).toEqual([
    [4, 4],
    'rgba(1, 2, 3, 0.5)',
  ])
})

test('a number has a point of its own where the line has gaps on both sides of it', () => {
  const numbers = [1, 2, Number.NaN, 4, Number.NaN, 6, 7]
  const points = pointsAt(hours.buckets.slice(0, 7), (i) => numbers[i] as number)
  const [line] = createDatasets(
    dataOf(hours, { lines: [{ name: '*', colour: 'var(--accent)', points }] }),
    canvas,
  )
  const radius = line?.pointRadius as (context: { dataIndex: number }) => number
  const drawn = numbers.map((_, dataIndex) => radius({ dataIndex }) > 0)
  expect(drawn).toEqual([false, false, false, true, false, false, false])
})

test('a line that is drawn already is changed in place, and takes all numbers of the new one', () => {
  const old = createDatasets(dataOf(hours), canvas)
  const points = pointsAt(hours.buckets, (i) => 7 * i)
  const next = createDatasets(
    dataOf(hours, { lines: [{ name: '*', colour: 'var(--accent)', points }], previous: undefined }),
    canvas,
  )
  const merged = mergeDatasets(old, next)
  expect(merged).toHaveLength(1)
  expect(merged[0]).toBe(old[0])
  expect(xy(merged[0])).toEqual(hours.buckets.map((time, i) => [time, 7 * i]))
})

test('lines that change places or come and go keep their own objects', () => {
  const named = (...names: string[]) =>
    createDatasets(
      dataOf(hours, {
        lines: names.map((name) => ({
          name,
          colour: 'var(--accent)',
          points: pointsAt(hours.buckets, () => name.length),
        })),
      }),
      canvas,
    )
  const old = named('a', 'bb')
  const merged = mergeDatasets(old, named('ccc', 'bb', 'a'))
  expect(merged.map((dataset) => old.indexOf(dataset))).toEqual([-1, 1, 0, 2])
  expect(merged.slice(0, 3).map((dataset) => xy(dataset)?.[0]?.[1])).toEqual([3, 2, 1])
})

test('a single line has a gradient below it, and none before the chart has a size', () => {
  const range = resolveRange({ kind: 'relative', id: '6h' }, at('2026-11-21T10:00:00Z'), 'UTC')
  const [line] = createDatasets(dataOf(range), canvas)
  const background = line?.backgroundColor as (context: unknown) => unknown
  const stops: unknown[][] = []
  const gradient = { addColorStop: (...stop: unknown[]) => stops.push(stop) }
  const created: number[][] = []
  const ctx = {
    createLinearGradient(...ends: number[]) {
      created.push(ends)
      return gradient
    },
  }
  expect(background({ chart: { ctx } })).toBe('transparent')
  expect(background({ chart: { ctx, chartArea: { top: 8, bottom: 100 } } })).toBe(gradient)
  expect(created).toEqual([[0, 8, 0, 100]])
  expect(stops).toEqual([
    [0, 'rgba(1, 2, 3, 0.2)'],
    [1, 'rgba(1, 2, 3, 0.02)'],
  ])
})

test('a colour is resolved once in its place, and again after the theme changed', () => {
  const calls: string[] = []
  const probe = { style: { color: '' }, remove: () => calls.push('remove') }
  vi.stubGlobal('document', { createElement: () => probe })
  vi.stubGlobal('getComputedStyle', () => ({ color: 'rgb(10, 20.5, 255)' }))
  const parent = { append: () => calls.push('append') } as unknown as HTMLElement
  expect(resolveColour('red', parent, 0.5)).toBe('rgba(10, 20.5, 255, 0.5)')
  expect(resolveColour('red', parent, 0.5)).toBe('rgba(10, 20.5, 255, 0.5)')
  expect(calls).toEqual(['append', 'remove'])
  clearColourCache()
  vi.stubGlobal('getComputedStyle', () => ({ color: '' }))
  expect(resolveColour('red', parent, 0.5)).toBe('rgba(128, 128, 128, 0.5)')
})
