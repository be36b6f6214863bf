import { For, Show } from 'solid-js'
import { isRevised, type Point } from '../../../charts/points.ts'
import { StateMarks } from '../../../charts/state-marks.tsx'
import { Scroll } from '../../../components/scroll.tsx'
import { exact, exactValue } from '../../../lib/format.ts'
import { useExplore } from '../context.ts'
import { AGGREGATES, isAdditive } from '../query-state.ts'
import { boundsOf, bucketLabel, type ExploreLine, type Series } from '../series.ts'

/** The numbers of the chart as text, newest first. Each is a button that lists its events. */
export function Table(props: { series: Series }) {
  const { previous } = useExplore()
  const rows = () => props.series.times.map((_, i) => i).reverse()
  const isSplit = () => props.series.query.groupBy.length > 0
  const hasTotal = () => isSplit() && isAdditive(props.series.query.aggregate)
  return (
    <>
      <div class="result-body result-table">
        <Scroll class="table-scroll" label="The chart as a table">
          <table class="table">
            <thead>
              <tr>
                <th scope="col">Time</th>
                <For each={props.series.lines}>
                  {(line) => (
                    <th scope="col" class="figures">
                      <bdi class="column-name" title={line.name}>
                        {isSplit() ? line.name : AGGREGATES[props.series.query.aggregate]}
                      </bdi>
                    </th>
                  )}
                </For>
                <Show when={hasTotal()}>
                  <th scope="col" class="figures">
                    Total
                  </th>
                </Show>
                <Show when={previous()}>
                  <th scope="col" class="figures">
                    Previous period
                  </th>
                </Show>
                <th scope="col" class="figures">
                  Late events
                </th>
                <th scope="col">State</th>
              </tr>
            </thead>
            <tbody>
              <For each={rows()}>
                {(i) => (
                  <tr>
                    <th scope="row">{bucketLabel(props.series, i)}</th>
                    <For each={props.series.lines}>
                      {(line) => (
                        <td class="figures">
                          <Value series={props.series} line={line} index={i} />
                        </td>
                      )}
                    </For>
                    <Show when={hasTotal()}>
                      <td class="figures">
                        <Value series={props.series} line={undefined} index={i} />
                      </td>
                    </Show>
                    <Show when={previous()}>
                      {(points) => (
                        <td class="figures muted">
                          {exactValue(points()[i]?.value ?? Number.NaN)}
                        </td>
                      )}
                    </Show>
                    <td class="figures muted">{exact(props.series.whole[i]?.lateCount ?? 0)}</td>
                    <td class="muted">
                      <State series={props.series} index={i} />
                    </td>
                  </tr>
                )}
              </For>
            </tbody>
          </table>
        </Scroll>
      </div>
      <footer class="legend">
        <StateMarks whole={props.series.whole} times={props.series.times} isChart={false} />
      </footer>
    </>
  )
}

/** That of a revised point leads to what changed since its bucket ended. */
function State(props: { series: Series; index: number }) {
  const { setSince } = useExplore()
  const point = () => props.series.whole[props.index]
  const isExplained = () => isAdditive(props.series.query.aggregate) && isRevisedPoint(point())
  const ended = () => new Date(boundsOf(props.series, props.index).to).toISOString()
  return (
    <Show when={isExplained()} fallback={stateOf(point())}>
      <button
        type="button"
        class="state-button"
        title={`Show what changed since ${bucketLabel(props.series, props.index)} ended`}
        onClick={() => setSince(ended())}
      >
        revised
      </button>
    </Show>
  )
}

const isRevisedPoint = (point: Point | undefined) => point !== undefined && isRevised(point)

function stateOf(point: Point | undefined): string {
  if (!point?.isFinal) return 'not final yet'
  return isRevised(point) ? 'revised' : 'final'
}

/** @param line undefined: all groups together */
function Value(props: { series: Series; line: ExploreLine | undefined; index: number }) {
  const { point, setPoint } = useExplore()
  const value = () => (props.line?.points ?? props.series.whole)[props.index]?.value ?? Number.NaN
  const time = () => props.series.times[props.index] as number
  const isSplit = () => props.series.query.groupBy.length > 0
  /** Several groups in one column: their events are listed group by group. */
  const isMixed = () => isSplit() && props.line !== undefined && props.line.group === undefined
  const group = () => props.line?.group
  const isSelected = () =>
    point()?.time === time() && JSON.stringify(point()?.group) === JSON.stringify(group())
  return (
    <Show when={!isMixed()} fallback={exactValue(value())}>
      <button
        type="button"
        class="point-button"
        aria-pressed={isSelected()}
        title={`List the events of ${bucketLabel(props.series, props.index)}${props.line && isSplit() ? `, ${props.line.name}` : ''}`}
        onClick={() => setPoint(isSelected() ? undefined : { time: time(), group: group() })}
      >
        {exactValue(value())}
      </button>
    </Show>
  )
}
