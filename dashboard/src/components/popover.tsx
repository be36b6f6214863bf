import { createSignal, createUniqueId, type JSX, onCleanup, Show } from 'solid-js'

/** A button and what it opens. Escape, a click elsewhere and leaving by Tab close it. */
export function Popover(props: {
  /** What the button is for; read out before what it shows. */
  label: string
  button: JSX.Element
  class?: string
  title?: string
  /** Gives a handle to open it by key. */
  opener?: (open: () => void) => void
  children: (close: () => void) => JSX.Element
}) {
  const [isOpen, setOpen] = createSignal(false)
  const id = createUniqueId()
  let box!: HTMLDivElement
  let button!: HTMLButtonElement

  const close = () => {
    if (box.contains(document.activeElement)) button.focus()
    setOpen(false)
  }
  const elsewhere = (event: Event) => {
    if (isOpen() && !box.contains(event.target as Node)) setOpen(false)
  }
  document.addEventListener('pointerdown', elsewhere)
  onCleanup(() => document.removeEventListener('pointerdown', elsewhere))
  props.opener?.(() => {
    setOpen(true)
    const first = (what: string) => box.querySelector<HTMLElement>(`.popover-panel ${what}`)
    const inside = first('[aria-pressed="true"]') ?? first('input') ?? first('button')
    inside?.focus()
  })

  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: hears keys and focus of what is inside
    <div
      class={`popover ${props.class ?? ''}`}
      ref={box}
      onKeyDown={(event) => {
        if (event.key !== 'Escape' || !isOpen()) return
        event.preventDefault()
        close()
      }}
      onFocusOut={(event) => {
        const to = event.relatedTarget as Node | null
        if (to !== null && !box.contains(to)) setOpen(false)
      }}
    >
      <button
        type="button"
        class="control"
        ref={button}
        title={props.title}
        aria-haspopup="dialog"
        aria-expanded={isOpen()}
        aria-controls={isOpen() ? id : undefined}
        onClick={() => setOpen((was) => !was)}
      >
        <span class="sr-only">{props.label}: </span>
        {props.button}
      </button>
      <Show when={isOpen()}>
        <div class="popover-panel" id={id} role="dialog" aria-label={props.label}>
          {props.children(close)}
        </div>
      </Show>
    </div>
  )
}
