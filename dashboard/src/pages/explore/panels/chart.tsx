import { LineChart } from '../../../charts/line-chart.tsx'
import { exact } from '../../../lib/format.ts'
import { useExplore } from '../context.ts'
import { AGGREGATES, INTERVALS, isAdditive } from '../query-state.ts'
import { boundsOf, isStacked, lineAt, type Series } from '../series.ts'
import { Tooltip } from './tooltip.tsx'

/** One line for each group. A click lists the events of a point, dragging chooses a range. */
export function Chart(props: { series: Series }) {
  const { point, setPoint, setRegion, previous, urlState, now, live } = useExplore()
  const label = () => {
    const { query, times, range, lines } = props.series
    const what = `${AGGREGATES[query.aggregate]} of ${query.name ?? 'all events'}`
    const buckets = `${exact(times.length)} buckets of one ${INTERVALS[range.resolution]}`
    return `${what}: ${lines.length} lines in ${buckets}. The table view shows the same numbers as text, and lists the events of each.`
  }
  const pick = (index: number, value: number) => {
    const line = lineAt(props.series, index, value)
    const time = props.series.times[index] as number
    const isSame =
      point()?.time === time && JSON.stringify(point()?.group) === JSON.stringify(line?.group)
    setPoint(isSame ? undefined : { time, group: line?.group })
  }
  /** A difference has parts where values add up; of others, a part of the range is shown alone. */
  const select = (from: number, to: number) =>
    isAdditive(props.series.query.aggregate)
      ? setRegion({ from, to })
      : urlState.setRange({ kind: 'absolute', from, to })
  const selected = () => {
    const index = props.series.times.indexOf(point()?.time ?? -1)
    return index < 0 ? undefined : index
  }
  return (
    <LineChart
      label={label()}
      resolution={props.series.range.resolution}
      zone={props.series.range.zone}
      times={props.series.times}
      whole={props.series.whole}
      lines={props.series.lines}
      previous={previous()}
      isStacked={isStacked(props.series)}
      hasFractions={
        !(isAdditive(props.series.query.aggregate) || props.series.query.aggregate === 'UNIQUES')
      }
      selected={selected()}
      isLive={live.isOn() && props.series.range.window.to > now()}
      tooltip={(index) => <Tooltip series={props.series} index={index} />}
      onPick={pick}
      onSelect={(first, last) =>
        select(boundsOf(props.series, first).from, boundsOf(props.series, last).to)
      }
    />
  )
}
