import { For, Show } from 'solid-js'
import { Panel } from '../../../components/panel.tsx'
import { Scroll } from '../../../components/scroll.tsx'
import { SkeletonRows } from '../../../components/skeleton-rows.tsx'
import { createQuery } from '../../../lib/api/query.ts'
import { compact, day, exact } from '../../../lib/format.ts'
import { isRetried, useExplore } from '../context.ts'
import { ReadNote } from '../panels/provenance.tsx'
import { ProblemOf } from '../panels/query-problem.tsx'
import { type Retention as Found, fetchRetention } from './queries.ts'
import { parseRetention } from './state.ts'

/** Of the actors who began on one day or in one week: how many came back in each later one. */
export function Retention() {
  const { params, query, range, scope, tenant, queries, rangeLabel } = useExplore()
  const asked = () => parseRetention(params())
  const unit = () => (asked().interval === 'WEEK' ? 'week' : 'day')
  const result = queries.add(
    createQuery({
      scope: () => JSON.stringify([scope(), asked()]),
      isRetried,
      variables: () => ({
        ...asked(),
        tenant: tenant(),
        filters: query().filters,
        window: range().window,
        timeZone: range().zone,
      }),
      // Only days that have begun: of a later one nothing is known.
      fetch: ({ window, ...rest }) =>
        fetchRetention({
          ...rest,
          window: { from: window.from, to: Math.min(window.to, range().end) },
        }),
    }),
  )
  return (
    <Panel
      title={
        <>
          Retention{' '}
          <span class="panel-unit">
            {rangeLabel()}, by {unit()} of the first event
          </span>
        </>
      }
    >
      <ProblemOf query={result} />
      <Show
        when={result.data()}
        fallback={
          <Show when={result.loading()}>
            <SkeletonRows widths={[95, 80, 65, 50]} />
          </Show>
        }
      >
        {(found) => (
          <Show
            when={found().cohorts.length > 0}
            fallback={<p class="empty">No actor has a first event in this range.</p>}
          >
            <Cohorts found={found()} unit={unit()} />
            <ReadNote info={found().info}>
              An actor is in the {unit()} of its first event in the range.
            </ReadNote>
          </Show>
        )}
      </Show>
    </Panel>
  )
}

function Cohorts(props: { found: Found; unit: 'day' | 'week' }) {
  const { urlState } = useExplore()
  const periods = () => Math.max(...props.found.cohorts.map(({ returned }) => returned.length))
  const share = (returned: number, actors: number) => (actors === 0 ? 0 : returned / actors)
  return (
    <Scroll class="behaviour-scroll" label="Retention by cohort">
      <table class="table retention-table">
        <thead>
          <tr>
            <th scope="col">First {props.unit}</th>
            <th scope="col" class="figures">
              Actors
            </th>
            <For each={Array.from({ length: periods() }, (_, i) => i)}>
              {(i) => (
                <th scope="col" class="figures">
                  <span class="sr-only">{props.unit} </span>+{i}
                </th>
              )}
            </For>
          </tr>
        </thead>
        <tbody>
          <For each={props.found.cohorts}>
            {(cohort) => (
              <tr>
                <th scope="row">{day(Date.parse(cohort.timestamp), urlState.zone())}</th>
                <td class="figures" title={exact(cohort.actors)}>
                  {compact(cohort.actors)}
                </td>
                <For each={cohort.returned}>
                  {(returned) => (
                    <td
                      class="figures retention-cell"
                      title={`${exact(returned)} of ${exact(cohort.actors)} actors`}
                      style={{ '--share': `${share(returned, cohort.actors) * 70}%` }}
                    >
                      {Math.round(share(returned, cohort.actors) * 100)} %
                    </td>
                  )}
                </For>
              </tr>
            )}
          </For>
        </tbody>
      </table>
    </Scroll>
  )
}
