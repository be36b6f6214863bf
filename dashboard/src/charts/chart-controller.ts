import {
  type ChartConfiguration,
  Chart as ChartJs,
  Filler,
  LinearScale,
  LineController,
  LineElement,
  PointElement,
  Tooltip,
} from 'chart.js'
import { tickName, tickNumber } from '../lib/format.ts'
import { forgetColours, resolveColour } from './colours.ts'
import { type Drawn, datasetsOf, mergeDatasets } from './datasets.ts'
import { isRevised } from './points.ts'
import { ticksBetween } from './ticks.ts'

ChartJs.register(LineController, LineElement, PointElement, LinearScale, Filler, Tooltip)

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
            type: 'linear',
            min: drawn.times[0],
            max: drawn.times.at(-1),
            afterBuildTicks(scale) {
              const [start = 0, end = 0] = [drawn.times[0], drawn.times.at(-1)]
              const finestMs = (end - start) / Math.max(1, drawn.times.length - 1)
              const most = Math.max(2, Math.floor(scale.width / TICK_PX))
              const ticks = ticksBetween(start, end, drawn.zone, most, finestMs)
              scale.ticks = ticks.map((value) => ({ value }))
            },
            grid: { display: false },
            border: { color: line },
            ticks: {
              color: text,
              font: FONT,
              maxRotation: 0,
              autoSkip: false,
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
              callback: (value) => tickNumber(Number(value)),
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
          // A bucket that a late event revised wears a small mark, where it hides no line.
          id: 'revised',
          afterDatasetsDraw({ ctx, chartArea, scales }) {
            ctx.save()
            ctx.fillStyle = colour('accent', 0.7)
            for (const point of drawn.whole.filter(isRevised)) {
              const x = scales.x?.getPixelForValue(point.time) ?? 0
              ctx.beginPath()
              ctx.moveTo(x, chartArea.bottom - 6)
              ctx.lineTo(x + 3, chartArea.bottom - 1)
              ctx.lineTo(x - 3, chartArea.bottom - 1)
              ctx.fill()
            }
            ctx.restore()
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

const TICK_PX = 64
const FONT = { family: 'Inter Variable, sans-serif', size: 11 }
