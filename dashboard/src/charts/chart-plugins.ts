import type { Plugin } from 'chart.js'
import type { ChartData } from './datasets.ts'
import { isRevised } from './points.ts'

type LinePlugin = Plugin<'line'>

/** Reports where the newest point is, in pixels of the canvas. */
export function liveEdgePlugin(
  data: () => ChartData,
  onEdge: (x: number, y: number) => void,
): LinePlugin {
  return {
    id: 'liveEdge',
    afterDatasetsDraw(chart) {
      const top = data().isStacked ? data().lines.length - 1 : 0
      const last = chart.getDatasetMeta(top).data.at(-1)
      if (last) onEdge(last.x, last.y)
    },
  }
}

/** A small triangle at the bottom of each bucket that a late event revised. */
export function revisedMarksPlugin(data: () => ChartData, colour: () => string): LinePlugin {
  return {
    id: 'revisedMarks',
    afterDatasetsDraw({ ctx, chartArea, scales }) {
      ctx.save()
      ctx.fillStyle = colour()
      for (const point of data().whole.filter(isRevised)) {
        const x = scales.x?.getPixelForValue(point.time) ?? 0
        ctx.beginPath()
        ctx.moveTo(x, chartArea.bottom - 6)
        ctx.lineTo(x + 3, chartArea.bottom - 1)
        ctx.lineTo(x - 3, chartArea.bottom - 1)
        ctx.fill()
      }
      ctx.restore()
    },
  }
}

/** A vertical line through the hovered bucket. */
export function crosshairPlugin(colour: () => string): LinePlugin {
  return {
    id: 'crosshair',
    beforeDatasetsDraw({ tooltip, chartArea, ctx }) {
      const active = tooltip?.getActiveElements()[0]?.element
      if (!active || tooltip?.opacity === 0) return
      ctx.save()
      ctx.strokeStyle = colour()
      ctx.globalAlpha = 0.5
      ctx.beginPath()
      ctx.moveTo(active.x, chartArea.top)
      ctx.lineTo(active.x, chartArea.bottom)
      ctx.stroke()
      ctx.restore()
    },
  }
}

/** A stronger vertical line through the bucket whose events are listed. */
export function selectedBucketPlugin(data: () => ChartData, colour: () => string): LinePlugin {
  return {
    id: 'selectedBucket',
    beforeDatasetsDraw({ chartArea, ctx, scales }) {
      const { selected, times } = data()
      const time = selected === undefined ? undefined : times[selected]
      if (time === undefined) return
      const x = scales.x?.getPixelForValue(time) ?? 0
      ctx.save()
      ctx.strokeStyle = colour()
      ctx.lineWidth = 1
      ctx.beginPath()
      ctx.moveTo(x, chartArea.top)
      ctx.lineTo(x, chartArea.bottom)
      ctx.stroke()
      ctx.restore()
    },
  }
}
