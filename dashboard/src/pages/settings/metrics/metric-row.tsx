import { A } from '@solidjs/router'
import { createUniqueId, For, Show } from 'solid-js'
import { Stamp } from '../../../components/time.tsx'
import { useApp } from '../../../lib/app-context.ts'
import { compact, exact } from '../../../lib/format.ts'
import type { Metric } from './queries.ts'

/** One metric: what it counts, since when it is exact, and how many series it has. */
export function MetricRow(props: {
  metric: Metric
  mayChange: boolean
  onChange(): void
  onRetire(): void
}) {
  const id = createUniqueId()
  const { urlState } = useApp()
  const href = () => {
    const search = new URLSearchParams(urlState.sharedSearch())
    search.set('name', props.metric.name)
    return `/explore?${search}`
  }
  return (
    <li class="metric" aria-labelledby={id}>
      <div class="metric-head">
        <h3 id={id}>
          <A href={href()} title={`Show ${props.metric.name} in Explore`}>
            <bdi>{props.metric.name}</bdi>
          </A>
        </h3>
        <span class="hint figures">Version {exact(props.metric.version)}</span>
        <Show when={props.mayChange}>
          <span class="metric-actions">
            <button type="button" class="button" onClick={() => props.onChange()}>
              New version<span class="sr-only"> of {props.metric.name}</span>
            </button>
            <button type="button" class="button" onClick={() => props.onRetire()}>
              Retire…<span class="sr-only"> {props.metric.name}</span>
            </button>
          </span>
        </Show>
      </div>
      <Definition metric={props.metric} />
      <Backfill metric={props.metric} />
    </li>
  )
}

function Definition(props: { metric: Metric }) {
  const series = () => props.metric.series
  return (
    <dl class="metric-parts">
      <div>
        <dt>Events</dt>
        <dd>
          <Show when={props.metric.events} fallback="All events">
            {(events) => <Names names={events()} />}
          </Show>
        </dd>
      </div>
      <div>
        <dt>Filter</dt>
        <dd>
          <For each={props.metric.filter} fallback="None">
            {(filter) => (
              <span class="metric-filter">
                <bdi>{filter.dimension}</bdi> is <Names names={filter.in} />
              </span>
            )}
          </For>
        </dd>
      </div>
      <div>
        <dt>Value</dt>
        <dd>
          <bdi>{props.metric.value}</bdi>
        </dd>
      </div>
      <div>
        <dt>Dimensions</dt>
        <dd>
          <Show when={props.metric.dimensions.length > 0} fallback="None">
            <Names names={props.metric.dimensions} />
          </Show>
        </dd>
      </div>
      <div>
        <dt>Series</dt>
        <dd class="figures" title={`${exact(series())} of ${exact(props.metric.seriesMax)}`}>
          {exact(series())} of {exact(props.metric.seriesMax)}
          <Show when={series() >= props.metric.seriesMax}>
            <span class="metric-other"> Full: further values are counted as “(other)”.</span>
          </Show>
        </dd>
      </div>
      <div>
        <dt>Exact from</dt>
        <dd>
          <ExactFrom metric={props.metric} />
        </dd>
      </div>
    </dl>
  )
}

function Names(props: { names: readonly string[] }) {
  return (
    <For each={props.names}>
      {(name, i) => (
        <>
          <bdi class="metric-name">{name}</bdi>
          {i() < props.names.length - 1 ? ', ' : ''}
        </>
      )}
    </For>
  )
}

function ExactFrom(props: { metric: Metric }) {
  return (
    <Show
      when={props.metric.state === 'ACTIVE'}
      fallback={
        <>
          <Stamp at={props.metric.activatedAt} />, and earlier once its history is counted
        </>
      }
    >
      <Show when={props.metric.completeSince} fallback="The first event">
        {(since) => <Stamp at={since()} />}
      </Show>
    </Show>
  )
}

/** How much of the history is counted, while it is not complete. */
function Backfill(props: { metric: Metric }) {
  const done = () => props.metric.backfill
  return (
    <Show when={props.metric.state === 'BACKFILLING'}>
      <div class="metric-backfill">
        <progress
          aria-label={`History of ${props.metric.name} that is counted`}
          max={Math.max(1, done().daysTotal)}
          value={done().daysDone}
        />
        <p class="hint figures">
          Counting its history: {exact(done().daysDone)} of {exact(done().daysTotal)} days,{' '}
          <span title={exact(done().events)}>{compact(done().events)}</span> events.
        </p>
      </div>
    </Show>
  )
}
