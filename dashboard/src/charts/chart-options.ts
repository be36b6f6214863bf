import type { ChartOptions } from 'chart.js'
import { tickName, tickNumber } from '../lib/format.ts'
import type { ChartData } from './datasets.ts'
import { ticksBetween } from './ticks.ts'

const TICK_PX = 64
const FONT = { family: 'Inter Variable, sans-serif', size: 11 }

/** Axes and interaction of a line chart over time. */
export function createOptions(
  data: ChartData,
  colours: { text: string; grid: string },
  onHover: (index: number | undefined, x: number) => void,
): ChartOptions<'line'> {
  return {
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
          onHover(index, tooltip.caretX)
        },
      },
    },
    scales: {
      x: timeAxis(data, colours),
      y: {
        beginAtZero: true,
        stacked: data.isStacked,
        grace: '6%',
        ...(data.hasFractions ? {} : { suggestedMax: 4 }),
        border: { display: false },
        grid: { color: colours.grid, tickLength: 0 },
        ticks: {
          color: colours.text,
          font: FONT,
          ...(data.hasFractions ? {} : { precision: 0 }),
          maxTicksLimit: 6,
          padding: 8,
          callback: (value) => tickNumber(Number(value)),
        },
      },
    },
  }
}

function timeAxis(
  { times, zone, resolution }: ChartData,
  colours: { text: string; grid: string },
): NonNullable<ChartOptions<'line'>['scales']>[string] {
  return {
    type: 'linear',
    min: times[0],
    max: times.at(-1),
    afterBuildTicks(scale) {
      const [start = 0, end = 0] = [times[0], times.at(-1)]
      const finestMs = (end - start) / Math.max(1, times.length - 1)
      const ticksMax = Math.max(2, Math.floor(scale.width / TICK_PX))
      const ticks = ticksBetween(start, end, zone, ticksMax, finestMs)
      scale.ticks = ticks.map((value) => ({ value }))
    },
    grid: { display: false },
    border: { color: colours.grid },
    ticks: {
      color: colours.text,
      font: FONT,
      maxRotation: 0,
      autoSkip: false,
      callback: (value, index) => tickName(Number(value), resolution, zone, index === 0),
    },
  }
}
