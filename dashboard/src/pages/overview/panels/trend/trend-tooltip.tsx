import { For, Show } from 'solid-js'
import { clippedBucketName, exact } from '../../../../lib/format.ts'
import type { Window } from '../../../../lib/time/range.ts'
import { ALL, type TrendData } from './trend-query.ts'

/** One bucket in full: exact numbers, whether they may still change, and what late. */
export function TrendTooltip(props: { data: TrendData; index: number; zone: string }) {
  const bucketLabel = (start: number | undefined, window: Window) =>
    start === undefined ? '' : clippedBucketName(start, props.data.resolution, props.zone, window)
  const whole = () => props.data.whole[props.index]
  const late = () => whole()?.lateCount ?? 0
  const before = () => props.data.previous?.[props.index]
  const isSplit = () => props.data.lines.length > 1
  /** In the order of the stack: the last one on top. */
  const stacked = () => [...props.data.lines].reverse()

  return (
    <>
      <div class="tooltip-title">
        {bucketLabel(props.data.times[props.index], props.data.window)}
      </div>
      <table>
        <tbody>
          <Show when={isSplit()}>
            <For each={stacked()}>
              {(line) => (
                <tr>
                  <th scope="row">
                    <span class="legend-square" style={{ background: line.colour }} />
                    {line.name}
                  </th>
                  <td>{exact(line.points[props.index]?.value ?? 0)}</td>
                </tr>
              )}
            </For>
          </Show>
          <tr class="tooltip-sum">
            <th scope="row">{isSplit() ? 'total' : nameOf(props.data)}</th>
            <td>{exact(whole()?.value ?? 0)}</td>
          </tr>
          <Show when={before()}>
            {(point) => (
              <tr class="tooltip-before">
                <th scope="row">
                  {bucketLabel(props.data.previousTimes[props.index], props.data.previousWindow)}
                </th>
                <td>{exact(point().value)}</td>
              </tr>
            )}
          </Show>
        </tbody>
      </table>
      <div class="tooltip-state">
        {whole()?.isFinal ? 'final' : 'not final yet'}
        <Show when={late() > 0}> · {exact(late())} late</Show>
      </div>
    </>
  )
}

const nameOf = (data: TrendData) => {
  const name = data.lines[0]?.name
  return name === ALL || name === undefined ? 'events' : name
}
