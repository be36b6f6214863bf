import { type Accessor, createEffect, createMemo, createSignal, on } from 'solid-js'
import { ask } from '../../../../lib/api/client.ts'
import { RECENT, type StoredEvent } from '../../../../lib/api/documents.ts'
import type { Live } from '../../../../lib/api/live.ts'

export const FEED_ROWS_MAX = 200
/** The server sends no more than this at a time; so many means that some were left out. */
const PUSH_ROWS_MAX = 50

export interface Feed {
  rows: Accessor<StoredEvent[]>
  /** Arrived while the feed was held. */
  heldCount: Accessor<number>
  isPaused: Accessor<boolean>
  /** More arrive than are shown. */
  isSample: Accessor<boolean>
  togglePause(): void
  /** While the pointer rests on the list it must not move away under it. */
  hover(isOver: boolean): void
  /** Did this row come in while one watched? */
  isNew(event: StoredEvent): boolean
}

/** Newest on top, each event once, no more than `limit`. */
export function mergeFeed(
  rows: StoredEvent[],
  fresh: StoredEvent[],
  limit = FEED_ROWS_MAX,
): StoredEvent[] {
  const known = new Set(rows.map(placeOf))
  const added = fresh.filter((event) => !known.has(placeOf(event)))
  return added.length === 0 ? rows : [...added, ...rows].slice(0, limit)
}

/** The log position is what tells two events apart: a client may choose any id. */
const placeOf = (event: StoredEvent) => `${event.partition}:${event.offset}`

/** What the live connection brought, held while paused, and narrowed to one name if one is chosen. */
export function createFeed(
  tenant: Accessor<string>,
  live: Live,
  name: Accessor<string | undefined>,
): Feed {
  const [rows, setRows] = createSignal<StoredEvent[]>([])
  const [held, setHeld] = createSignal<StoredEvent[]>([])
  const [isPaused, setPaused] = createSignal(false)
  const [isOver, setOver] = createSignal(false)
  const [isSample, setSample] = createSignal(false)
  const seenBefore = new WeakSet<StoredEvent>()
  const isHolding = createMemo(() => isPaused() || isOver())
  const wanted = (events: StoredEvent[]) =>
    name() === undefined ? events : events.filter((event) => event.name === name())

  createEffect(
    on(live.update, (update) => {
      if (update === undefined) return
      setSample(update.recent.length >= PUSH_ROWS_MAX)
      const fresh = wanted(update.recent)
      if (fresh.length === 0) return
      if (rows().length === 0) for (const event of fresh) seenBefore.add(event)
      if (isHolding()) setHeld((was) => mergeFeed(was, fresh))
      else setRows((was) => mergeFeed(was, fresh))
    }),
  )
  createEffect(
    on(isHolding, (holding) => {
      if (holding || held().length === 0) return
      setRows((was) => mergeFeed(was, held()))
      setHeld([])
    }),
  )
  // A rare name may not have come by for a while: begin with its newest ones.
  createEffect(
    on(
      name,
      async (chosen) => {
        setRows(wanted)
        setHeld(wanted)
        if (chosen === undefined) return
        const answer = await ask(RECENT, { tenant: tenant(), name: chosen, first: 20 })
        if (answer.is === 'failed' || name() !== chosen) return
        const older = answer.data.events.edges.map((edge) => edge.node)
        for (const event of older) seenBefore.add(event)
        setRows((was) => mergeFeed(older, was))
      },
      { defer: true },
    ),
  )

  return {
    rows,
    heldCount: () => held().length,
    isPaused,
    isSample,
    togglePause: () => setPaused((was) => !was),
    hover: setOver,
    isNew: (event) => !seenBefore.has(event),
  }
}
