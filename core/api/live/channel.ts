import type { Database } from '../../db/database.ts'
import type { TenantViewer } from '../../identity/viewer.ts'
import { withTimeout } from '../../lib/timeout.ts'
import { isBefore } from '../../queries/instant.ts'
import { LIVE_LIMITS } from '../../queries/live-limits.ts'
import type { Component, PipelineState } from '../../queries/pipeline.ts'
import type { StoredEvent } from '../../queries/sql/event-row.ts'
import {
  type Arrival,
  eventsByArrival,
  type MinuteCount,
  newestArrivals,
  type RecentCounts,
  recentCounts,
} from '../../queries/tenant-counts.ts'

export interface LiveUpdate {
  at: string
  eventsPerMinute: number
  minutes: readonly MinuteCount[]
  /** Newest first: what is new since the last refresh. */
  recent: readonly StoredEvent[]
  behindSeconds: number
  broken: Component | null
}

/** What all who watch one tenant share. */
export interface Channel {
  refresh(): Promise<LiveUpdate>
  /** The newest events there are, for one who joins. */
  newest(): readonly StoredEvent[]
}

export interface ChannelDeps {
  db: Database
  pipeline: () => Promise<PipelineState>
  now: () => number
}

/** Reads on from what it has seen. A failed refresh repeats the last good state, and says that the database broke. */
export function createChannel(deps: ChannelDeps, viewer: TenantViewer): Channel {
  const { db, now } = deps
  const seen = new Set<string>()
  let newest: StoredEvent[] = []
  let good: { at: number; update: LiveUpdate } | undefined

  async function readFresh(): Promise<{ unseen: Arrival[]; fresh: StoredEvent[] }> {
    const arrivals = await newestArrivals(db, viewer)
    const unseen = arrivals.filter((each) => !seen.has(keyOf(each)))
    return { unseen, fresh: unseen.length === 0 ? [] : await eventsByArrival(db, viewer, unseen) }
  }

  function remember(unseen: readonly Arrival[], fresh: readonly StoredEvent[]): void {
    for (const each of unseen) seen.add(keyOf(each))
    while (seen.size > LIVE_LIMITS.seenMax) seen.delete(seen.values().next().value as string)
    newest = [...newest, ...fresh].sort(byArrival).slice(0, LIVE_LIMITS.recentMax)
  }

  async function read(): Promise<LiveUpdate> {
    const [counts, { unseen, fresh: recent }, pipeline] = await withTimeout(
      LIVE_LIMITS.refreshDeadlineMs,
      'the database',
      Promise.all([recentCounts(db, viewer), readFresh(), deps.pipeline()]),
    )
    // Not sooner: what was read by a look that came to nothing has been told to nobody.
    remember(unseen, recent)
    const behindSeconds = behind(counts, newest, pipeline) / 1000
    return { ...counts, recent, behindSeconds, broken: pipeline.failingComponent }
  }

  return {
    newest: () => newest,
    async refresh() {
      try {
        const update = await read()
        good = { at: now(), update }
        return update
      } catch {
        return staleUpdate(good, now())
      }
    },
  }
}

/**
 * Caught up: how long the last events took, while any come in. Else the age of the numbers, which
 * is known to a look or so; where nobody looked before, the age of the newest event stands in.
 */
function behind(
  { at }: RecentCounts,
  newest: readonly StoredEvent[],
  { lagMs: behindMs }: PipelineState,
): number {
  const [last] = newest
  const sinceLast = last ? Math.max(0, Date.parse(at) - Date.parse(last.receivedAt)) : 0
  if (behindMs === undefined) return sinceLast
  const delay =
    last && sinceLast < 5_000
      ? Math.max(0, Date.parse(last.storedAt) - Date.parse(last.receivedAt))
      : 0
  return behindMs <= 2 * LIVE_LIMITS.refreshMaxMs ? Math.min(delay, 60_000) : behindMs
}

function staleUpdate(good: { at: number; update: LiveUpdate } | undefined, at: number): LiveUpdate {
  const { update } = good ?? {}
  const since = good ? (at - good.at) / 1000 : 0
  return {
    at: new Date(at).toISOString(),
    eventsPerMinute: update?.eventsPerMinute ?? 0,
    minutes: update?.minutes ?? [],
    recent: [],
    behindSeconds: (update?.behindSeconds ?? 0) + since,
    broken: 'database',
  }
}

function keyOf(each: Arrival): string {
  return `${each.event_id} ${each.received_at}`
}

function byArrival(a: StoredEvent, b: StoredEvent): number {
  if (isBefore(a.receivedAt, b.receivedAt)) return 1
  return isBefore(b.receivedAt, a.receivedAt) ? -1 : 0
}
