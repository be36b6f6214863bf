import { For } from 'solid-js'
import { tokenizeJson } from '../lib/json.ts'
import { Scroll } from './scroll.tsx'

/** Indented, coloured JSON. It is inserted as text, never as markup. */
export function Json(props: { value: unknown; label: string }) {
  return (
    <Scroll class="json" label={props.label}>
      <pre>
        <For each={tokenizeJson(props.value)}>
          {(token) => <span class={`json-${token.kind}`}>{token.text}</span>}
        </For>
      </pre>
    </Scroll>
  )
}
