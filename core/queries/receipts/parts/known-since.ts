import { sql } from 'kysely'
import { LIMITS } from '../../../../contract/limits.ts'
import type { Database } from '../../../db/database.ts'
import type { TenantViewer } from '../../../identity/viewer.ts'
import type { Instant } from '../../instant.ts'
import { timeOfUuid } from './time-of-uuid.ts'

export interface KnownSince {
  /** What was received since then, and only that, would be known. */
  since: Instant
}

/** A day of receipt whose single events were dropped. */
export interface DroppedDay {
  /** YYYY-MM-DD */
  day: string
  droppedAt: Instant
}

/** The migration whose version began to record duplicates and the ids of dead letters. */
const RECORDED_SINCE = 'receipts'

/** Stored events are known since the last day that was dropped, duplicates and dead letters since they are recorded. */
export async function readKnownSince(
  db: Database,
  { tenantId }: TenantViewer,
): Promise<KnownSince> {
  const { rows } = await sql<KnownSince>`
    SELECT greatest(t.created_at, (SELECT max(applied_at) FROM migration WHERE name = ${RECORDED_SINCE}),
                    (SELECT (dropped_through + 1)::timestamp AT TIME ZONE 'UTC' FROM event_retention)) AS since
      FROM tenant t WHERE t.tenant_id = ${tenantId}`.execute(db)
  return rows[0] as KnownSince
}

/** The day of this time, or the nearest before it within the dedupe horizon, if it was dropped. */
export async function findDroppedDay(db: Database, at: Instant): Promise<DroppedDay | null> {
  const { rows } = await sql<DroppedDay>`
    SELECT day::text AS day, dropped_at AS "droppedAt" FROM event_day_drop
     WHERE day BETWEEN ${at.slice(0, 10)}::date - ${LIMITS.dedupeDays}::int AND ${at.slice(0, 10)}::date
     ORDER BY day DESC LIMIT 1`.execute(db)
  return rows[0] ?? null
}

/** The same of the time in an id that is a UUIDv7, if it is before what is known. */
export async function findDroppedDayOfId(
  db: Database,
  eventId: string,
  { since }: KnownSince,
): Promise<DroppedDay | null> {
  const at = timeOfUuid(eventId)
  return at !== undefined && at < since ? findDroppedDay(db, at) : null
}
