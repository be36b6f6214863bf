import './token-field.css'
import { createSignal, createUniqueId, For, type JSX, Show } from 'solid-js'
import { CloseIcon, PlusIcon } from '../icons.tsx'
import { Popover } from '../overlays/popover.tsx'
import { FieldNote } from './text-field.tsx'

/** Several short texts, each of which can be removed, and a button that opens a list to add more. */
export function TokenField(props: {
  label: string
  hint?: JSX.Element
  tokens: readonly string[]
  onChange(tokens: string[]): void
  /** On the button: "Add an event". */
  addLabel: string
  /** In place of the tokens where there are none: "All events". */
  emptyLabel?: string
  max: number
  error?: string | undefined
  /** What the button opens. */
  children(close: () => void): JSX.Element
}) {
  const id = createUniqueId()
  let field!: HTMLFieldSetElement
  const [isOpen, setOpen] = createSignal(false)
  const remove = (token: string) => {
    props.onChange(props.tokens.filter((each) => each !== token))
    // The button that had the focus is gone.
    field.querySelector<HTMLElement>('.token-add button')?.focus()
  }
  return (
    <fieldset class="field token-field" ref={field} aria-describedby={`${id}-note`}>
      <legend>{props.label}</legend>
      <div class="tokens">
        <Show when={props.tokens.length === 0 && props.emptyLabel}>
          {(label) => <span class="token-empty">{label()}</span>}
        </Show>
        <For each={props.tokens}>
          {(token) => (
            <span class="token">
              <bdi class="token-text" title={token}>
                {token}
              </bdi>
              <button
                type="button"
                class="token-remove"
                aria-label={`Remove ${token}`}
                onClick={() => remove(token)}
              >
                <CloseIcon />
              </button>
            </span>
          )}
        </For>
        <Show when={props.tokens.length < props.max}>
          <Popover
            label={props.label}
            class="token-add"
            triggerClass="button"
            title={props.addLabel}
            isOpen={isOpen()}
            onOpenChange={setOpen}
            button={
              <>
                <PlusIcon />
                {props.addLabel}
              </>
            }
          >
            {props.children(() => setOpen(false))}
          </Popover>
        </Show>
      </div>
      <FieldNote id={`${id}-note`} hint={props.hint} error={props.error} />
    </fieldset>
  )
}
