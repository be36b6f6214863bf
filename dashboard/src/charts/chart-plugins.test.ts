import { expect, test } from 'vitest'
import { crosshairPlugin, liveEdgePlugin, revisedMarksPlugin } from './chart-plugins.ts'
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
        { x: 5, y: 1 },
        { x: 9, y: i },
      ],
    }),
  }
  plugin.afterDatasetsDraw?.(chart as never, {} as never, {} as never, false)
  expect(edges).toEqual([[9, dataset]])
})

/** What is drawn, call by call; what is set goes by its name. */
function recordCanvas() {
  const calls: unknown[][] = []
  const ctx = new Proxy({} as CanvasRenderingContext2D, {
    get:
      (_, name) =>
      (...args: unknown[]) =>
        calls.push([name, ...args]),
    set(_, name, value) {
      calls.push([name, value])
      return true
    },
  })
  return { ctx, calls }
}

test('a mark is drawn at each bucket that a late event revised, and at no other', () => {
  const whole = [
    pointOf(10, true, 0),
    pointOf(20, true, 2),
    // Not final: its late events have revised nothing yet.
    pointOf(30, false, 1),
    pointOf(40, true, 1),
  ]
  const { ctx, calls } = recordCanvas()
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
  const markAt = (x: number) => [
    ['beginPath'],
    ...[
      ['moveTo', x, 94],
      ['lineTo', x + 3, 99],
      ['lineTo', x - 3, 99],
    ],
    ['fill'],
  ]
  expect(calls).toEqual([['save'], ['fillStyle', 'red'], ...markAt(40), ...markAt(80), ['restore']])
})

test('a line is drawn through the bucket under the pointer, and not without a tooltip', () => {
  const draw = (tooltip: unknown) => {
    const { ctx, calls } = recordCanvas()
    const chart = { tooltip, chartArea: { top: 8, bottom: 100 }, ctx }
    crosshairPlugin(() => 'grey').beforeDatasetsDraw?.(
      chart as never,
      { cancelable: true },
      {} as never,
    )
    return calls
  }
  const shown = (opacity: number, elements: unknown[]) => ({
    opacity,
    getActiveElements: () => elements,
  })
  expect(draw(shown(1, [{ element: { x: 40 } }, { element: { x: 40 } }]))).toEqual([
    ['save'],
    ['strokeStyle', 'grey'],
    ['globalAlpha', 0.5],
    ['beginPath'],
    ...[
      ['moveTo', 40, 8],
      ['lineTo', 40, 100],
    ],
    ['stroke'],
    ['restore'],
  ])
  for (const nothing of [undefined, shown(1, []), shown(0, [{ element: { x: 40 } }])])
    expect(draw(nothing)).toEqual([])
})

test('a line without points has no newest one', () => {
  const edges: unknown[] = []
  const plugin = liveEdgePlugin(
    () => dataOf({ isStacked: false, lines: [] }),
    (...edge) => edges.push(edge),
  )
  const chart = { getDatasetMeta: () => ({ data: [] }) }
  plugin.afterDatasetsDraw?.(chart as never, {} as never, {} as never, false)
  expect(edges).toEqual([])
})
