import {
  CategoryScale,
  type ChartConfiguration,
  type ChartDataset,
  Chart as ChartJs,
  Filler,
  LinearScale,
  LineController,
  LineElement,
  PointElement,
  type ScriptableContext,
  type ScriptableLineSegmentContext,
  TimeScale,
  Tooltip,
} from 'chart.js'
import 'chartjs-adapter-luxon'
import { forgetColours, resolveColour } from './colours.ts'
import { compact, tickName } from './format.ts'
import type { Point } from './points.ts'
import type { Step } from './range.ts'

ChartJs.register(
  LineController,
  LineElement,
  PointElement,
  CategoryScale,
  LinearScale,
  TimeScale,
  Filler,
  Tooltip,
)

/** Everything that is drawn. Times are milliseconds; each line has one point for each time. */
export interface Drawn {
  step: Step
  zone: string
  times: number[]
  lines: { name: string; colour: string; points: Point[] }[]
  previous: Point[] | undefined
  isStacked: boolean
}

export interface LineChart {
  draw(drawn: Drawn): void
  /** The colours changed. */
  repaint(): void
  indexAt(x: number): number
  destroy(): void
}

interface Listeners {
  hover(index: number | undefined, x: number): void
  /** Where the newest point is, in pixels of the canvas. */
  edge(x: number, y: number): void
}

type Lines = ChartJs<'line', { x: number; y: number }[]>

/** A line chart on that canvas; no signals here. */
export function makeLineChart(
  canvas: HTMLCanvasElement,
  first: Drawn,
  listeners: Listeners,
): LineChart {
  let drawn = first
  const reduced = window.matchMedia('(prefers-reduced-motion: reduce)')
  const chart: Lines = new ChartJs(canvas, configuration())

  function configuration(): ChartConfiguration<'line', { x: number; y: number }[]> {
    const colour = (name: string, alpha = 1) =>
      resolveColour(`var(--${name})`, canvas.parentElement as HTMLElement, alpha)
    const [text, line] = [colour('muted'), colour('grid')]
    return {
      type: 'line',
      data: { datasets: datasetsOf(drawn, canvas) },
      options: {
        responsive: true,
        maintainAspectRatio: false,
        animation: false,
        normalized: true,
        layout: { padding: { top: 8, right: 8 } },
        interaction: { mode: 'index', intersect: false },
        events: ['mousemove', 'mouseout', 'click', 'touchstart', 'touchmove'],
        plugins: {
          tooltip: {
            enabled: false,
            external: ({ tooltip }) => {
              const index = tooltip.opacity === 0 ? undefined : tooltip.dataPoints?.[0]?.dataIndex
              listeners.hover(index, tooltip.caretX)
            },
          },
        },
        scales: {
          x: {
            type: 'time',
            min: drawn.times[0],
            max: drawn.times.at(-1),
            adapters: { date: { zone: drawn.zone, locale: 'en-GB' } },
            grid: { display: false },
            border: { color: line },
            ticks: {
              color: text,
              font: FONT,
              maxRotation: 0,
              autoSkipPadding: 24,
              callback: (value, index) =>
                tickName(Number(value), drawn.step, drawn.zone, index === 0),
            },
          },
          y: {
            beginAtZero: true,
            stacked: drawn.isStacked,
            grace: '6%',
            suggestedMax: 4,
            border: { display: false },
            grid: { color: line, tickLength: 0 },
            ticks: {
              color: text,
              font: FONT,
              precision: 0,
              maxTicksLimit: 6,
              padding: 8,
              callback: (value) => compact(Number(value)),
            },
          },
        },
      },
      plugins: [
        {
          id: 'edge',
          afterDatasetsDraw(now) {
            const top = drawn.isStacked ? drawn.lines.length - 1 : 0
            const last = now.getDatasetMeta(top).data.at(-1)
            if (last) listeners.edge(last.x, last.y)
          },
        },
        {
          id: 'hair',
          beforeDatasetsDraw(now) {
            const active = now.tooltip?.getActiveElements()[0]?.element
            if (!active || now.tooltip?.opacity === 0) return
            const { top, bottom } = now.chartArea
            now.ctx.save()
            now.ctx.strokeStyle = text
            now.ctx.globalAlpha = 0.5
            now.ctx.beginPath()
            now.ctx.moveTo(active.x, top)
            now.ctx.lineTo(active.x, bottom)
            now.ctx.stroke()
            now.ctx.restore()
          },
        },
      ],
    }
  }

  const refresh = (animated: boolean) => {
    const next = configuration()
    chart.data.datasets = mergeDatasets(chart.data.datasets, next.data.datasets)
    chart.options = {
      ...(next.options as object),
      animation: animated && !reduced.matches ? { duration: 300 } : false,
    }
    chart.update()
  }

  return {
    draw(next) {
      // Values may glide; a window that moved must not, or every point would swim to its neighbour.
      const animated =
        next.times[0] === drawn.times[0] &&
        next.step === drawn.step &&
        next.isStacked === drawn.isStacked
      drawn = next
      refresh(animated)
    },
    repaint() {
      forgetColours()
      refresh(false)
    },
    indexAt(x) {
      const time = chart.scales.x?.getValueForPixel(x) ?? 0
      return drawn.times.reduce(
        (best, candidate, i) =>
          Math.abs(candidate - time) < Math.abs((drawn.times[best] ?? 0) - time) ? i : best,
        0,
      )
    },
    destroy: () => chart.destroy(),
  }
}

const FONT = { family: 'Inter Variable, sans-serif', size: 11 }
const OPEN = [4, 4]

type Dataset = ChartDataset<'line', { x: number; y: number }[]>

/** Same line, same object: that is how chart.js knows what to move instead of drawing it anew. */
function mergeDatasets(old: Dataset[], next: Dataset[]): Dataset[] {
  return next.map((dataset) => {
    const known = old.find((candidate) => candidate.label === dataset.label)
    return known ? Object.assign(known, dataset) : dataset
  })
}

function datasetsOf(drawn: Drawn, canvas: HTMLCanvasElement): Dataset[] {
  const within = canvas.parentElement as HTMLElement
  const lines = drawn.lines.map((line, order): Dataset => {
    const [full, pale] = [
      resolveColour(line.colour, within),
      resolveColour(line.colour, within, 0.5),
    ]
    const isOpen = (context: ScriptableLineSegmentContext) =>
      line.points[context.p1DataIndex]?.isFinal === false
    const isRevised = (context: ScriptableContext<'line'>) => {
      const point = line.points[context.dataIndex]
      return point !== undefined && point.isFinal && point.lateCount > 0
    }
    return {
      label: line.name,
      data: line.points.map(({ time, value }) => ({ x: time, y: value })),
      borderColor: full,
      borderWidth: drawn.isStacked ? 1.5 : 2,
      borderJoinStyle: 'round',
      cubicInterpolationMode: 'monotone',
      fill: drawn.isStacked ? (order === 0 ? 'origin' : '-1') : 'origin',
      backgroundColor: drawn.isStacked
        ? resolveColour(line.colour, within, 0.28)
        : (context) => fade(context, line.colour, within),
      segment: {
        borderDash: (context) => (isOpen(context) ? OPEN : undefined),
        borderColor: (context) => (isOpen(context) ? pale : undefined),
      },
      // A bucket that a late event revised wears a small mark.
      pointStyle: 'triangle',
      pointRadius: (context) => (isRevised(context) ? 3 : 0),
      pointBackgroundColor: full,
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
      borderColor: resolveColour('var(--muted)', within, 0.75),
      borderWidth: 1,
      borderDash: [2, 3],
      cubicInterpolationMode: 'monotone',
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
