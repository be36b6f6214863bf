import { Match, Show, Switch } from 'solid-js'
import { QueryNotice } from '../../../components/error-notice.tsx'
import { Choice } from '../../../components/forms/choice.tsx'
import { Panel } from '../../../components/panel.tsx'
import { useShortcuts } from '../../../lib/app-context.ts'
import type { ResolvedRange } from '../../../lib/time/range.ts'
import { useExplore } from '../context.ts'
import { DeclareDialog } from '../declare/declare-dialog.tsx'
import { AGGREGATES, INTERVALS, isAdditive } from '../query-state.ts'
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
  const { query, series, comparison, range, urlState } = useExplore()
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
      <QueryNotice query={comparison} subject="The previous period is" />
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

/** A range that is still open is compared as far as it has come. */
const rangeSoFar = ({ window, end }: ResolvedRange) => ({
  from: window.from,
  to: Math.min(window.to, end),
})

const hasNoValue = ({ value }: { value: number }) => value === 0 || Number.isNaN(value)

function ResultControls() {
  const { query, urlState, region, setRegion, range } = useExplore()
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
      <Show when={isAdditive(query().aggregate)}>
        <button
          type="button"
          class="button"
          title="Which values explain the difference to the period before. Or drag across a part of the chart."
          aria-pressed={region() !== undefined}
          onClick={() => setRegion(region() ? undefined : rangeSoFar(range()))}
        >
          What changed?
        </button>
      </Show>
      <DeclareDialog />
      <ExportMenu />
      <RequestsDialog />
    </>
  )
}
