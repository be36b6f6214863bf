import { type Accessor, createEffect, createMemo, createSignal, on, onCleanup } from 'solid-js'
import type { StoredEvent } from '../../../lib/api/documents.ts'
import type { AppState } from '../../../lib/app-context.ts'

const POLL_MS = 5_000

/**
 * Whether the tenant has any event. If not, the first one is noticed: in a live update, and by asking
 * for the viewer now and then in case the live connection is down.
 */
export function createFirstEvent({
  tenant,
  viewer,
  refreshViewer,
  live,
}: Pick<AppState, 'tenant' | 'viewer' | 'refreshViewer'> & {
  live: Pick<AppState['live'], 'update'>
}): { hasEvents: Accessor<boolean>; event: Accessor<StoredEvent | undefined> } {
  const [event, setEvent] = createSignal<StoredEvent>()
  const hasEvents = createMemo(
    () =>
      event() !== undefined ||
      viewer().tenants.some(({ id, hasEvents }) => id === tenant() && hasEvents),
  )
  createEffect(
    on(live.update, (update) => {
      const first = update?.recent.at(-1)
      if (first !== undefined && !hasEvents()) setEvent(first)
    }),
  )
  createEffect(() => {
    if (hasEvents()) return
    const timer = setInterval(refreshViewer, POLL_MS)
    onCleanup(() => clearInterval(timer))
  })
  return { hasEvents, event }
}
