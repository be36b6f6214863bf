import { For } from 'solid-js'
import { type JsonWord, wordsOf } from '../lib/json.ts'
import { Scroll } from './scroll.tsx'

/** JSON as a person reads it. The text is put in as text, never as markup. */
export function Json(props: { value: unknown; label: string }) {
  const words = (): JsonWord[] => wordsOf(props.value)
  return (
    <Scroll class="json" label={props.label}>
      <pre>
        <For each={words()}>{(word) => <span class={`json-${word.is}`}>{word.text}</span>}</For>
      </pre>
    </Scroll>
  )
}
