import { Show } from 'solid-js'
import { changeOf, exact } from '../lib/format.ts'

/** Drawn, because not every font has them. */
const MARKS = { up: 'M4 1 7.5 7h-7z', down: 'M4 7 .5 1h7z', same: '', new: '' }

/** `▲ +12.3 %`. Colour only where more is plainly worse; the sign and the mark say it anyway. */
export function ChangeMark(props: {
  value: number
  before: number
  moreIs?: 'bad'
  /** What stands there when there is nothing to compare. */
  none?: string
}) {
  const change = () => changeOf(props.value, props.before)
  const tone = () => {
    const direction = change()?.direction
    if (props.moreIs === 'bad') return direction === 'up' || direction === 'new' ? 'bad' : 'good'
    return direction === 'up' || direction === 'new' ? 'good' : 'plain'
  }
  return (
    <Show when={change()} fallback={props.none}>
      {(known) => (
        <span
          class="change"
          data-tone={tone()}
          title={`${exact(props.before)} in the period before`}
        >
          <Show when={MARKS[known().direction]}>
            {(mark) => (
              <svg class="mark" viewBox="0 0 8 8" aria-hidden="true">
                <path d={mark()} />
              </svg>
            )}
          </Show>
          {known().says}
        </span>
      )}
    </Show>
  )
}
