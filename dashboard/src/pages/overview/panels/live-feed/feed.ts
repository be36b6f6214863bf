import { type Accessor, createEffect, createMemo, createSignal, on } from 'solid-js'
import type { Result } from '../../../../lib/api/client.ts'
import type { LiveUpdate, StoredEvent } from '../../../../lib/api/documents.ts'

export const FEED_ROWS_MAX = 200
/** The server sends no more events than this in one update; so many means that some were left out. */
const UPDATE_ROWS_MAX = 50

export interface Feed {
  rows: Accessor<StoredEvent[]>
  /** Arrived while the feed was paused. */
  heldCount: Accessor<number>
  isPaused: Accessor<boolean>
  /** More events arrive than are shown. */
  isSample: Accessor<boolean>
  /** The newest events of the name could not be loaded: an empty list does not mean that there are none. */
  isPastMissing: Accessor<boolean>
  togglePause(): void
  /** The feed does not move while the pointer is over it. */
  setHovered(isHovered: boolean): void
  /** The event arrived while the page was open. */
  isNew(event: StoredEvent): boolean
}

/** Newest first, each event once, no more than `limit`. */
export function mergeFeed(
  rows: StoredEvent[],
  added: StoredEvent[],
  limit = FEED_ROWS_MAX,
): StoredEvent[] {
  const known = new Set(rows.map(offsetKey))
  const newRows = added.filter((event) => !known.has(offsetKey(event)))
  return newRows.length === 0 ? rows : [...newRows, ...rows].slice(0, limit)
}

/** The log offset identifies an event: clients may send any id. */
const offsetKey = (event: StoredEvent) => `${event.partition}:${event.offset}`

/**
 * The events of the live updates, held while paused, of one name if one is chosen.
 * @param fetchRecent the newest events of a name: a rare one may not arrive for a while
 */
export function createFeed(
  update: Accessor<LiveUpdate | undefined>,
  name: Accessor<string | undefined>,
  fetchRecent: (name: string) => Promise<Result<StoredEvent[]>>,
): Feed {
  const [rows, setRows] = createSignal<StoredEvent[]>([])
  const [held, setHeld] = createSignal<StoredEvent[]>([])
  const [isPaused, setPaused] = createSignal(false)
  const [isHovered, setHovered] = createSignal(false)
  const [isSample, setSample] = createSignal(false)
  const [isPastMissing, setPastMissing] = createSignal(false)
  const known = new WeakSet<StoredEvent>()
  const isHolding = createMemo(() => isPaused() || isHovered())
  const ofName = (events: StoredEvent[]) =>
    name() === undefined ? events : events.filter((event) => event.name === name())

  createEffect(
    on(update, (received) => {
      if (received === undefined) return
      setSample(received.recent.length >= UPDATE_ROWS_MAX)
      const added = ofName(received.recent)
      if (added.length === 0) return
      if (rows().length === 0) for (const event of added) known.add(event)
      if (isHolding()) setHeld((current) => mergeFeed(current, added))
      else setRows((current) => mergeFeed(current, added))
    }),
  )
  createEffect(
    on(isHolding, (holding) => {
      if (holding || held().length === 0) return
      setRows((current) => mergeFeed(current, held()))
      setHeld([])
    }),
  )
  createEffect(
    on(name, async (chosen) => {
      setRows(ofName)
      setHeld(ofName)
      setPastMissing(false)
      if (chosen === undefined) return
      const result = await fetchRecent(chosen)
      if (name() !== chosen) return
      if (!result.ok) return setPastMissing(true)
      for (const event of result.data) known.add(event)
      setRows((current) => mergeFeed(result.data, current))
    }),
  )

  return {
    rows,
    heldCount: () => held().length,
    isPaused,
    isSample,
    isPastMissing,
    togglePause: () => setPaused((paused) => !paused),
    setHovered,
    isNew: (event) => !known.has(event),
  }
}
