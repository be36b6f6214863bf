import type { ChartDataset, ScriptableContext, ScriptableLineSegmentContext } from 'chart.js'
import type { Step } from '../lib/time/range.ts'
import { resolveColour } from './colours.ts'
import type { Point } from './points.ts'

/** Everything that is drawn. Times are milliseconds; each line has one point for each time. */
export interface Drawn {
  step: Step
  zone: string
  times: number[]
  whole: Point[]
  lines: { name: string; colour: string; points: Point[] }[]
  previous: Point[] | undefined
  isStacked: boolean
}

const OPEN = [4, 4]

export type Dataset = ChartDataset<'line', { x: number; y: number }[]>

/** Same line, same object: that is how chart.js knows what to move instead of drawing it anew. */
export function mergeDatasets(old: Dataset[], next: Dataset[]): Dataset[] {
  return next.map((dataset) => {
    const known = old.find((candidate) => candidate.label === dataset.label)
    return known ? Object.assign(known, dataset) : dataset
  })
}

/** What chart.js is to draw: one line each, and the period before behind them. */
export function datasetsOf(drawn: Drawn, canvas: HTMLCanvasElement): Dataset[] {
  const within = canvas.parentElement as HTMLElement
  const lines = drawn.lines.map((line, order): Dataset => {
    const [full, pale] = [
      resolveColour(line.colour, within),
      resolveColour(line.colour, within, 0.5),
    ]
    const isOpen = (context: ScriptableLineSegmentContext) =>
      line.points[context.p1DataIndex]?.isFinal === false
    return {
      label: line.name,
      data: line.points.map(({ time, value }) => ({ x: time, y: value })),
      borderColor: full,
      borderWidth: drawn.isStacked ? 1.5 : 2,
      borderJoinStyle: 'round',
      fill: drawn.isStacked ? (order === 0 ? 'origin' : '-1') : 'origin',
      backgroundColor: drawn.isStacked
        ? resolveColour(line.colour, within, 0.28)
        : (context) => fade(context, line.colour, within),
      segment: {
        borderDash: (context) => (isOpen(context) ? OPEN : undefined),
        borderColor: (context) => (isOpen(context) ? pale : undefined),
      },
      pointRadius: 0,
      pointHoverRadius: 4,
      pointHoverBackgroundColor: full,
      order,
    }
  })
  if (drawn.previous === undefined) return lines
  return [
    ...lines,
    {
      label: '\u0000previous',
      // Drawn over the present: the same bucket, one period earlier.
      data: drawn.previous.map(({ value }, i) => ({ x: drawn.times[i] ?? 0, y: value })),
      borderColor: resolveColour('var(--muted)', within),
      borderWidth: 1,
      borderDash: [3, 3],
      pointRadius: 0,
      pointHoverRadius: 0,
      fill: false,
      stack: 'previous',
      order: 99,
    },
  ]
}

function fade(context: ScriptableContext<'line'>, colour: string, within: HTMLElement) {
  const area = context.chart.chartArea
  if (!area) return 'transparent'
  const gradient = context.chart.ctx.createLinearGradient(0, area.top, 0, area.bottom)
  gradient.addColorStop(0, resolveColour(colour, within, 0.2))
  gradient.addColorStop(1, resolveColour(colour, within, 0.02))
  return gradient
}
