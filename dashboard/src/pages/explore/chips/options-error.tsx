import { Show } from 'solid-js'
import type { Query } from '../../../lib/api/query.ts'

/** The options of a list are missing; what is typed can be used all the same. */
export function OptionsError(props: { query: Query<unknown>; what: string }) {
  return (
    <Show when={props.query.error()}>
      <p class="hint search-none" role="status">
        The {props.what} could not be loaded. You can type one.
      </p>
    </Show>
  )
}
