import { type JSX, Show } from 'solid-js'
import { CopyButton } from '../../../components/copy-button.tsx'
import { WarnIcon } from '../../../components/icons.tsx'
import { clock, day, duration, exact, shortStamp } from '../../../lib/format.ts'
import { rangeParams } from '../../../lib/time/range.ts'
import { useExplore } from '../context.ts'
import type { ResultInfo } from '../queries.ts'
import { isAdditive } from '../query-state.ts'
import type { Series } from '../series.ts'

const SOURCES: Record<string, string> = {
  rollup: 'from 15-minute counts',
  raw: 'from single events',
  'rollup+raw': 'from 15-minute counts, and single events at the ends of the range',
}

/** What the numbers are: how exact, read from what and when, final up to when, by which definition. */
export function Provenance(props: { series: Series }) {
  const { urlState, now, live } = useExplore()
  const info = () => props.series.info
  const zone = () => urlState.zone()
  const asOf = () => Date.parse(info().asOf)
  const exactness = () =>
    info().errorBound === 0 ? 'Exact' : `Within ${exact(info().errorBound * 100)} %`
  const finality = () => {
    if (info().final) return 'Every bucket is final.'
    const through = info().finalThrough
    if (through === undefined) return 'Nothing is final yet.'
    const time = Math.min(Date.parse(through), props.series.range.window.to)
    return time <= props.series.range.window.from
      ? 'Nothing in this range is final yet.'
      : `Final up to ${shortStamp(time, zone())}.`
  }
  const late = () => props.series.whole.reduce((sum, point) => sum + point.lateCount, 0)
  const definition = () => {
    const { metric, kind, version } = info().definition
    if (kind === 'metric') return `Definition: the declared metric ${metric}, version ${version}.`
    const what = metric === '*' ? 'every event' : `events named ${metric}`
    return `Definition: ${what}, by time of occurrence, version ${version}.`
  }
  return (
    <div class="provenance">
      <Show when={info().rawSince}>
        {(since) => (
          <p class="provenance-partial" role="status">
            <WarnIcon /> Part of the range is missing: single events are kept since{' '}
            {day(Date.parse(since()), zone())}, and earlier ones are not in these numbers. A count
            without filters or groups includes them.
          </p>
        )}
      </Show>
      <p>
        {exactness()}, {SOURCES[info().source] ?? `from ${info().source}`}, read{' '}
        <time dateTime={info().asOf} title={`${duration(now() + live.skewMs() - asOf())} ago`}>
          {clock(asOf(), zone())}
        </time>
        . {finality()}
        <Show when={late() > 0}>
          {' '}
          {exact(late())} {late() === 1 ? 'event was' : 'events were'} late.
        </Show>{' '}
        <bdi>{definition()}</bdi>
      </p>
      <CopyButton quiet what="query id" text={() => info().queryId} />
      <Show when={isAdditive(props.series.query.aggregate)}>
        <CopyButton quiet what="link to this result" text={() => linkTo(props.series)} />
      </Show>
    </div>
  )
}

/** Whoever opens it later sees what changed since. The range is that of the result, also if it ends now. */
function linkTo({ info, range: { window } }: Series): string {
  const link = new URL(location.href)
  const range = rangeParams({ kind: 'absolute', from: window.from, to: window.to })
  for (const [name, value] of Object.entries({ ...range, since: info.asOf }))
    if (value === null) link.searchParams.delete(name)
    else link.searchParams.set(name, value)
  return link.href
}

/** When a result of single events was read, and whether it may still change. */
export function ReadNote(props: { info: ResultInfo | undefined; children?: JSX.Element }) {
  const { urlState } = useExplore()
  return (
    <div class="provenance">
      <p>
        <Show when={props.info} fallback="Exact, from single events.">
          {(info) => (
            <>
              Exact, {SOURCES[info().source] ?? `from ${info().source}`}, read{' '}
              {clock(Date.parse(info().asOf), urlState.zone())}.{' '}
              {info().final ? 'Final.' : 'Not final yet.'}
            </>
          )}
        </Show>{' '}
        {props.children}
      </p>
    </div>
  )
}
