import { Show } from 'solid-js'
import type { Options } from '../../lib/api/event-options.ts'

/** The options of a list are missing; what is typed can be used all the same. */
export function OptionsError(props: { options: Options; what: string }) {
  return (
    <Show when={props.options.error()}>
      <p class="hint search-none" role="status">
        The {props.what} could not be loaded. You can type one.
      </p>
    </Show>
  )
}
