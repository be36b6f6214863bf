import * as Dialog from '@kobalte/core/dialog'
import { For } from 'solid-js'
import { CloseIcon } from '../components/icons.tsx'
import type { Shortcut } from '../lib/shortcuts.ts'

/** The list of keyboard shortcuts. */
export default function ShortcutsDialog(props: {
  shortcuts: readonly Shortcut[]
  isOpen: boolean
  onOpenChange(isOpen: boolean): void
}) {
  // A key opens it, so Kobalte knows no button to return the focus to.
  let openedFrom: Element | null = null
  const returnFocus = (event: Event) => {
    event.preventDefault()
    if (openedFrom instanceof HTMLElement) openedFrom.focus()
  }
  return (
    <Dialog.Root open={props.isOpen} onOpenChange={(isOpen) => props.onOpenChange(isOpen)}>
      <Dialog.Portal>
        <Dialog.Overlay class="dialog-overlay" />
        <div class="dialog-position">
          <Dialog.Content
            class="dialog"
            onOpenAutoFocus={() => {
              openedFrom = document.activeElement
            }}
            onCloseAutoFocus={returnFocus}
          >
            <header>
              <Dialog.Title>Keyboard shortcuts</Dialog.Title>
              <Dialog.CloseButton class="control" aria-label="Close">
                <CloseIcon />
              </Dialog.CloseButton>
            </header>
            <dl class="shortcuts">
              <For each={props.shortcuts}>
                {(shortcut) => (
                  <div>
                    <dt>
                      <kbd>{shortcut.key === 'Escape' ? 'Esc' : shortcut.key}</kbd>
                    </dt>
                    <dd>{shortcut.description}</dd>
                  </div>
                )}
              </For>
            </dl>
          </Dialog.Content>
        </div>
      </Dialog.Portal>
    </Dialog.Root>
  )
}
