import type { ChartDataset, ScriptableContext, ScriptableLineSegmentContext } from 'chart.js'
import type { Resolution } from '../lib/time/range.ts'
import { resolveColour } from './colours.ts'
import type { Point } from './points.ts'

export interface Line {
  name: string
  colour: string
  points: Point[]
}

/** What a line chart shows. Times are milliseconds; each line has one point for each time. */
export interface ChartData {
  resolution: Resolution
  zone: string
  times: number[]
  /** All lines together; revised buckets are marked by it. */
  whole: Point[]
  lines: Line[]
  previous: Point[] | undefined
  isStacked: boolean
  /** Whether values are counts, so that the axis has whole numbers only; unless given, they are. */
  hasFractions?: boolean | undefined
  /** The bucket whose events are listed, by its index. */
  selected?: number | undefined
}

const NOT_FINAL_DASH = [4, 4]
const PREVIOUS_DASH = [3, 3]

export type Dataset = ChartDataset<'line', { x: number; y: number }[]>

/** chart.js animates a line in place only if its dataset is the same object as before. */
export function mergeDatasets(old: Dataset[], next: Dataset[]): Dataset[] {
  return next.map((dataset) => {
    const existing = old.find((candidate) => candidate.label === dataset.label)
    return existing ? Object.assign(existing, dataset) : dataset
  })
}

/** One dataset for each line, and the previous period behind them. */
export function createDatasets(data: ChartData, canvas: HTMLCanvasElement): Dataset[] {
  const parent = canvas.parentElement as HTMLElement
  const isAlone = data.lines.length === 1
  const lines = data.lines.map((line, order) => ({
    ...lineDataset(line, order, data.isStacked, parent),
    // Areas behind several lines would say that they add up.
    ...(!data.isStacked && !isAlone && { fill: false }),
  }))
  return data.previous ? [...lines, previousDataset(data.previous, data.times, parent)] : lines
}

function lineDataset(line: Line, order: number, isStacked: boolean, parent: HTMLElement): Dataset {
  const full = resolveColour(line.colour, parent)
  const pale = resolveColour(line.colour, parent, 0.5)
  const isOpen = (context: ScriptableLineSegmentContext) =>
    line.points[context.p1DataIndex]?.isFinal === false
  return {
    label: line.name,
    data: line.points.map(({ time, value }) => ({ x: time, y: value })),
    borderColor: full,
    borderWidth: isStacked ? 1.5 : 2,
    borderJoinStyle: 'round',
    fill: isStacked ? (order === 0 ? 'origin' : '-1') : 'origin',
    backgroundColor: isStacked
      ? resolveColour(line.colour, parent, 0.28)
      : (context) => gradient(context, line.colour, parent),
    segment: {
      borderDash: (context) => (isOpen(context) ? NOT_FINAL_DASH : undefined),
      borderColor: (context) => (isOpen(context) ? pale : undefined),
    },
    pointRadius: ({ dataIndex }) => (isIsolated(line.points, dataIndex) ? 2.5 : 0),
    pointBackgroundColor: full,
    pointHoverRadius: 4,
    pointHoverBackgroundColor: full,
    order,
  }
}

/** Without a line to either side, a point has to be drawn itself. */
function isIsolated(points: readonly Point[], index: number): boolean {
  const isGap = (i: number) => Number.isNaN(points[i]?.value ?? Number.NaN)
  return !isGap(index) && isGap(index - 1) && isGap(index + 1)
}

function previousDataset(points: Point[], times: number[], parent: HTMLElement): Dataset {
  return {
    label: '\u0000previous',
    // At the times of the current period: the same bucket, one period earlier.
    data: points.map(({ value }, i) => ({ x: times[i] ?? 0, y: value })),
    borderColor: resolveColour('var(--muted)', parent),
    borderWidth: 1,
    borderDash: PREVIOUS_DASH,
    pointRadius: 0,
    pointHoverRadius: 0,
    fill: false,
    stack: 'previous',
    order: 99,
  }
}

function gradient(context: ScriptableContext<'line'>, colour: string, parent: HTMLElement) {
  const area = context.chart.chartArea
  if (!area) return 'transparent'
  const fill = context.chart.ctx.createLinearGradient(0, area.top, 0, area.bottom)
  fill.addColorStop(0, resolveColour(colour, parent, 0.2))
  fill.addColorStop(1, resolveColour(colour, parent, 0.02))
  return fill
}
