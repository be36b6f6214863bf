import { Match, Show, Switch } from 'solid-js'
import { LineChart } from '../../../../charts/line-chart.tsx'
import { Missing, QueryNotice } from '../../../../components/error-notice.tsx'
import { Choice } from '../../../../components/forms/choice.tsx'
import { Panel } from '../../../../components/panel.tsx'
import { useShortcuts } from '../../../../lib/app-context.ts'
import { exact } from '../../../../lib/format.ts'
import { clipBucket, type Resolution } from '../../../../lib/time/range.ts'
import { useOverview } from '../../context.ts'
import { WaitingForLive } from '../waiting-for-live.tsx'
import { TrendLegend } from './trend-legend.tsx'
import { createTrend, type TrendData } from './trend-query.ts'
import { TrendTable } from './trend-table.tsx'
import { TrendTooltip } from './trend-tooltip.tsx'

/** Events over time, as a chart or as a table. */
export function Trend() {
  const overview = useOverview()
  const { name, urlState } = overview
  const trend = createTrend(overview)
  const unit = () => {
    const resolution = trend.data()?.resolution
    if (resolution === undefined) return ''
    const basis = resolution === 'MINUTE' ? 'by time received' : 'by time of occurrence'
    return `per ${RESOLUTIONS[resolution]}, ${basis}`
  }
  return (
    <Panel
      class="trend"
      title={
        <>
          {name() ?? 'Events'} <span class="panel-unit">{unit()}</span>
        </>
      }
      aside={<TrendControls />}
    >
      <Show
        when={trend.current.error()}
        fallback={<QueryNotice query={trend.previous} subject="The previous period is" />}
      >
        <QueryNotice query={trend.current} subject="This chart is" />
      </Show>
      <div class="trend-body" aria-busy={trend.isLoading()}>
        <Show
          when={trend.data()}
          fallback={
            <Switch>
              <Match when={trend.isMissing()}>
                <Missing subject="The chart" />
              </Match>
              <Match when={trend.isLoading()}>
                <div class="skeleton-chart" />
              </Match>
              <Match when={overview.trendRange().resolution === 'MINUTE'}>
                <WaitingForLive what="Minutes" />
              </Match>
            </Switch>
          }
        >
          {(data) => (
            <Switch>
              <Match when={urlState.view() === 'table'}>
                <TrendTable data={data()} zone={urlState.zone()} />
              </Match>
              <Match when={true}>
                <TrendChart data={data()} />
              </Match>
            </Switch>
          )}
        </Show>
      </div>
      <TrendLegend data={trend.data()} />
    </Panel>
  )
}

const RESOLUTIONS: Record<Resolution, string> = {
  MINUTE: 'minute',
  QUARTER_HOUR: '15 minutes',
  HOUR: 'hour',
  DAY: 'day',
  WEEK: 'week',
  MONTH: 'month',
}

function TrendControls() {
  const { name, isSplit, urlState } = useOverview()
  const setTable = (isTable: boolean) => urlState.set({ view: isTable ? 'table' : null })
  const setSplit = (split: boolean) => urlState.set({ split: split ? 'name' : null })
  useShortcuts([
    {
      key: 't',
      description: 'Switch between chart and table',
      run: () => setTable(urlState.view() !== 'table'),
    },
    {
      key: 'n',
      description: 'Switch between one line and a line for each event name',
      run: () => setSplit(!urlState.isSplit()),
    },
  ])
  return (
    <>
      <Show
        when={name()}
        fallback={
          <Choice
            label="Lines"
            chosen={isSplit() ? 'name' : 'all'}
            options={{ all: 'All', name: 'By name' }}
            choose={(option) => setSplit(option === 'name')}
          />
        }
      >
        {(shown) => (
          <button type="button" class="chip" onClick={() => urlState.set({ name: null })}>
            <span class="sr-only">Stop showing only {shown()}: </span>All events
          </button>
        )}
      </Show>
      <Choice
        label="View"
        chosen={urlState.view()}
        options={{ chart: 'Chart', table: 'Table' }}
        choose={(option) => setTable(option === 'table')}
      />
    </>
  )
}

function TrendChart(props: { data: TrendData }) {
  const { urlState } = useOverview()
  const label = () => {
    const { whole, times, resolution } = props.data
    const sum = whole.reduce((total, point) => total + point.value, 0)
    return `${exact(sum)} events in ${times.length} buckets of one ${RESOLUTIONS[resolution]}. The table view shows the same numbers as text.`
  }
  const select = (first: number, last: number) => {
    const { times, resolution, window } = props.data
    const bucket = (index: number) =>
      clipBucket(times[index] as number, resolution, urlState.zone(), window)
    urlState.setRange({ kind: 'absolute', from: bucket(first).from, to: bucket(last).to })
  }
  return (
    <LineChart
      label={label()}
      resolution={props.data.resolution}
      zone={urlState.zone()}
      times={props.data.times}
      whole={props.data.whole}
      lines={props.data.lines}
      previous={props.data.previous}
      isStacked={props.data.lines.length > 1}
      tooltip={(index) => <TrendTooltip data={props.data} index={index} zone={urlState.zone()} />}
      onSelect={select}
    />
  )
}
