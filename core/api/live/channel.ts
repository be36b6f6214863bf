import { type Database, withSignal } from '../../db/database.ts'
import type { TenantViewer } from '../../identity/viewer.ts'
import { withTimeout } from '../../lib/timeout.ts'
import { eventsByArrival } from '../../queries/events-by-arrival.ts'
import { isBefore } from '../../queries/instant.ts'
import { LIVE_LIMITS } from '../../queries/limits.ts'
import { type Arrival, newestArrivals } from '../../queries/newest-arrivals.ts'
import type { Component, PipelineState } from '../../queries/pipeline/pipeline-gauge.ts'
import { type MinuteCount, recentCounts } from '../../queries/recent-counts.ts'
import type { StoredEvent } from '../../queries/sql/event-row.ts'

export interface LiveUpdate {
  at: string
  eventsPerMinute: number
  minutes: readonly MinuteCount[]
  /** New since the last refresh, newest first. */
  recent: readonly StoredEvent[]
  lagSeconds: number
  failingComponent: Component | null
}

/** What all subscribers of one tenant share. */
export interface Channel {
  refresh(): Promise<LiveUpdate>
  /** The newest stored events, for a subscriber who joins. */
  newest(): readonly StoredEvent[]
  /** Cancels the statements of a refresh that is running: nobody watches any more. */
  close(): void
}

export interface ChannelDeps {
  db: Database
  pipeline: () => Promise<PipelineState>
  now: () => number
}

/**
 * Each refresh reads the events that the earlier ones did not. A refresh that fails repeats the last good update and
 * names the database as the failing component.
 */
export function createChannel(deps: ChannelDeps, viewer: TenantViewer): Channel {
  const { now } = deps
  const closed = new AbortController()
  const seen = new Set<string>()
  let newest: StoredEvent[] = []
  let lastGood: { at: number; update: LiveUpdate } | undefined

  async function readUnseen(
    db: Database,
  ): Promise<{ unseen: Arrival[]; events: readonly StoredEvent[] }> {
    const { rows: arrivals } = await newestArrivals(db, viewer)
    const unseen = arrivals.filter((each) => !seen.has(keyOf(each)))
    if (unseen.length === 0) return { unseen, events: [] }
    return { unseen, events: (await eventsByArrival(db, viewer, { arrivals: unseen })).rows }
  }

  function remember(unseen: readonly Arrival[], events: readonly StoredEvent[]): void {
    for (const each of unseen) seen.add(keyOf(each))
    while (seen.size > LIVE_LIMITS.seenMax) seen.delete(seen.values().next().value as string)
    newest = [...newest, ...events].sort(byArrival).slice(0, LIVE_LIMITS.recentMax)
  }

  async function read(): Promise<LiveUpdate> {
    const late = AbortSignal.timeout(LIVE_LIMITS.refreshDeadlineMs)
    const db = withSignal(deps.db, AbortSignal.any([closed.signal, late]))
    const [counts, { unseen, events: recent }, pipeline] = await withTimeout(
      LIVE_LIMITS.refreshDeadlineMs,
      'the database',
      Promise.all([recentCounts(db, viewer), readUnseen(db), deps.pipeline()]),
    )
    // Not sooner: what a read saw that timed out was pushed to no subscriber.
    remember(unseen, recent)
    const { at, eventsPerMinute, rows: minutes } = counts
    const lagSeconds = lagMs(at, newest, pipeline) / 1000
    return {
      at,
      eventsPerMinute,
      minutes,
      recent,
      lagSeconds,
      failingComponent: pipeline.failingComponent,
    }
  }

  return {
    newest: () => newest,
    async refresh() {
      try {
        const update = await read()
        lastGood = { at: now(), update }
        return update
      } catch {
        return staleUpdate(lastGood, now())
      }
    },
    close: () => closed.abort(),
  }
}

/**
 * While the worker keeps up: how long the last events took, if any arrived lately. Otherwise the age of the numbers,
 * which is known to about one refresh; before the first sample, the age of the newest event stands in.
 */
function lagMs(at: string, newest: readonly StoredEvent[], { lagMs }: PipelineState): number {
  const [last] = newest
  const sinceLast = last ? Math.max(0, Date.parse(at) - Date.parse(last.receivedAt)) : 0
  if (lagMs === undefined) return sinceLast
  const delay =
    last && sinceLast < 5_000
      ? Math.max(0, Date.parse(last.storedAt) - Date.parse(last.receivedAt))
      : 0
  return lagMs <= 2 * LIVE_LIMITS.refreshMaxMs ? Math.min(delay, 60_000) : lagMs
}

function staleUpdate(
  lastGood: { at: number; update: LiveUpdate } | undefined,
  at: number,
): LiveUpdate {
  const { update } = lastGood ?? {}
  const sinceSeconds = lastGood ? (at - lastGood.at) / 1000 : 0
  return {
    at: new Date(at).toISOString(),
    eventsPerMinute: update?.eventsPerMinute ?? 0,
    minutes: update?.minutes ?? [],
    recent: [],
    lagSeconds: (update?.lagSeconds ?? 0) + sinceSeconds,
    failingComponent: 'database',
  }
}

function keyOf(each: Arrival): string {
  return `${each.event_id} ${each.received_at}`
}

function byArrival(a: StoredEvent, b: StoredEvent): number {
  if (isBefore(a.receivedAt, b.receivedAt)) return 1
  return isBefore(b.receivedAt, a.receivedAt) ? -1 : 0
}
