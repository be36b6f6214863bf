import * as KobalteDialog from '@kobalte/core/dialog'
import type { JSX } from 'solid-js'
import { CloseIcon } from '../icons.tsx'

/**
 * A dialog that another part of the page opens. It keeps the focus while it is open, and returns it to where it was;
 * Escape and the button at its top close it.
 */
export function Dialog(props: {
  title: JSX.Element
  isOpen: boolean
  onOpenChange(isOpen: boolean): void
  isWide?: boolean
  /** When it closes: whether what opened it is about to go, such as the row of what was removed. */
  isOpenerGone?(): boolean
  children: JSX.Element
}) {
  let openedFrom: Element | null = null
  const returnFocus = (event: Event) => {
    event.preventDefault()
    const isThere = openedFrom?.isConnected && !props.isOpenerGone?.()
    const target = isThere ? openedFrom : document.getElementById('page')
    if (target instanceof HTMLElement) target.focus()
  }
  return (
    <KobalteDialog.Root open={props.isOpen} onOpenChange={(isOpen) => props.onOpenChange(isOpen)}>
      <KobalteDialog.Portal>
        <KobalteDialog.Overlay class="dialog-overlay" />
        <div class="dialog-position">
          <KobalteDialog.Content
            class={props.isWide ? 'dialog wide' : 'dialog'}
            onOpenAutoFocus={(event) => {
              openedFrom = document.activeElement
              const content = event.currentTarget as HTMLElement | null
              const first = content?.querySelector<HTMLElement>(FIRST_FIELD)
              if (!first) return
              event.preventDefault()
              first.focus()
            }}
            onCloseAutoFocus={returnFocus}
          >
            <header>
              <KobalteDialog.Title>{props.title}</KobalteDialog.Title>
              <KobalteDialog.CloseButton class="control" aria-label="Close">
                <CloseIcon />
              </KobalteDialog.CloseButton>
            </header>
            {props.children}
          </KobalteDialog.Content>
        </div>
      </KobalteDialog.Portal>
    </KobalteDialog.Root>
  )
}

/** Where there is something to fill in, that comes before the button that closes the dialog. */
const FIRST_FIELD =
  '[data-first-focus], form input:not([type="hidden"]), form select, form textarea'
