import { createMemo, For, Show } from 'solid-js'
import { CloseButton } from '../../../components/close-button.tsx'
import { QueryNotice } from '../../../components/error-notice.tsx'
import { WarnIcon } from '../../../components/icons.tsx'
import { Panel } from '../../../components/panel.tsx'
import { Scroll } from '../../../components/scroll.tsx'
import { SkeletonRows } from '../../../components/skeleton-rows.tsx'
import { createQuery } from '../../../lib/api/query.ts'
import { exact, exactValue, shortStamp } from '../../../lib/format.ts'
import { CAUSES, type Changes as Found, fetchChanges } from '../changes.ts'
import { isRetried, useExplore } from '../context.ts'
import { groupLabel } from '../series.ts'

/** More would be no summary; the API has them all. */
const POINTS_MAX = 50

/** Why the result is another one than at an earlier moment. @param props.since RFC 3339 */
export function Changes(props: { since: string }) {
  const explore = useExplore()
  const { urlState, setSince, queries } = explore
  const variables = createMemo(() => ({ query: explore.variables(), since: props.since }))
  const result = queries.add(
    createQuery({
      scope: () => JSON.stringify([explore.scope(), props.since]),
      variables,
      isRetried,
      fetch: ({ query, since }) => fetchChanges(query, since),
    }),
  )
  return (
    <div class="point-events changes">
      <Panel
        title={
          <>
            What changed{' '}
            <span class="panel-unit">
              since {shortStamp(Date.parse(props.since), urlState.zone())}
            </span>
          </>
        }
        aside={<CloseButton title="Close (Esc)" onClick={() => setSince(undefined)} />}
      >
        <QueryNotice query={result} subject="The explanation is" />
        <Show
          when={result.data()}
          fallback={
            <Show when={result.loading()}>
              <SkeletonRows widths={[70, 52]} />
            </Show>
          }
        >
          {(found) => <Explanation found={found()} />}
        </Show>
      </Panel>
    </div>
  )
}

function Explanation(props: { found: Found }) {
  return (
    <>
      <p class="point-comparison" role="status">
        <Show when={props.found.causes.length > 0} fallback="Nothing has changed.">
          {exactValue(props.found.before)} then, {exactValue(props.found.after)} now: a difference
          of {signed(props.found.difference)}
        </Show>
        <Show when={props.found.inFlight > 0}>
          {' '}
          <span class="muted">
            At most {exact(props.found.inFlight)} of the events before were still being written
            then.
          </span>
        </Show>
      </p>
      <Show when={!props.found.isComplete}>
        <p class="provenance-partial">
          <WarnIcon /> Single events were dropped since: how many of them the earlier result counted
          is not known.
        </p>
      </Show>
      <Show when={props.found.causes.length > 0}>
        <CausesTable found={props.found} />
        <PointsTable found={props.found} />
      </Show>
    </>
  )
}

function CausesTable(props: { found: Found }) {
  return (
    <Scroll class="contributions-scroll" label="Causes of the change">
      <table class="table contributions causes">
        <thead>
          <tr>
            <th scope="col">Cause</th>
            <th scope="col" class="figures">
              Events
            </th>
            <th scope="col" class="figures">
              Change
            </th>
          </tr>
        </thead>
        <tbody>
          <For each={props.found.causes}>
            {(each) => (
              <tr>
                <th scope="row">{CAUSES[each.cause]}</th>
                <td class="figures muted">{signed(each.events)}</td>
                <td class="figures">{signed(each.amount)}</td>
              </tr>
            )}
          </For>
        </tbody>
        <tfoot>
          <tr>
            <th scope="row">Sum</th>
            <td class="figures" />
            <td class="figures">{signed(props.found.difference)}</td>
          </tr>
        </tfoot>
      </table>
    </Scroll>
  )
}

function PointsTable(props: { found: Found }) {
  const { urlState, query } = useExplore()
  const shown = () => props.found.points.slice(0, POINTS_MAX)
  const group = (dimensions: unknown) =>
    groupLabel(
      query().groupBy.map((name) => (dimensions as Record<string, string | null>)[name] ?? null),
    )
  return (
    <Show when={shown().length > 0}>
      <Scroll class="contributions-scroll" label="Points that changed">
        <table class="table contributions changed-points">
          <thead>
            <tr>
              <th scope="col">Time</th>
              <Show when={query().groupBy.length > 0}>
                <th scope="col">Group</th>
              </Show>
              <th scope="col" class="figures">
                Then
              </th>
              <th scope="col" class="figures">
                Now
              </th>
              <th scope="col">Why</th>
            </tr>
          </thead>
          <tbody>
            <For each={shown()}>
              {(point) => (
                <tr>
                  <th scope="row">{shortStamp(Date.parse(point.timestamp), urlState.zone())}</th>
                  <Show when={query().groupBy.length > 0}>
                    <td>
                      <bdi>{group(point.dimensions)}</bdi>
                    </td>
                  </Show>
                  <td class="figures muted">{exactValue(point.before)}</td>
                  <td class="figures">{exactValue(point.after)}</td>
                  <td class="muted">
                    {point.causes
                      .map(({ cause, amount }) => `${CAUSES[cause]} ${signed(amount)}`)
                      .join(', ')}
                  </td>
                </tr>
              )}
            </For>
          </tbody>
        </table>
      </Scroll>
      <Show when={props.found.points.length > shown().length}>
        <p class="point-more muted">
          The first {POINTS_MAX} of {exact(props.found.points.length)} points that changed.
        </p>
      </Show>
    </Show>
  )
}

function signed(value: number | null): string {
  if (value === null) return 'not known'
  return value === 0 ? '±0' : `${value > 0 ? '+' : '−'}${exactValue(Math.abs(value))}`
}
