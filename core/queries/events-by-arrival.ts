import { sql } from 'kysely'
import type { Database } from '../db/database.ts'
import type { TenantViewer } from '../identity/viewer.ts'
import type { Arrival } from './newest-arrivals.ts'
import type { QueryResult } from './query-result.ts'
import { EVENT_COLUMNS, type EventRow, type StoredEvent, toEvent } from './sql/event-row.ts'

/** The events of these arrivals, newest first. */
export async function eventsByArrival(
  db: Database,
  viewer: TenantViewer,
  { arrivals }: { arrivals: readonly Arrival[] },
): Promise<QueryResult<StoredEvent>> {
  const days = [...new Set(arrivals.map((each) => each.received_at.slice(0, 10)))]
  const { rows } = await sql<EventRow>`
    SELECT ${sql.join(EVENT_COLUMNS.map((column) => sql.ref(`e.${column}`)))}
      FROM unnest(${arrivals.map((each) => each.event_id)}::uuid[],
                  ${arrivals.map((each) => each.received_at)}::timestamptz[]) AS a (event_id, received_at)
      JOIN event e ON e.tenant_id = ${viewer.tenantId} AND e.event_id = a.event_id AND e.received_at = a.received_at
       AND e.received_on = ANY (${days}::date[])
     ORDER BY e.received_at DESC, e.event_id DESC`.execute(db)
  return { rows: rows.map(toEvent), source: 'raw', dependencies: null }
}
