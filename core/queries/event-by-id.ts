import { sql } from 'kysely'
import type { Database } from '../db/database.ts'
import { eventUuid } from '../db/event-uuid.ts'
import type { TenantViewer } from '../identity/viewer.ts'
import { checkText } from '../lib/check-text.ts'
import type { QueryResult } from './query-result.ts'
import { type DayWindow, dayWindows, whereReceived } from './sql/day-windows.ts'
import { EVENT_COLUMNS, type EventRow, type StoredEvent, toEvent } from './sql/event-row.ts'

/**
 * The event with this id, however old: a server's before one that came with a public key, and the first received
 * where an id came again after the dedupe horizon.
 * @param id the client's own, or the UUID, in either case
 * @returns one row or none
 */
export async function eventById(
  db: Database,
  viewer: TenantViewer,
  { id }: { id: string },
): Promise<QueryResult<StoredEvent>> {
  checkText('id', id)
  const windows = await dayWindows(db)
  let found: EventRow | undefined
  for (const window of windows.reverse()) {
    const row = await firstReceived(db, viewer, id, window)
    if (row === undefined || (found && isOfServer(found) === isOfServer(row))) continue
    found = row
    if (isOfServer(row)) break
  }
  return { rows: found ? [toEvent(found)] : [], source: 'raw', dependencies: null }
}

/** That of a server has no trust class. */
function isOfServer({ trust_class }: EventRow): boolean {
  return trust_class === null
}

async function firstReceived(
  db: Database,
  viewer: TenantViewer,
  id: string,
  window: DayWindow,
): Promise<EventRow | undefined> {
  return db
    .selectFrom('event')
    .select(EVENT_COLUMNS)
    .where('tenant_id', '=', viewer.tenantId)
    .where('event_id', 'in', [eventUuid(id), eventUuid(id, 'public')])
    .where(sql<boolean>`${whereReceived(window)}`)
    .orderBy(sql`trust_class IS NOT NULL`)
    .orderBy('received_at')
    .limit(1)
    .executeTakeFirst()
}
