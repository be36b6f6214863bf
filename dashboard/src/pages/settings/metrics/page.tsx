import './metrics.css'
import { createEffect, createSignal, For, Match, onCleanup, Show, Switch } from 'solid-js'
import { Missing, QueryNotice } from '../../../components/error-notice.tsx'
import { Panel } from '../../../components/panel.tsx'
import { SkeletonRows } from '../../../components/skeleton-rows.tsx'
import { createQuery, isMissing } from '../../../lib/api/query.ts'
import { useApp } from '../../../lib/app-context.ts'
import { MetricForm } from './metric-form.tsx'
import { MetricRow } from './metric-row.tsx'
import { draftOf, emptyDraft, fetchMetrics, type Metric, type MetricDraft } from './queries.ts'
import { RetireDialog } from './retire-dialog.tsx'

const POLL_BACKFILL_MS = 1_000
const POLL_MS = 15_000

interface Editing {
  draft: MetricDraft
  /** The metric that gets a new version. */
  metric?: Metric
}

/** Which metrics are declared, how far each one is counted, and what can be changed about them. */
export default function MetricsSection() {
  const { tenant, may } = useApp()
  const [editing, setEditing] = createSignal<Editing>()
  const [retiring, setRetiring] = createSignal<Metric>()
  const metrics = createQuery({
    scope: tenant,
    variables: () => ({ tenant: tenant() }),
    fetch: fetchMetrics,
  })
  const isBackfilling = () => metrics.data()?.some(({ state }) => state === 'BACKFILLING') ?? false
  createEffect(() => {
    const timer = setInterval(metrics.invalidate, isBackfilling() ? POLL_BACKFILL_MS : POLL_MS)
    onCleanup(() => clearInterval(timer))
  })
  let declareButton: HTMLButtonElement | undefined
  const closeForm = () => {
    setEditing(undefined)
    queueMicrotask(() => declareButton?.focus())
  }
  const mayDeclare = () => may('metrics.declare')
  return (
    <>
      <Show when={mayDeclare() && editing()} keyed>
        {({ draft, metric }) => (
          <MetricForm draft={draft} metric={metric} onDone={metrics.retry} onClose={closeForm} />
        )}
      </Show>
      <Panel
        title="Declared metrics"
        class="metrics"
        aside={
          <Show when={mayDeclare() && !editing()}>
            <button
              type="button"
              class="button"
              ref={declareButton}
              onClick={() => setEditing({ draft: emptyDraft() })}
            >
              Declare a metric
            </button>
          </Show>
        }
      >
        <p class="panel-note">
          Sluice counts a declared metric as events arrive, so that it is as quick over years as
          over hours.
          <Show when={!mayDeclare()}> Editors of the tenant and above can declare metrics.</Show>
        </p>
        <QueryNotice query={metrics} subject="The metrics are" />
        <Switch>
          <Match when={isMissing(metrics)}>
            <Missing subject="The metrics" />
          </Match>
          <Match when={metrics.loading()}>
            <SkeletonRows widths={[60, 80, 50]} />
          </Match>
          <Match when={metrics.data()?.length === 0}>
            <p class="empty">
              No metric is declared in <bdi>{tenant()}</bdi>. Declare one here, or in Explore from a
              query that you use often.
            </p>
          </Match>
          <Match when={metrics.data()}>
            {(list) => (
              <ul class="metric-list">
                <For each={list().map(({ name }) => name)}>
                  {(name) => (
                    <Show when={list().find((each) => each.name === name)}>
                      {(metric) => (
                        <MetricRow
                          metric={metric()}
                          mayChange={mayDeclare()}
                          onChange={() =>
                            setEditing({ draft: draftOf(metric()), metric: metric() })
                          }
                          onRetire={() => setRetiring(metric())}
                        />
                      )}
                    </Show>
                  )}
                </For>
              </ul>
            )}
          </Match>
        </Switch>
      </Panel>
      <RetireDialog
        metric={retiring()}
        onClose={() => setRetiring(undefined)}
        onRetired={metrics.retry}
      />
    </>
  )
}
