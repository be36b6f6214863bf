import { createUniqueId, type JSX, Show } from 'solid-js'

/** A line of text with its label, what it is for, and what is wrong with it. */
export function TextField(props: {
  label: string
  hint?: JSX.Element
  value: string
  onInput(value: string): void
  error?: string | undefined
  type?: 'text' | 'email' | 'number' | 'datetime-local'
  placeholder?: string
  required?: boolean
  disabled?: boolean
  maxlength?: number
  min?: string
  max?: string
}) {
  const id = createUniqueId()
  return (
    <div class="field">
      <label for={id}>{props.label}</label>
      <input
        id={id}
        type={props.type ?? 'text'}
        dir={props.type === undefined || props.type === 'text' ? 'auto' : undefined}
        autocomplete="off"
        spellcheck={false}
        value={props.value}
        placeholder={props.placeholder}
        required={props.required}
        disabled={props.disabled}
        maxlength={props.maxlength}
        min={props.min}
        max={props.max}
        aria-invalid={props.error !== undefined}
        aria-describedby={props.error !== undefined || props.hint ? `${id}-note` : undefined}
        onInput={(event) => props.onInput(event.currentTarget.value)}
      />
      <FieldNote id={`${id}-note`} hint={props.hint} error={props.error} />
    </div>
  )
}

/** Below a field: what is wrong with it, else what it is for. */
export function FieldNote(props: { id: string; hint?: JSX.Element; error?: string | undefined }) {
  return (
    <Show
      when={props.error}
      fallback={
        <Show when={props.hint}>
          <span class="hint" id={props.id}>
            {props.hint}
          </span>
        </Show>
      }
    >
      {(error) => (
        <span class="hint wrong" id={props.id} role="alert">
          {error()}
        </span>
      )}
    </Show>
  )
}
