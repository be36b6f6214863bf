import { sql } from 'kysely'
import type { Database } from '../db/database.ts'
import type { TenantViewer } from '../identity/viewer.ts'
import { LIVE_LIMITS } from './live-limits.ts'
import { EVENT_COLUMNS, type EventRow, type StoredEvent, toEvent } from './sql/event-row.ts'

export interface MinuteCount {
  minute: string
  count: number
}

export interface RecentCounts {
  at: string
  eventsPerMinute: number
  minutes: MinuteCount[]
}

/** The last sixty minutes by the minute received, and the events of the last sixty seconds. */
export async function recentCounts(db: Database, viewer: TenantViewer): Promise<RecentCounts> {
  const id = viewer.tenantId
  const { rows } = await sql<{ at: string; minute: string; count: number; lately: number }>`
    SELECT now() AS at, m AS minute, coalesce(o.stored, 0)::bigint AS count,
           (SELECT count(*) FROM (
              SELECT 1 FROM event e
               WHERE e.tenant_id = ${id} AND e.received_at > now() - interval '60 seconds'
                 AND e.received_on >= (now() - interval '60 seconds')::date
               LIMIT ${LIVE_LIMITS.exactCountMax + 1}) lately) AS lately
      FROM generate_series(date_trunc('minute', now()) - make_interval(mins => ${LIVE_LIMITS.minutes - 1}),
                           date_trunc('minute', now()), interval '1 minute') m
      LEFT JOIN outcome_minute o ON o.tenant_id = ${id} AND o.minute = m
     ORDER BY m`.execute(db)
  const minutes = rows.map(({ minute, count }) => ({ minute, count }))
  const { at = '', lately = 0 } = rows[0] ?? {}
  const exact = lately <= LIVE_LIMITS.exactCountMax
  return { at, minutes, eventsPerMinute: exact ? lately : estimate(at, minutes) }
}

/** The open minute, and of the one before it the part that is less than sixty seconds ago. */
function estimate(at: string, minutes: readonly MinuteCount[]): number {
  const [before, open] = minutes.slice(-2)
  if (!before || !open) return 0
  const elapsed = (Date.parse(at) - Date.parse(open.minute)) / 60_000
  return Math.round(open.count + before.count * (1 - elapsed))
}

/** Where an event is; two days may hold the same id once the dedupe horizon has passed. */
export interface Arrival {
  event_id: string
  received_at: string
}

/** The newest arrivals, newest first. */
export async function newestArrivals(db: Database, viewer: TenantViewer): Promise<Arrival[]> {
  return db
    .selectFrom('event')
    .select(['event_id', 'received_at'])
    .where('tenant_id', '=', viewer.tenantId)
    .orderBy('received_at', 'desc')
    .limit(LIVE_LIMITS.recentMax)
    .execute()
}

export async function eventsByArrival(
  db: Database,
  viewer: TenantViewer,
  arrivals: readonly Arrival[],
): Promise<StoredEvent[]> {
  const days = [...new Set(arrivals.map((each) => each.received_at.slice(0, 10)))]
  const { rows } = await sql<EventRow>`
    SELECT ${sql.join(EVENT_COLUMNS.map((column) => sql.ref(`e.${column}`)))}
      FROM unnest(${arrivals.map((each) => each.event_id)}::uuid[],
                  ${arrivals.map((each) => each.received_at)}::timestamptz[]) AS a (event_id, received_at)
      JOIN event e ON e.tenant_id = ${viewer.tenantId} AND e.event_id = a.event_id AND e.received_at = a.received_at
       AND e.received_on = ANY (${days}::date[])
     ORDER BY e.received_at DESC, e.event_id DESC`.execute(db)
  return rows.map(toEvent)
}
