import type { JSX } from 'solid-js'
import type { ApiError } from '../../lib/api/client.ts'
import { ActionError } from '../forms/action-error.tsx'
import { Dialog } from './dialog.tsx'

/** Asks once before something that cannot be undone, and says what goes. */
export function ConfirmDialog(props: {
  title: JSX.Element
  isOpen: boolean
  isWide?: boolean
  onOpenChange(isOpen: boolean): void
  /** On the button: "Revoke the key". */
  confirmLabel: string
  error: ApiError | undefined
  isRunning: boolean
  /** @returns whether it worked: what the dialog was opened from is probably gone then */
  onConfirm(): Promise<boolean>
  children: JSX.Element
}) {
  let isDone = false
  const confirm = async () => {
    isDone = true
    isDone = await props.onConfirm()
  }
  return (
    <Dialog
      title={props.title}
      isOpen={props.isOpen}
      isWide={props.isWide ?? false}
      onOpenChange={props.onOpenChange}
      isOpenerGone={() => isDone}
    >
      <div class="form">
        {props.children}
        <ActionError error={props.error} />
        <p class="form-actions">
          <button type="button" class="button danger" disabled={props.isRunning} onClick={confirm}>
            {props.confirmLabel}
          </button>
          {/* First in focus: pressing Enter twice must not remove anything. */}
          <button
            type="button"
            class="button"
            data-first-focus
            onClick={() => props.onOpenChange(false)}
          >
            Cancel
          </button>
        </p>
      </div>
    </Dialog>
  )
}
