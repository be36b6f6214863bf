import { For, Show } from 'solid-js'
import { exact, exactValue } from '../../../lib/format.ts'
import { useExplore } from '../context.ts'
import { AGGREGATES, isAdditive } from '../query-state.ts'
import { bucketLabel, isStacked, type Series } from '../series.ts'

/** One bucket in full: exact numbers, whether they may still change, and how many came late. */
export function Tooltip(props: { series: Series; index: number }) {
  const { previous } = useExplore()
  const before = () => previous()?.[props.index]
  const whole = () => props.series.whole[props.index]
  const isSplit = () => props.series.query.groupBy.length > 0
  const lines = () =>
    isStacked(props.series) ? [...props.series.lines].reverse() : props.series.lines
  const late = () => whole()?.lateCount ?? 0
  return (
    <>
      <div class="tooltip-title">{bucketLabel(props.series, props.index)}</div>
      <table>
        <tbody>
          <Show when={isSplit()}>
            <For each={lines()}>
              {(line) => (
                <tr>
                  <th scope="row">
                    <span class="legend-square" style={{ background: line.colour }} />
                    <bdi>{line.name}</bdi>
                  </th>
                  <td>{exactValue(line.points[props.index]?.value ?? Number.NaN)}</td>
                </tr>
              )}
            </For>
          </Show>
          <Show when={!isSplit() || isAdditive(props.series.query.aggregate)}>
            <tr class="tooltip-sum">
              <th scope="row">{isSplit() ? 'total' : AGGREGATES[props.series.query.aggregate]}</th>
              <td>{exactValue(whole()?.value ?? Number.NaN)}</td>
            </tr>
          </Show>
          <Show when={before()}>
            {(point) => (
              <tr class="tooltip-before">
                <th scope="row">previous period</th>
                <td>{exactValue(point().value)}</td>
              </tr>
            )}
          </Show>
        </tbody>
      </table>
      <div class="tooltip-state">
        {whole()?.isFinal ? 'final' : 'not final yet'}
        <Show when={late() > 0}>
          {' '}
          · {exact(late())}{' '}
          {isSplit() || props.series.query.filters.length > 0 ? 'late in all groups' : 'late'}
        </Show>
        {' · click to list its events'}
      </div>
    </>
  )
}
