import { sql } from 'kysely'
import { idempotencyHash, readIdempotencyHash } from '../../../contract/event/idempotency-hash.ts'
import type { Database } from '../../db/database.ts'
import type { TenantViewer } from '../../identity/viewer.ts'
import { ApiError } from '../../lib/api-error.ts'
import { QUERY_LIMITS } from '../limits.ts'
import type { DayWindow } from './day-windows.ts'

/** Events of requests with an Idempotency-Key: their ids in Postgres, and the days on which they were received. */
export interface KeyedEvents {
  ids: string[]
  days: DayWindow
}

/** Of both trust classes: a person who searches knows the key, and not what it came with. @throws QUERY_TOO_LARGE */
export async function eventsOfKey(
  db: Database,
  viewer: TenantViewer,
  key: string,
): Promise<KeyedEvents> {
  const { tenant, tenantId } = viewer
  const hashes = await Promise.all(
    (['server', 'public'] as const).map((trust) => idempotencyHash(tenant, trust, key)),
  )
  const { rows } = await sql<{ ids: string[]; day: string; next: string }>`
    SELECT event_ids AS ids, received_on::text AS day, (received_on + 1)::text AS next FROM event_idempotency
     WHERE tenant_id = ${tenantId} AND key_hash = ANY (${hashes.map((each) => String(readIdempotencyHash(each)))}::bigint[])
     LIMIT ${QUERY_LIMITS.keyedEventsMax + 1}`.execute(db)
  const ids = rows.flatMap((row) => row.ids)
  const { keyedEventsMax } = QUERY_LIMITS
  if (ids.length > keyedEventsMax)
    throw new ApiError(
      'QUERY_TOO_LARGE',
      `More than ${keyedEventsMax} events came with this Idempotency-Key; search by time or request instead.`,
      { limit: 'events' },
    )
  // No day: nothing is read.
  if (rows.length === 0) return { ids, days: { from: '9999-12-31', before: '9999-12-31' } }
  const from = rows.map(({ day }) => day).sort()[0]
  const before = rows
    .map(({ next }) => next)
    .sort()
    .at(-1)
  return { ids, days: { from, before } }
}
