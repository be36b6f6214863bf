import { sql } from 'kysely'
import type { Database } from '../db/database.ts'
import { eventUuid } from '../db/event-uuid.ts'
import type { TenantViewer } from '../identity/viewer.ts'
import { checkText } from '../lib/check-text.ts'
import type { QueryResult } from './query-result.ts'
import { EVENT_COLUMNS, type StoredEvent, toEvent } from './sql/event-row.ts'

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
  const rows = await db
    .selectFrom('event')
    .select(EVENT_COLUMNS)
    .where('tenant_id', '=', viewer.tenantId)
    .where('event_id', 'in', [eventUuid(id), eventUuid(id, 'public')])
    // That of a server has no trust class.
    .orderBy(sql`trust_class IS NOT NULL`)
    .orderBy('received_at')
    .limit(1)
    .execute()
  return { rows: rows.map(toEvent), source: 'raw', dependencies: null }
}
