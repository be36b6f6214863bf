import type { Database } from '../db/database.ts'
import { eventUuid } from '../db/event-uuid.ts'
import type { TenantViewer } from '../identity/viewer.ts'
import { checkText } from '../lib/check-text.ts'
import type { QueryResult } from './query-result.ts'
import { type StoredEvent, toEvent } from './sql/event-row.ts'
import { findEvent } from './sql/find-event.ts'

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
  const found = await findEvent(db, viewer, [eventUuid(id), eventUuid(id, 'public')])
  return { rows: found ? [toEvent(found)] : [], source: 'raw', dependencies: null }
}
