import { createEffect, For } from 'solid-js'
import { CloseIcon } from '../components/icons.tsx'
import type { Key } from '../lib/shortcuts.ts'

/** What the keys do. */
export function KeysDialog(props: { keys: Key[]; isOpen: boolean; onClose(): void }) {
  let dialog!: HTMLDialogElement
  createEffect(() => {
    if (props.isOpen && !dialog.open) dialog.showModal()
    if (!props.isOpen && dialog.open) dialog.close()
  })
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape closes a dialog by itself
    <dialog
      class="keys"
      ref={dialog}
      aria-labelledby="keys-title"
      onClose={() => props.onClose()}
      onClick={(event) => event.target === dialog && props.onClose()}
    >
      <header>
        <h2 id="keys-title">Shortcuts</h2>
        <button type="button" class="control" aria-label="Close" onClick={() => props.onClose()}>
          <CloseIcon />
        </button>
      </header>
      <dl>
        <For each={props.keys}>
          {(key) => (
            <div>
              <dt>
                <kbd>{key.key === 'Escape' ? 'Esc' : key.key}</kbd>
              </dt>
              <dd>{key.says}</dd>
            </div>
          )}
        </For>
      </dl>
    </dialog>
  )
}
