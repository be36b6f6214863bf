import {
  Chart as ChartJs,
  Filler,
  LinearScale,
  LineController,
  LineElement,
  PointElement,
  Tooltip,
} from 'chart.js'
import { createOptions } from './chart-options.ts'
import {
  crosshairPlugin,
  liveEdgePlugin,
  revisedMarksPlugin,
  selectedBucketPlugin,
} from './chart-plugins.ts'
import { clearColourCache, resolveColour } from './colours.ts'
import { type ChartData, createDatasets, mergeDatasets } from './datasets.ts'

ChartJs.register(LineController, LineElement, PointElement, LinearScale, Filler, Tooltip)

export interface ChartController {
  update(data: ChartData): void
  /** After the theme changed. */
  repaint(): void
  /** The bucket nearest to that pixel. */
  indexAt(x: number): number
  /** The value at that height. */
  valueAt(y: number): number
  destroy(): void
}

export interface ChartListeners {
  hover(index: number | undefined, x: number): void
  /** Where the newest point is, in pixels of the canvas. */
  liveEdge(x: number, y: number): void
}

/** chart.js on a canvas. The only file that creates a chart.js chart; no signals here. */
export function createChartController(
  canvas: HTMLCanvasElement,
  first: ChartData,
  listeners: ChartListeners,
): ChartController {
  let data = first
  const reducedMotion = window.matchMedia('(prefers-reduced-motion: reduce)')
  const colour = (name: string, alpha = 1) =>
    resolveColour(`var(--${name})`, canvas.parentElement as HTMLElement, alpha)
  const options = () =>
    createOptions(data, { text: colour('muted'), grid: colour('grid') }, listeners.hover)

  const chart = new ChartJs<'line', { x: number; y: number }[]>(canvas, {
    type: 'line',
    data: { datasets: createDatasets(data, canvas) },
    options: options(),
    plugins: [
      liveEdgePlugin(() => data, listeners.liveEdge),
      revisedMarksPlugin(
        () => data,
        () => colour('accent', 0.7),
      ),
      crosshairPlugin(() => colour('muted')),
      selectedBucketPlugin(
        () => data,
        () => colour('accent'),
      ),
    ],
  })

  const refresh = (isAnimated: boolean) => {
    chart.data.datasets = mergeDatasets(chart.data.datasets, createDatasets(data, canvas))
    chart.options = {
      ...(options() as object),
      animation: isAnimated && !reducedMotion.matches ? { duration: 300 } : false,
    }
    chart.update()
  }

  return {
    update(next) {
      // Values are animated; a window that moved is not, or every point would slide to its neighbour.
      const isAnimated =
        next.times[0] === data.times[0] &&
        next.resolution === data.resolution &&
        next.isStacked === data.isStacked
      data = next
      refresh(isAnimated)
    },
    repaint() {
      clearColourCache()
      refresh(false)
    },
    indexAt(x) {
      const time = chart.scales.x?.getValueForPixel(x) ?? 0
      const distance = (index: number) => Math.abs((data.times[index] ?? 0) - time)
      return data.times.reduce((best, _, i) => (distance(i) < distance(best) ? i : best), 0)
    },
    valueAt: (y) => chart.scales.y?.getValueForPixel(y) ?? 0,
    destroy: () => chart.destroy(),
  }
}
