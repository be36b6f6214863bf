import { createEffect, createMemo, createSignal, For, on, Show } from 'solid-js'
import { CloseButton } from '../../../components/close-button.tsx'
import { QueryNotice } from '../../../components/error-notice.tsx'
import { EventRow } from '../../../components/event-row.tsx'
import { CheckIcon } from '../../../components/icons.tsx'
import { Panel } from '../../../components/panel.tsx'
import { SkeletonRows } from '../../../components/skeleton-rows.tsx'
import { createQuery } from '../../../lib/api/query.ts'
import { clock, exact, exactValue } from '../../../lib/format.ts'
import { isRetried, useExplore } from '../context.ts'
import { fetchPointEvents, type PointEvents as Listed } from '../queries.ts'
import { AGGREGATES, type Filter, type SelectedPoint } from '../query-state.ts'
import { boundsOf, bucketLabel, groupLabel, type Series } from '../series.ts'

/** More are not kept on a page; an export has them all. */
const PAGES_MAX = 10

/** The events that the selected point counts, and both numbers. */
export function PointEvents(props: { series: Series; point: SelectedPoint }) {
  const { setPoint } = useExplore()
  const index = () =>
    props.series.query.interval === 'TOTAL' ? 0 : props.series.times.indexOf(props.point.time)
  let panel!: HTMLDivElement
  // What was clicked may be far above.
  createEffect(
    on(
      () => JSON.stringify(props.point),
      () => panel.scrollIntoView({ block: 'nearest' }),
    ),
  )
  return (
    <div class="point-events" ref={panel}>
      <Show
        when={index() >= 0}
        fallback={
          <p class="notice">
            The selected point is not in this range.
            <button type="button" class="button" onClick={() => setPoint(undefined)}>
              Close
            </button>
          </p>
        }
      >
        <EventsPanel series={props.series} point={props.point} index={index()} />
      </Show>
    </div>
  )
}

function EventsPanel(props: { series: Series; point: SelectedPoint; index: number }) {
  const { setPoint, tenant, queries, urlState, now, live } = useExplore()
  const [pages, setPages] = createSignal(1)
  const value = createMemo(() => pointValue(props.series, props.point, props.index))
  const selection = createMemo(() => {
    const { from, to } = boundsOf(props.series, props.index)
    return {
      tenant: tenant(),
      name: props.series.query.name ?? null,
      startTime: new Date(from).toISOString(),
      endTime: new Date(to).toISOString(),
      filter: filtersOf(props.series, props.point),
      metric: props.series.info.definition.kind === 'metric' ? props.series.query.name : undefined,
    }
  })
  const scope = () => JSON.stringify(selection())
  createEffect(on(scope, () => setPages(1), { defer: true }))
  const list = queries.add(
    createQuery({
      scope,
      variables: () => ({ ...selection(), pages: pages() }),
      isRetried,
      fetch: fetchPointEvents,
    }),
  )
  // A point that has changed counts other events.
  createEffect(on(value, list.invalidate, { defer: true }))
  const hasMore = (listed: Listed) => listed.events.length < listed.totalCount
  return (
    <Panel
      class="feed"
      title={
        <>
          Events of {bucketLabel(props.series, props.index)}{' '}
          <span class="panel-unit">
            <bdi>{props.point.group && groupLabel(props.point.group)}</bdi>
          </span>
        </>
      }
      aside={<CloseButton title="Close the list (Esc)" onClick={() => setPoint(undefined)} />}
    >
      <QueryNotice query={list} subject="The list is" />
      <Show
        when={list.data()}
        fallback={
          <Show when={list.loading()}>
            <SkeletonRows widths={[70, 55, 78, 62]} />
          </Show>
        }
      >
        {(listed) => (
          <>
            <Comparison series={props.series} value={value()} listed={listed()} />
            <div class="point-rows">
              <For each={listed().events}>
                {(event) => (
                  <EventRow
                    event={event}
                    zone={urlState.zone()}
                    isNew={false}
                    now={() => now() + live.skewMs()}
                    time="occurred"
                  />
                )}
              </For>
            </div>
            <Show when={hasMore(listed())}>
              <p class="point-more">
                <span class="muted">
                  {exact(listed().events.length)} of {exact(listed().totalCount)} are shown, the
                  newest received first.
                </span>
                <Show when={pages() < PAGES_MAX}>
                  <button type="button" class="button" onClick={() => setPages(pages() + 1)}>
                    Show more
                  </button>
                </Show>
              </p>
            </Show>
          </>
        )}
      </Show>
    </Panel>
  )
}

/** Both numbers, and whether they agree. */
function Comparison(props: { series: Series; value: number; listed: Listed }) {
  const { urlState } = useExplore()
  const isCount = () => props.series.query.aggregate === 'COUNT'
  const total = () => props.listed.totalCount
  const events = (count: number) => `${exact(count)} ${count === 1 ? 'event' : 'events'}`
  return (
    <p class="point-comparison" role="status">
      <Show
        when={isCount()}
        fallback={
          <>
            The point is {exactValue(props.value)} (
            {AGGREGATES[props.series.query.aggregate].toLowerCase()}); it is made of{' '}
            {events(total())}, listed here.
          </>
        }
      >
        <Show
          when={total() === props.value}
          fallback={
            <>
              The point counts {events(props.value)}; {exact(total())} are listed.{' '}
              {reasonOf(props.series, props.value, total(), urlState.zone())}
            </>
          }
        >
          <CheckIcon />
          The point counts {events(props.value)}, and exactly{' '}
          {total() === 1 ? 'that one is' : 'those are'} listed.
        </Show>
      </Show>
    </p>
  )
}

function reasonOf({ info }: Series, value: number, total: number, zone: string): string {
  if (total > value)
    return `The number was read at ${clock(Date.parse(info.asOf), zone)}, and more have arrived since.`
  return 'The number is kept longer than single events are: those that were dropped, or erased, cannot be listed.'
}

function pointValue(series: Series, { group }: SelectedPoint, index: number): number {
  if (group === undefined) return series.whole[index]?.value ?? Number.NaN
  const key = JSON.stringify(group)
  const line = series.lines.find((each) => JSON.stringify(each.group) === key)
  const whole = series.groups.find((each) => JSON.stringify(each.values) === key)
  if (series.query.interval === 'TOTAL') return whole?.total ?? Number.NaN
  return line?.points[index]?.value ?? Number.NaN
}

/** Those of the query, and the values of the group, which are among those that the query lists. */
function filtersOf({ query }: Series, { group }: SelectedPoint) {
  const all = new Map<string, Filter['in']>(query.filters.map((each) => [each.dimension, each.in]))
  if (group !== undefined)
    for (const [i, dimension] of query.groupBy.entries()) all.set(dimension, [group[i] ?? null])
  return [...all].map(([dimension, values]) => ({ dimension, in: [...values] }))
}
