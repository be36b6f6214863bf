import { sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import type { TenantViewer } from '../../identity/viewer.ts'
import { ApiError } from '../../lib/api-error.ts'
import type { Instant } from '../instant.ts'
import type { QueryResult } from '../query-result.ts'

/** Who sends events with an API key. */
export interface ApiKeyUser {
  /** The library, or the first product of the User-Agent; `(other)`: one of many. */
  client: string | null
  /** Of the page that sends them. */
  origin: string | null
  /** Mean since the beginning of the hour before this one. */
  eventsPerMinute: number
  events: number
  lastSeenAt: Instant
}

const DAY_HOURS = 24
const USERS_MAX = 100

/**
 * The clients and origins that sent events with the key in the last day, the busiest now first; at most 100. Counted by
 * workers every few seconds, by hours of the clock.
 * @throws KEY_NOT_FOUND for a key of another tenant too
 */
export async function apiKeyUse(
  db: Database,
  { tenantId }: TenantViewer,
  { keyId }: { keyId: string },
): Promise<QueryResult<ApiKeyUser>> {
  const key = await db
    .selectFrom('api_key')
    .select('key_id')
    .where('key_id', '=', keyId)
    .where('tenant_id', '=', tenantId)
    .executeTakeFirst()
  if (!key) throw new ApiError('KEY_NOT_FOUND')
  const { rows } = await sql<ApiKeyUser>`
    WITH since AS (SELECT date_trunc('hour', now()) - interval '1 hour' AS hour)
    SELECT nullif(client, '') AS client, nullif(origin, '') AS origin, sum(events)::int8 AS events,
           max(last_at) AS "lastSeenAt",
           coalesce(sum(events) FILTER (WHERE k.hour >= since.hour), 0)::float8
             / (extract(epoch FROM now() - since.hour) / 60)::float8 AS "eventsPerMinute"
      FROM key_sender_hour k, since
     WHERE key_id = ${keyId} AND tenant_id = ${tenantId} AND k.hour > now() - make_interval(hours => ${DAY_HOURS + 1})
     GROUP BY client, origin, since.hour
     ORDER BY "eventsPerMinute" DESC, events DESC, client, origin LIMIT ${USERS_MAX}`.execute(db)
  return { rows, source: 'raw', dependencies: null }
}
