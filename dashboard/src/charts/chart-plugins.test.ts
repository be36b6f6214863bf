import { expect, test } from 'vitest'
import { liveEdgePlugin, revisedMarksPlugin } from './chart-plugins.ts'
import type { ChartData } from './datasets.ts'

const pointOf = (time: number, isFinal: boolean, lateCount: number) => ({
  ...{ time, value: 1, isFinal, lateCount },
})
const dataOf = (changes: Partial<ChartData>) => changes as ChartData

test.each([
  ['of a stack is on its top line', { isStacked: true, lines: 3 }, 2],
  ['of one line is on it, and not on the period before', { isStacked: false, lines: 1 }, 0],
])('the newest point %s', (_, { isStacked, lines }, dataset) => {
  const edges: number[][] = []
  const data = dataOf({ isStacked, lines: Array(lines).fill({}) })
  const plugin = liveEdgePlugin(
    () => data,
    (...edge) => edges.push(edge),
  )
  const chart = {
    getDatasetMeta: (i: number) => ({
      data: [
        { x: 1, y: 1 },
        { x: 9, y: i },
      ],
    }),
  }
  plugin.afterDatasetsDraw?.(chart as never, {} as never, {} as never, false)
  expect(edges).toEqual([[9, dataset]])
})

test('a mark is drawn at each bucket that a late event revised, and at no other', () => {
  const whole = [
    pointOf(10, true, 0),
    pointOf(20, true, 2),
    // Not final: its late events have revised nothing yet.
    pointOf(30, false, 1),
    pointOf(40, true, 1),
  ]
  const marks: number[] = []
  const ctx = {
    ...{ save() {}, restore() {}, beginPath() {}, lineTo() {}, fill() {} },
    moveTo: (x: number) => marks.push(x),
  }
  const chart = {
    ctx,
    chartArea: { bottom: 100 },
    scales: { x: { getPixelForValue: (time: number) => 2 * time } },
  }
  const plugin = revisedMarksPlugin(
    () => dataOf({ whole }),
    () => 'red',
  )
  plugin.afterDatasetsDraw?.(chart as never, {} as never, {} as never, false)
  expect(marks).toEqual([40, 80])
})
