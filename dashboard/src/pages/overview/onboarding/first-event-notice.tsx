import { createSignal, Show } from 'solid-js'
import { CheckIcon, CloseIcon } from '../../../components/icons.tsx'
import type { StoredEvent } from '../../../lib/api/documents.ts'
import { duration } from '../../../lib/format.ts'

/** Shown when the first event arrives while the page is open. */
export function FirstEventNotice(props: { event: StoredEvent | undefined }) {
  const [isClosed, setClosed] = createSignal(false)
  const delay = (event: StoredEvent) =>
    duration(Date.parse(event.storedAt) - Date.parse(event.receivedAt))
  return (
    <Show when={!isClosed() && props.event}>
      {(event) => (
        <div class="notice good">
          <CheckIcon />
          <p role="status">
            <strong>Your first event is here:</strong> <code>{event().name}</code>, stored{' '}
            {delay(event())} after it was received. This page now updates by itself.
          </p>
          <button type="button" class="button" onClick={() => setClosed(true)}>
            <CloseIcon />
            Close
          </button>
        </div>
      )}
    </Show>
  )
}
