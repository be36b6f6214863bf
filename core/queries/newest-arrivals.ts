import { sql } from 'kysely'
import type { Database } from '../db/database.ts'
import type { TenantViewer } from '../identity/viewer.ts'
import { LIVE_LIMITS } from './limits.ts'
import type { QueryResult } from './query-result.ts'
import { dayWindows, whereReceived } from './sql/day-windows.ts'

/** Identifies a stored event: two days may hold the same id once the dedupe horizon has passed. */
export interface Arrival {
  event_id: string
  received_at: string
}

/** The newest arrivals, newest first. */
export async function newestArrivals(
  db: Database,
  viewer: TenantViewer,
): Promise<QueryResult<Arrival>> {
  const rows: Arrival[] = []
  for (const window of await dayWindows(db)) {
    const found = await db
      .selectFrom('event')
      .select(['event_id', 'received_at'])
      .where('tenant_id', '=', viewer.tenantId)
      .where(sql<boolean>`${whereReceived(window)}`)
      .orderBy('received_at', 'desc')
      .limit(LIVE_LIMITS.recentMax - rows.length)
      .execute()
    rows.push(...found)
    if (rows.length >= LIVE_LIMITS.recentMax) break
  }
  return { rows, source: 'raw', dependencies: null }
}
