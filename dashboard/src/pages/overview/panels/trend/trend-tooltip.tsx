import { For, Show } from 'solid-js'
import { exact, partName } from '../../../../lib/format.ts'
import type { Window } from '../../../../lib/time/range.ts'
import { ALL, type TrendData } from './trend-data.ts'

/** One bucket in full: exact numbers, whether they may still change, and what came late. */
export function TrendTip(props: { data: TrendData; index: number; zone: string }) {
  const named = (start: number | undefined, window: Window) =>
    start === undefined ? '' : partName(start, props.data.step, props.zone, window)
  const whole = () => props.data.whole[props.index]
  const late = () => whole()?.lateCount ?? 0
  const before = () => props.data.previous?.[props.index]
  const isSplit = () => props.data.lines.length > 1
  /** As they lie on each other in the picture: the last one on top. */
  const stacked = () => [...props.data.lines].reverse()

  return (
    <>
      <div class="tip-title">{named(props.data.times[props.index], props.data.window)}</div>
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
          <tr class="tip-sum">
            <th scope="row">{isSplit() ? 'all' : nameOf(props.data)}</th>
            <td>{exact(whole()?.value ?? 0)}</td>
          </tr>
          <Show when={before()}>
            {(point) => (
              <tr class="tip-before">
                <th scope="row">
                  {named(props.data.previousTimes[props.index], props.data.previousWindow)}
                </th>
                <td>{exact(point().value)}</td>
              </tr>
            )}
          </Show>
        </tbody>
      </table>
      <div class="tip-state">
        {whole()?.isFinal ? 'final' : 'still counting'}
        <Show when={late() > 0}> · {exact(late())} came late</Show>
      </div>
    </>
  )
}

const nameOf = (data: TrendData) => {
  const name = data.lines[0]?.name
  return name === ALL || name === undefined ? 'events' : name
}
