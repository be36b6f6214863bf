import { For } from 'solid-js'

/** A few options side by side, one of them chosen. */
export function Choice<T extends string>(props: {
  label: string
  chosen: T
  options: Record<T, string>
  choose(option: T): void
}) {
  return (
    <fieldset class="choice">
      <legend class="sr-only">{props.label}</legend>
      <For each={Object.entries(props.options) as [T, string][]}>
        {([option, label]) => (
          <button
            type="button"
            aria-pressed={props.chosen === option}
            onClick={() => props.choose(option)}
          >
            {label}
          </button>
        )}
      </For>
    </fieldset>
  )
}
