import { type Accessor, createEffect, createMemo, createSignal, on, onCleanup } from 'solid-js'
import type { LiveUpdate, StoredEvent } from '../../../lib/api/documents.ts'

const LOOK_AGAIN_MS = 5_000

/**
 * Has this tenant any event? If not, the moment it gets one is noticed: by the live connection, and
 * should that be down, by asking now and then.
 */
export function createFirstEvent(
  tenant: Accessor<string>,
  isKnown: Accessor<boolean>,
  update: Accessor<LiveUpdate | undefined>,
  lookAgain: () => void,
): { hasEvents: Accessor<boolean>; event: Accessor<StoredEvent | undefined> } {
  const [arrived, setArrived] = createSignal<{ tenant: string; event: StoredEvent }>()
  const hasEvents = createMemo(() => isKnown() || arrived()?.tenant === tenant())

  createEffect(
    on(update, (now) => {
      const event = now?.recent.at(-1)
      if (event !== undefined && !hasEvents()) setArrived({ tenant: tenant(), event })
    }),
  )
  createEffect(() => {
    if (hasEvents()) return
    const timer = setInterval(lookAgain, LOOK_AGAIN_MS)
    onCleanup(() => clearInterval(timer))
  })

  const event = () => (arrived()?.tenant === tenant() ? arrived()?.event : undefined)
  return { hasEvents, event }
}
