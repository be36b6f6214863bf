import { For, Match, Show, Switch } from 'solid-js'
import { Missing } from '../../../components/error-notice.tsx'
import { Panel } from '../../../components/panel.tsx'
import { Scroll } from '../../../components/scroll.tsx'
import { SkeletonRows } from '../../../components/skeleton-rows.tsx'
import { isMissing } from '../../../lib/api/query.ts'
import { compact, exact } from '../../../lib/format.ts'
import { usePipeline } from '../context.ts'

/** How far each partition was applied, the furthest behind first. Offsets are those of all tenants: the operator's. */
export function Partitions() {
  const { lag, viewer } = usePipeline()
  const rows = () =>
    [...(lag.data()?.partitions ?? [])].sort(
      (a, b) => (b.lag ?? 0) - (a.lag ?? 0) || a.partition - b.partition,
    )
  return (
    <Show when={viewer().isOperator}>
      <Panel
        title={
          <>
            Partitions of the log <span class="panel-unit">all tenants</span>
          </>
        }
      >
        <Switch>
          <Match when={isMissing(lag)}>
            <Missing subject="The partitions" />
          </Match>
          <Match when={lag.loading()}>
            <SkeletonRows widths={[80, 80, 80]} />
          </Match>
          <Match when={lag.data()}>
            <Scroll class="pipeline-partitions" label="Partitions of the log">
              <table class="table">
                <thead>
                  <tr>
                    <th scope="col">Partition</th>
                    <th scope="col" class="figures">
                      Lag
                    </th>
                    <th scope="col" class="figures">
                      Applied
                    </th>
                    <th scope="col" class="figures">
                      End
                    </th>
                    <th scope="col">Worker</th>
                  </tr>
                </thead>
                <tbody>
                  <For each={rows()}>
                    {(row) => (
                      <tr>
                        <th scope="row" class="nowrap">
                          {row.partition}
                        </th>
                        <td class="figures" title={exact(row.lag ?? 0)}>
                          {compact(row.lag ?? 0)}
                        </td>
                        <td class="figures muted">{exact(row.position ?? 0)}</td>
                        <td class="figures muted">{exact(row.end ?? 0)}</td>
                        <td>
                          <bdi class="pipeline-worker" title={row.worker ?? undefined}>
                            {row.worker ?? 'None'}
                          </bdi>
                        </td>
                      </tr>
                    )}
                  </For>
                </tbody>
              </table>
            </Scroll>
          </Match>
        </Switch>
      </Panel>
    </Show>
  )
}
