import { createSignal, type JSX, Show } from 'solid-js'
import { ChevronIcon, CloseIcon } from '../../../components/icons.tsx'
import { Popover } from '../../../components/overlays/popover.tsx'
import { useShortcuts } from '../../../lib/app-context.ts'

/** A part of the query: what it is about, its value, and a panel to change it. */
export function Chip(props: {
  /** "Event", "Measure": read before the value. */
  label: string
  value: JSX.Element
  title: string
  class?: string
  shortcut?: { key: string; description: string }
  /** What screen readers call the button that removes it; without it the part cannot be removed. */
  removeLabel?: string
  onRemove?(): void
  children(close: () => void): JSX.Element
}) {
  const [isOpen, setOpen] = createSignal(false)
  const { shortcut } = props
  if (shortcut) useShortcuts([{ ...shortcut, run: () => setOpen(true) }])
  return (
    <div class={`query-chip ${props.class ?? ''}`}>
      <Popover
        label={props.label}
        class="query-popover"
        title={shortcut ? `${props.title} (${shortcut.key})` : props.title}
        isOpen={isOpen()}
        onOpenChange={setOpen}
        button={
          <>
            <span class="query-label" aria-hidden="true">
              {props.label}
            </span>
            <bdi class="control-text">{props.value}</bdi>
            <Show when={!props.onRemove}>
              <ChevronIcon />
            </Show>
          </>
        }
      >
        {props.children(() => setOpen(false))}
      </Popover>
      <Show when={props.onRemove}>
        <button
          type="button"
          class="query-remove"
          aria-label={props.removeLabel}
          title={props.removeLabel}
          onClick={() => props.onRemove?.()}
        >
          <CloseIcon />
        </button>
      </Show>
    </div>
  )
}

/** A button that opens a panel in which something is added. */
export function AddChip(props: {
  text: string
  title: string
  class: string
  shortcut: { key: string; description: string }
  isDisabled: boolean
  children(close: () => void): JSX.Element
}) {
  const [isOpen, setOpen] = createSignal(false)
  useShortcuts([{ ...props.shortcut, run: () => !props.isDisabled && setOpen(true) }])
  return (
    <Show when={!props.isDisabled}>
      <Popover
        label="Add"
        class={`query-add ${props.class}`}
        title={`${props.title} (${props.shortcut.key})`}
        isOpen={isOpen()}
        onOpenChange={setOpen}
        button={<span class="control-text">+ {props.text}</span>}
      >
        {props.children(() => setOpen(false))}
      </Popover>
    </Show>
  )
}

/** A list of a few options, one of them chosen. */
export function OptionList<T extends string>(props: {
  options: readonly { value: T; label: string; note?: string | undefined; isDisabled?: boolean }[]
  chosen: T
  choose(value: T): void
}) {
  return (
    <div class="option-list">
      {props.options.map(({ value, label, note, isDisabled }) => (
        <button
          type="button"
          class="option"
          aria-pressed={props.chosen === value}
          disabled={isDisabled}
          onClick={() => props.choose(value)}
        >
          <span>{label}</span>
          <span class="hint">{note}</span>
        </button>
      ))}
    </div>
  )
}
