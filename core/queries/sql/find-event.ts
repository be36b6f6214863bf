import { sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import type { TenantViewer } from '../../identity/viewer.ts'
import { type DayWindow, dayWindows, whereReceived } from './day-windows.ts'
import { EVENT_COLUMNS, type EventRow } from './event-row.ts'

export type FoundEvent = EventRow & { key_id: string | null; received_on: string }

/**
 * The event with this key in Postgres, however old: a server's before one that came with a public key, and the first received
 * where an id came again after the dedupe horizon.
 * @param keys of one id, in one trust class or in both
 * @param days of receipt, where they are known; all unless given
 */
export async function findEvent(
  db: Database,
  viewer: TenantViewer,
  keys: readonly string[],
  days?: DayWindow,
): Promise<FoundEvent | undefined> {
  const windows = days ? [days] : await dayWindows(db)
  let found: FoundEvent | undefined
  for (const window of windows.reverse()) {
    const row = await firstReceived(db, viewer, keys, window)
    if (row === undefined || (found && isOfServer(found) === isOfServer(row))) continue
    found = row
    if (isOfServer(row)) break
  }
  return found
}

/** That of a server has no trust class. */
function isOfServer({ trust_class }: FoundEvent): boolean {
  return trust_class === null
}

async function firstReceived(
  db: Database,
  viewer: TenantViewer,
  keys: readonly string[],
  window: DayWindow,
): Promise<FoundEvent | undefined> {
  return db
    .selectFrom('event')
    .select([...EVENT_COLUMNS, 'key_id', 'received_on'])
    .where('tenant_id', '=', viewer.tenantId)
    .where('event_id', 'in', keys)
    .where(sql<boolean>`${whereReceived(window)}`)
    .orderBy(sql`trust_class IS NOT NULL`)
    .orderBy('received_at')
    .limit(1)
    .executeTakeFirst()
}
