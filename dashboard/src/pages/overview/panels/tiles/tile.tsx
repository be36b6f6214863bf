import { type JSX, Show } from 'solid-js'
import { ChangeMark } from '../../../../components/change-mark.tsx'
import { compact, exact } from '../../../../lib/format.ts'

/** One number with its title and two lines of context. */
export function Tile(props: {
  title: string
  /** The range that the number is about. */
  range?: string
  /** Which of its times decides whether an event is in the range. */
  basis?: 'by time received' | 'by time of occurrence'
  /** Null: not known any more. Undefined: not loaded yet. */
  value: number | null | undefined
  isLoading: boolean
  /** It could not be loaded, which is not the same as a number that is not known any more. */
  isMissing: boolean
  /** The line below the number: usually how it compares. */
  comparison: JSX.Element
  detail: JSX.Element
  children?: JSX.Element
}) {
  return (
    <div class="tile" aria-busy={props.isLoading}>
      <h2 class="tile-title">
        {props.title}
        <Show when={props.range}>
          <span class="tile-range" title={`${props.range}, ${props.basis}`}>
            {props.range}
          </span>
        </Show>
      </h2>
      <Show
        when={props.value !== undefined}
        fallback={
          <div class="tile-value">
            <Show when={props.isLoading} fallback={props.isMissing ? '–' : '\u00a0'}>
              <span class="skeleton" />
            </Show>
          </div>
        }
      >
        <Show when={props.value !== null} fallback={<div class="tile-value">–</div>}>
          <div class="tile-value" title={exact(props.value as number)}>
            {compact(props.value as number)}
          </div>
        </Show>
      </Show>
      <Show when={props.basis}>
        <div class="tile-note">{props.basis}</div>
      </Show>
      <div class="tile-note">{props.isMissing ? 'could not be loaded' : props.comparison}</div>
      <div class="tile-note">{props.detail}</div>
      {props.children}
    </div>
  )
}

/** A number against the previous period: `▲ +12.3 % 1,024 before`. */
export function Comparison(props: { value: number; before: number; moreIs?: 'bad' }) {
  return (
    <>
      <ChangeMark value={props.value} before={props.before} moreIs={props.moreIs} />
      <span title={`${exact(props.before)} in the previous period of the same length`}>
        {compact(props.before)} before
      </span>
    </>
  )
}
