import { createEffect, createMemo, createSignal, For, on, Show } from 'solid-js'
import { ChangeMark } from '../../../components/change-mark.tsx'
import { CloseButton } from '../../../components/close-button.tsx'
import { QueryNotice } from '../../../components/error-notice.tsx'
import { Panel } from '../../../components/panel.tsx'
import { Scroll } from '../../../components/scroll.tsx'
import { SkeletonRows } from '../../../components/skeleton-rows.tsx'
import { createQuery } from '../../../lib/api/query.ts'
import { exactValue, rangeName } from '../../../lib/format.ts'
import { withFilter } from '../chips/filter-chips.tsx'
import { DimensionChoice } from '../chips/group-chips.tsx'
import {
  type Contribution,
  type Contributions as Found,
  fetchContributions,
} from '../comparison.ts'
import { isRetried, useExplore } from '../context.ts'
import type { ExploreQuery, Region } from '../query-state.ts'
import { NONE } from '../series.ts'

/** Which values of a dimension explain how a region differs from the time before it. */
export function Contributions(props: { region: Region }) {
  const explore = useExplore()
  const { urlState, setRegion, queries } = explore
  const zone = () => urlState.zone()
  const [dimension, setDimension] = createSignal(initialDimension(explore.query()))
  const variables = createMemo(() => ({
    query: explore.variables(),
    region: { from: props.region.from, to: props.region.to },
    dimension: dimension(),
  }))
  const scope = () => JSON.stringify([explore.scope(), props.region, dimension()])
  const result = queries.add(
    createQuery({
      scope,
      variables,
      isRetried,
      fetch: ({ query, region, dimension }) => fetchContributions(query, region, dimension),
    }),
  )
  let panel!: HTMLDivElement
  createEffect(
    on(
      () => JSON.stringify(props.region),
      () => panel.scrollIntoView({ block: 'nearest' }),
    ),
  )
  const before = (found: Found) =>
    rangeName(Date.parse(found.previousStart), Date.parse(found.previousEnd), zone())
  return (
    <div class="point-events" ref={panel}>
      <Panel
        title={
          <>
            What changed{' '}
            <span class="panel-unit">{rangeName(props.region.from, props.region.to, zone())}</span>
          </>
        }
        aside={
          <>
            <button
              type="button"
              class="button"
              onClick={() =>
                urlState.setRange({
                  kind: 'absolute',
                  from: props.region.from,
                  to: props.region.to,
                })
              }
            >
              Zoom in
            </button>
            <CloseButton title="Close (Esc)" onClick={() => setRegion(undefined)} />
          </>
        }
      >
        <QueryNotice query={result} subject="The explanation is" />
        <div class="contributions-by">
          <DimensionChoice dimension={dimension()} choose={setDimension} />
        </div>
        <Show
          when={result.data()}
          fallback={
            <Show when={result.loading()}>
              <SkeletonRows widths={[90, 62, 48, 40]} />
            </Show>
          }
        >
          {(found) => (
            <>
              <p class="point-comparison" role="status">
                {exactValue(found().after)} now, {exactValue(found().before)} before (
                {before(found())}): a difference of {signed(found().difference)}
                <ChangeMark value={found().after} before={found().before} />
              </p>
              <Rows found={found()} dimension={found().dimension} />
            </>
          )}
        </Show>
      </Panel>
    </div>
  )
}

/** Of a single name, the name explains nothing. */
const initialDimension = ({ groupBy, name }: ExploreQuery): string =>
  groupBy[0] ?? (name === undefined ? 'name' : 'source')

const signed = (value: number): string =>
  value === 0 ? '±0' : `${value > 0 ? '+' : '−'}${exactValue(Math.abs(value))}`

function Rows(props: { found: Found; dimension: string }) {
  const { query, setQuery } = useExplore()
  const highest = () =>
    Math.max(...props.found.contributions.map(({ difference }) => Math.abs(difference)), 1e-9)
  const keep = (row: Contribution) =>
    setQuery({
      filters: withFilter(query().filters, { dimension: props.dimension, in: [row.value] }),
    })
  const label = (row: Contribution) => (row.isOther ? 'all other values' : (row.value ?? NONE))
  return (
    <Scroll class="contributions-scroll" label="Contributions to the difference">
      <table class="table contributions">
        <thead>
          <tr>
            <th scope="col">
              <bdi>{props.dimension}</bdi>
            </th>
            <th scope="col" class="figures">
              Before
            </th>
            <th scope="col" class="figures">
              Now
            </th>
            <th scope="col" class="figures">
              Difference
            </th>
            <th scope="col" class="contribution-head">
              <span class="sr-only">Size</span>
            </th>
          </tr>
        </thead>
        <tbody>
          <For each={props.found.contributions}>
            {(row) => (
              <tr>
                <th scope="row">
                  <Show when={!row.isOther} fallback={<span class="muted">{label(row)}</span>}>
                    <button
                      type="button"
                      class="bar-name"
                      title={`Show only ${label(row)}`}
                      onClick={() => keep(row)}
                    >
                      <bdi>{label(row)}</bdi>
                    </button>
                  </Show>
                </th>
                <td class="figures muted">{exactValue(row.before)}</td>
                <td class="figures">{exactValue(row.after)}</td>
                <td class="figures">{signed(row.difference)}</td>
                <td class="contribution-cell" aria-hidden="true">
                  <span
                    class="contribution-bar"
                    data-direction={row.difference < 0 ? 'down' : 'up'}
                    style={{ width: `${(Math.abs(row.difference) / highest()) * 46}%` }}
                  />
                </td>
              </tr>
            )}
          </For>
        </tbody>
        <tfoot>
          <tr>
            <th scope="row">Sum</th>
            <td class="figures muted">{exactValue(props.found.before)}</td>
            <td class="figures">{exactValue(props.found.after)}</td>
            <td class="figures">{signed(props.found.difference)}</td>
            <td class="contribution-cell" />
          </tr>
        </tfoot>
      </table>
    </Scroll>
  )
}
