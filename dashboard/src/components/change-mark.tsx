import { Show } from 'solid-js'
import { changeOf, exact, toneOf } from '../lib/format.ts'

/** Drawn, because not every font has these characters. */
const MARKS = { up: 'M4 1 7.5 7h-7z', down: 'M4 7 .5 1h7z', same: '', new: '' }

/** `▲ +12.3 %`. The sign and the mark carry the meaning too, not the colour alone. */
export function ChangeMark(props: {
  value: number
  before: number
  /** More of it is worse. */
  moreIs?: 'bad'
  /** What is shown when there is nothing to compare with. */
  none?: string
}) {
  const change = () => changeOf(props.value, props.before)
  return (
    <Show when={change()} fallback={props.none}>
      {(shown) => (
        <span
          class="change"
          data-tone={toneOf(shown().direction, props.moreIs)}
          title={`${exact(props.before)} in the previous period`}
        >
          <Show when={MARKS[shown().direction]}>
            {(mark) => (
              <svg class="mark" viewBox="0 0 8 8" aria-hidden="true">
                <path d={mark()} />
              </svg>
            )}
          </Show>
          {shown().label}
        </span>
      )}
    </Show>
  )
}
