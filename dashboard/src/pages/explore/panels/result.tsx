import { Match, Show, Switch } from 'solid-js'
import { Choice } from '../../../components/choice.tsx'
import { Panel } from '../../../components/panel.tsx'
import { useShortcuts } from '../../../lib/app-context.ts'
import { useExplore } from '../context.ts'
import { AGGREGATES, INTERVALS } from '../query-state.ts'
import { Chart } from './chart.tsx'
import { EmptyResult } from './empty-result.tsx'
import { ExportMenu } from './export-menu.tsx'
import { Groups } from './groups.tsx'
import { Legend } from './legend.tsx'
import { Provenance } from './provenance.tsx'
import { QueryProblem } from './query-problem.tsx'
import { RequestsDialog } from './requests-dialog.tsx'
import { Table } from './table.tsx'

/** The result of the query, as a chart or as a table, and what its numbers mean. */
export function Result() {
  const { query, series, range, urlState } = useExplore()
  const title = () => `${AGGREGATES[query().aggregate]} of ${query().name ?? 'all events'}`
  const unit = () => {
    const { groupBy, interval } = query()
    const per = interval === 'TOTAL' ? 'whole range' : `per ${INTERVALS[range().resolution]}`
    return [per, ...(groupBy.length > 0 ? [`by ${groupBy.join(', ')}`] : [])].join(', ')
  }
  const isEmpty = () => series.data()?.lines.every(({ points }) => points.every(hasNoValue))
  return (
    <Panel
      class="result"
      title={
        <>
          <bdi>{title()}</bdi> <span class="panel-unit">{unit()}</span>
        </>
      }
      aside={<ResultControls />}
    >
      <QueryProblem />
      <Show
        when={series.data()}
        fallback={
          <div class="result-body" aria-busy={series.loading()}>
            <Show when={series.loading()}>
              <p class="sr-only" role="status">
                Loading
              </p>
              <div class="skeleton-chart" />
            </Show>
          </div>
        }
      >
        {(data) => (
          <>
            <Switch>
              <Match when={isEmpty() && data().groups.length === 0}>
                <EmptyResult />
              </Match>
              <Match when={data().query.interval === 'TOTAL' && data().query.groupBy.length > 0}>
                {null}
              </Match>
              <Match when={urlState.view() === 'table' || data().query.interval === 'TOTAL'}>
                <Table series={data()} />
              </Match>
              <Match when={true}>
                <div class="result-body">
                  <Chart series={data()} />
                </div>
                <Legend series={data()} />
              </Match>
            </Switch>
            <Show when={data().groups.length > 0}>
              <Groups series={data()} />
            </Show>
            <Provenance series={data()} />
          </>
        )}
      </Show>
    </Panel>
  )
}

const hasNoValue = ({ value }: { value: number }) => value === 0 || Number.isNaN(value)

function ResultControls() {
  const { query, urlState } = useExplore()
  const setTable = (isTable: boolean) => urlState.set({ view: isTable ? 'table' : null })
  useShortcuts([
    {
      key: 't',
      description: 'Switch between chart and table',
      run: () => setTable(urlState.view() !== 'table'),
    },
  ])
  return (
    <>
      <Show when={query().interval !== 'TOTAL'}>
        <Choice
          label="View"
          chosen={urlState.view()}
          options={{ chart: 'Chart', table: 'Table' }}
          choose={(option) => setTable(option === 'table')}
        />
      </Show>
      <ExportMenu />
      <RequestsDialog />
    </>
  )
}
