import { For, Show } from 'solid-js'
import { isRevised } from '../../../../charts/points.ts'
import { offsetsName } from '../../../../lib/format.ts'
import { zoneLabel } from '../../../../lib/time/zones.ts'
import { useOverview } from '../../context.ts'
import type { TrendData } from './trend-query.ts'

/** The names of the lines, what dashes and marks mean, and the time zone. */
export function TrendLegend(props: { data: TrendData | undefined }) {
  const { urlState, now } = useOverview()
  const isChart = () => urlState.view() === 'chart'
  const hasOpen = () => props.data?.whole.some((point) => !point.isFinal)
  const hasRevised = () => props.data?.whole.some(isRevised)
  const zone = () => {
    const name = zoneLabel(urlState.zone())
    // Of the times that are shown: today's may be another one.
    const { times = [] } = props.data ?? {}
    const offset = offsetsName(times[0] ?? now(), times.at(-1) ?? now(), urlState.zone())
    return name === offset ? name : `${name} (${offset})`
  }
  return (
    <footer class="legend">
      <Show when={props.data && props.data.lines.length > 1}>
        <LineNames data={props.data as TrendData} />
      </Show>
      <Show when={isChart() && props.data?.previous}>
        <span class="legend-item">
          <LegendLine dash="3 3" class="muted" /> previous period
        </span>
      </Show>
      <Show when={isChart() && hasOpen()}>
        <span class="legend-item">
          <LegendLine dash="4 4" class="pale" /> not final yet
        </span>
      </Show>
      <Show when={isChart() && hasRevised()}>
        <span class="legend-item">
          <svg class="mark" viewBox="0 0 8 8" aria-hidden="true">
            <path d="M4 1 7.5 7h-7z" />
          </svg>
          revised by late events
        </span>
      </Show>
      <span class="legend-zone">Times in {zone()}</span>
    </footer>
  )
}

function LineNames(props: { data: TrendData }) {
  const { urlState } = useOverview()
  return (
    <For each={props.data.lines}>
      {(line) => (
        <button
          type="button"
          class="legend-item"
          disabled={line.name === 'other'}
          title={line.name === 'other' ? 'All other names' : `Show only ${line.name}`}
          onClick={() => urlState.set({ name: line.name })}
        >
          <span class="legend-square" style={{ background: line.colour }} aria-hidden="true" />
          {line.name}
        </button>
      )}
    </For>
  )
}

function LegendLine(props: { dash: string; class: string }) {
  return (
    <svg class={`legend-line ${props.class}`} viewBox="0 0 18 4" aria-hidden="true">
      <path d="M0 2h18" stroke-dasharray={props.dash} />
    </svg>
  )
}
