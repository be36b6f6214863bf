import { For, Show } from 'solid-js'
import { Panel } from '../../../components/panel.tsx'
import { Scroll } from '../../../components/scroll.tsx'
import { SkeletonRows } from '../../../components/skeleton-rows.tsx'
import { createQuery } from '../../../lib/api/query.ts'
import { compact, duration, exact } from '../../../lib/format.ts'
import { isRetried, useExplore } from '../context.ts'
import { ReadNote } from '../panels/provenance.tsx'
import { ProblemOf } from '../panels/query-problem.tsx'
import { type Funnel as Found, fetchFunnel } from './queries.ts'
import { parseFunnel, WINDOWS } from './state.ts'

/** How many actors take each step, one after the other, within a time. */
export function Funnel() {
  const explore = useExplore()
  const { params, query, range, scope, tenant, queries, rangeLabel } = explore
  const asked = () => parseFunnel(params())
  const result = queries.add(
    createQuery({
      scope: () => JSON.stringify([scope(), asked()]),
      isRetried,
      variables: () =>
        asked().steps.length < 2
          ? undefined
          : { ...asked(), tenant: tenant(), filters: query().filters, window: range().window },
      fetch: fetchFunnel,
    }),
  )
  const within = () => WINDOWS.find(({ seconds }) => seconds === asked().windowSeconds)?.label
  return (
    <Panel
      title={
        <>
          Funnel{' '}
          <span class="panel-unit">
            {rangeLabel()}, within {within()} of the first step
          </span>
        </>
      }
    >
      <ProblemOf query={result} />
      <Show
        when={asked().steps.length >= 2}
        fallback={
          <p class="empty">
            Add the events that people do one after the other, at least two. Actors are counted,
            each once.
          </p>
        }
      >
        <Show
          when={result.data()}
          fallback={
            <Show when={result.loading()}>
              <SkeletonRows widths={[95, 60, 35]} />
            </Show>
          }
        >
          {(found) => (
            <>
              <Steps found={found()} />
              <ReadNote info={found().info}>
                <Show when={found().withoutActor > 0}>
                  {exact(found().withoutActor)} events without an actor are not counted.
                </Show>
              </ReadNote>
            </>
          )}
        </Show>
      </Show>
    </Panel>
  )
}

const percent = (ratio: number | null): string =>
  ratio === null ? '–' : `${(ratio * 100).toFixed(1)} %`

function Steps(props: { found: Found }) {
  const first = () => Math.max(1, props.found.steps[0]?.actors ?? 0)
  return (
    <Scroll class="behaviour-scroll" label="Steps of the funnel">
      <table class="table bars funnel-table">
        <thead>
          <tr>
            <th scope="col">Step</th>
            <th scope="col" class="figures">
              Actors
            </th>
            <th scope="col" class="figures">
              Of the step before
            </th>
            <th scope="col" class="figures">
              Of the first
            </th>
            <th scope="col" class="figures">
              Median time
            </th>
          </tr>
        </thead>
        <tbody>
          <For each={props.found.steps}>
            {(step, i) => (
              <tr>
                <th scope="row">
                  <span class="bar" style={{ width: `${(step.actors / first()) * 100}%` }} />
                  <span class="bar-name" title={step.name}>
                    <span class="muted">{i() + 1}</span> <bdi>{step.name}</bdi>
                  </span>
                </th>
                <td class="figures" title={exact(step.actors)}>
                  {compact(step.actors)}
                </td>
                <td class="figures">{i() === 0 ? '' : percent(step.conversion)}</td>
                <td class="figures muted">{i() === 0 ? '' : percent(step.overall)}</td>
                <td class="figures muted">
                  {step.medianSeconds === null ? '' : duration(step.medianSeconds * 1000)}
                </td>
              </tr>
            )}
          </For>
        </tbody>
      </table>
    </Scroll>
  )
}
