import { For, type JSX, Match, Show, Switch } from 'solid-js'
import { Chart } from '../../../../charts/line-chart.tsx'
import { isRevised } from '../../../../charts/points.ts'
import { Panel } from '../../../../components/panel.tsx'
import { exact, offsetName } from '../../../../lib/format.ts'
import { partOf, type Step } from '../../../../lib/time/range.ts'
import { zoneName } from '../../../../lib/time/zones.ts'
import type { Place } from '../../../../lib/url-state.ts'
import type { TrendData } from './trend-data.ts'
import { TrendTable } from './trend-table.tsx'
import { TrendTip } from './trend-tooltip.tsx'

/** How many, when: as a picture or as the same numbers in a table. */
export function Trend(props: {
  data: TrendData | undefined
  isLoading: boolean
  place: Place
  now: number
  trouble: JSX.Element
}) {
  const name = () => props.place.name()
  const isSplit = () => props.place.split() && name() === undefined
  const isChart = () => props.place.view() === 'chart'
  const isLive = () => props.data?.step === 'MINUTE'
  /** UTC's offset is its name. */
  const zone = () => {
    const name = zoneName(props.place.zone())
    const offset = offsetName(props.now, props.place.zone())
    return name === offset ? name : `${name} (${offset})`
  }
  const hasOpen = () => props.data?.whole.some((point) => !point.isFinal)
  const hasRevised = () => props.data?.whole.some(isRevised)
  const says = () => {
    const sum = props.data?.whole.reduce((total, point) => total + point.value, 0)
    return `${exact(sum ?? 0)} events over ${props.data?.times.length ?? 0} ${STEPS[props.data?.step ?? 'HOUR']}s. The table switch shows the same numbers as text.`
  }

  return (
    <Panel
      class="trend"
      title={
        <>
          {name() ?? 'Events'} <span class="panel-unit">{unitOf(props.data?.step)}</span>
        </>
      }
      trouble={props.trouble}
      aside={
        <>
          <Show when={name()}>
            <button type="button" class="chip" onClick={() => props.place.go({ name: null })}>
              <span class="sr-only">Stop showing only {name()}: </span>All events
            </button>
          </Show>
          <Show when={name() === undefined}>
            <Choice
              label="Lines"
              chosen={isSplit() ? 'name' : 'all'}
              options={{ all: 'All', name: 'By name' }}
              choose={(to) => props.place.go({ split: to === 'name' ? 'name' : null })}
            />
          </Show>
          <Choice
            label="View"
            chosen={props.place.view()}
            options={{ chart: 'Chart', table: 'Table' }}
            choose={(to) => props.place.go({ view: to === 'table' ? 'table' : null })}
          />
        </>
      }
    >
      <div class="trend-body" aria-busy={props.isLoading}>
        <Show
          when={props.data}
          fallback={
            <Show when={props.isLoading}>
              <div class="bone-chart" />
            </Show>
          }
        >
          {(data) => (
            <Switch>
              <Match when={props.place.view() === 'table'}>
                <TrendTable data={data()} zone={props.place.zone()} />
              </Match>
              <Match when={true}>
                <Chart
                  says={says()}
                  step={data().step}
                  zone={props.place.zone()}
                  times={data().times}
                  whole={data().whole}
                  lines={data().lines}
                  previous={data().previous}
                  isStacked={data().lines.length > 1}
                  tip={(index) => (
                    <TrendTip data={data()} index={index} zone={props.place.zone()} />
                  )}
                  onSelect={(first, last) => {
                    const part = (index: number) =>
                      partOf(
                        data().times[index] as number,
                        data().step,
                        props.place.zone(),
                        data().window,
                      )
                    const [{ from }, { to }] = [part(first), part(last)]
                    props.place.goRange({ is: 'absolute', from, to })
                  }}
                />
              </Match>
            </Switch>
          )}
        </Show>
      </div>
      <footer class="legend">
        <Show when={props.data && props.data.lines.length > 1}>
          <For each={props.data?.lines}>
            {(line) => (
              <button
                type="button"
                class="legend-item"
                disabled={line.name === 'other'}
                title={line.name === 'other' ? 'All other names' : `Show only ${line.name}`}
                onClick={() => props.place.go({ name: line.name })}
              >
                <span
                  class="legend-square"
                  style={{ background: line.colour }}
                  aria-hidden="true"
                />
                {line.name}
              </button>
            )}
          </For>
        </Show>
        <Show when={isChart() && props.data?.previous}>
          <span class="legend-item">
            <LegendLine dash="3 3" class="muted" /> period before
          </span>
        </Show>
        <Show when={isChart() && hasOpen()}>
          <span class="legend-item">
            <LegendLine dash="4 4" class="pale" /> still counting
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
        <span class="legend-zone">
          {isLive() ? 'By time received' : 'By time of occurrence'}, {zone()}
        </span>
      </footer>
    </Panel>
  )
}

export const STEPS: Record<Step, string> = {
  MINUTE: 'minute',
  QUARTER_HOUR: 'quarter hour',
  HOUR: 'hour',
  DAY: 'day',
  WEEK: 'week',
  MONTH: 'month',
}
const unitOf = (step: Step | undefined) =>
  step ? `a ${STEPS[step]}`.replace('a hour', 'an hour') : ''

function LegendLine(props: { dash: string; class: string }) {
  return (
    <svg class={`legend-line ${props.class}`} viewBox="0 0 18 4" aria-hidden="true">
      <path d="M0 2h18" stroke-dasharray={props.dash} />
    </svg>
  )
}

function Choice<T extends string>(props: {
  label: string
  chosen: T
  options: Record<T, string>
  choose(to: T): void
}) {
  return (
    <fieldset class="choice">
      <legend class="sr-only">{props.label}</legend>
      <For each={Object.entries(props.options) as [T, string][]}>
        {([value, says]) => (
          <button
            type="button"
            aria-pressed={props.chosen === value}
            onClick={() => props.choose(value)}
          >
            {says}
          </button>
        )}
      </For>
    </fieldset>
  )
}
