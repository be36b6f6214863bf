import './pipeline.css'
import { Show } from 'solid-js'
import { QueryNotice } from '../../components/error-notice.tsx'
import { Choice } from '../../components/forms/choice.tsx'
import { WarnIcon } from '../../components/icons.tsx'
import { StatusNotices } from '../../components/status-notices.tsx'
import { exact } from '../../lib/format.ts'
import { createPipelinePage, PipelineContext, usePipeline } from './context.ts'
import { BalancePanel } from './panels/balance.tsx'
import { Components } from './panels/components.tsx'
import { Partitions } from './panels/partitions.tsx'
import { Unaccounted } from './panels/unaccounted.tsx'
import { PERIODS, type PeriodId } from './sums.ts'

/** Where events are on their way from the edge to a query, and whether all of them arrive. */
export default function PipelinePageView() {
  const page = createPipelinePage()
  return (
    <PipelineContext.Provider value={page}>
      <div class="pipeline">
        <StatusNotices
          queries={page.queries}
          dataAt={page.balance.data() && page.balance.dataAt()}
        />
        <QueryNotice query={page.balance} subject="The balance is" />
        <QueryNotice query={page.lag} subject="The state of the log is" />
        <QueryNotice query={page.freshness} subject="The freshness is" />
        <Problems />
        <header class="pipeline-head">
          <h2>
            Events of <bdi>{page.tenant()}</bdi>, {PERIODS[page.period()].name}{' '}
            <span class="panel-unit">by time received</span>
          </h2>
          <Choice label="Period" chosen={page.period()} options={LABELS} choose={page.setPeriod} />
        </header>
        <Components />
        <Unaccounted />
        <BalancePanel />
        <Partitions />
      </div>
    </PipelineContext.Provider>
  )
}

const LABELS = Object.fromEntries(
  Object.entries(PERIODS).map(([id, { label }]) => [id, label]),
) as Record<PeriodId, string>

/** What keeps partitions from being read, and differences that are not in the period shown. */
function Problems() {
  const { lag, balance, sums, viewer } = usePipeline()
  const elsewhere = () => {
    const found = lag.data()?.unaccounted ?? 0
    const shown = sums()
    if (!viewer().isOperator || shown === undefined) return 0
    return Math.max(0, found - shown.missing - shown.surplus)
  }
  return (
    <>
      <Show when={lag.data()?.otherLog}>
        <div class="notice bad">
          <WarnIcon />
          <p>
            <strong>Nothing is read from the log:</strong> it is not the log that the stored
            positions belong to. An operator decides with <code>sluice offsets adopt</code>.
          </p>
        </div>
      </Show>
      <Show when={(lag.data()?.gaps.length ?? 0) > 0}>
        <div class="notice bad">
          <WarnIcon />
          <p>
            <strong>
              Records are missing from the log in {partitionsText(lag.data()?.gaps ?? [])}.
            </strong>{' '}
            These partitions are paused until an operator runs <code>sluice offsets skip</code>.
          </p>
        </div>
      </Show>
      <Show when={elsewhere() > 0}>
        <div class="notice bad">
          <WarnIcon />
          <p>
            <strong>{exact(elsewhere())} more events of the last month are unaccounted for</strong>,
            of other tenants or other hours. <code>sluice balance --last 28d</code> lists them.
          </p>
        </div>
      </Show>
      <Show when={balance.data()?.counting === false}>
        <div class="notice">
          <WarnIcon />
          <p>
            <strong>Nothing has counted the log yet,</strong> so nothing is compared. A worker does
            it; this page shows the balance as soon as one runs.
          </p>
        </div>
      </Show>
    </>
  )
}

function partitionsText(gaps: readonly { partition: number }[]): string {
  const names = gaps.map(({ partition }) => partition).join(', ')
  return gaps.length === 1 ? `partition ${names}` : `partitions ${names}`
}
