import { Show } from 'solid-js'
import { useApp } from '../lib/app-context.ts'
import { offsetsName } from '../lib/format.ts'
import { zoneLabel } from '../lib/time/zones.ts'
import { isRevised, type Point } from './points.ts'

/** What dashes and marks of a chart mean, and its time zone. */
export function StateMarks(props: {
  whole: readonly Point[] | undefined
  times: readonly number[] | undefined
  /** A table has neither dashes nor marks. */
  isChart: boolean
  hasPrevious?: boolean | undefined
}) {
  const { urlState, now } = useApp()
  const hasOpen = () => props.whole?.some((point) => !point.isFinal)
  const hasRevised = () => props.whole?.some(isRevised)
  const zone = () => {
    const name = zoneLabel(urlState.zone())
    // Of the times that are shown: today's may be another one.
    const times = props.times ?? []
    const offset = offsetsName(times[0] ?? now(), times.at(-1) ?? now(), urlState.zone())
    return name === offset ? name : `${name} (${offset})`
  }
  return (
    <>
      <Show when={props.isChart && props.hasPrevious}>
        <span class="legend-item">
          <LegendLine dash="3 3" class="muted" /> previous period
        </span>
      </Show>
      <Show when={props.isChart && hasOpen()}>
        <span class="legend-item">
          <LegendLine dash="4 4" class="pale" /> not final yet
        </span>
      </Show>
      <Show when={props.isChart && hasRevised()}>
        <span class="legend-item">
          <svg class="mark" viewBox="0 0 8 8" aria-hidden="true">
            <path d="M4 1 7.5 7h-7z" />
          </svg>
          revised by late events
        </span>
      </Show>
      <span class="legend-zone">Times in {zone()}</span>
    </>
  )
}

function LegendLine(props: { dash: string; class: string }) {
  return (
    <svg class={`legend-line ${props.class}`} viewBox="0 0 18 4" aria-hidden="true">
      <path d="M0 2h18" stroke-dasharray={props.dash} />
    </svg>
  )
}
