import * as KobaltePopover from '@kobalte/core/popover'
import type { JSX } from 'solid-js'

export interface PopoverProps {
  /** What the button is for; screen readers read it before the button's content. */
  label: string
  /** The content of the button. */
  button: JSX.Element
  class: string
  /** Default: that of a control of the top bar. */
  triggerClass?: string
  title: string
  isOpen: boolean
  onOpenChange(isOpen: boolean): void
  children: JSX.Element
}

/** Kobalte's popover: Escape, a click outside and leaving by Tab close it, and the button gets the focus back. */
export default function OpenedPopover(props: PopoverProps) {
  let panel!: HTMLDivElement
  const focusFirst = (event: Event) => {
    const first = ['[aria-pressed="true"]', 'input', 'button, a']
      .map((selector) => panel.querySelector<HTMLElement>(selector))
      .find((element) => element !== null)
    if (!first) return
    event.preventDefault()
    first.focus({ preventScroll: true })
  }
  return (
    <KobaltePopover.Root
      open={props.isOpen}
      onOpenChange={(isOpen) => props.onOpenChange(isOpen)}
      placement="bottom-start"
      gutter={6}
    >
      <KobaltePopover.Trigger class={props.triggerClass ?? 'control'} title={props.title}>
        <span class="sr-only">{props.label}: </span>
        {props.button}
      </KobaltePopover.Trigger>
      <KobaltePopover.Portal>
        <KobaltePopover.Content
          ref={panel}
          class="popover-panel"
          aria-label={props.label}
          onOpenAutoFocus={focusFirst}
        >
          {props.children}
        </KobaltePopover.Content>
      </KobaltePopover.Portal>
    </KobaltePopover.Root>
  )
}
