import { sql } from 'kysely'
import type { Database } from '../db/database.ts'
import type { TenantViewer } from '../identity/viewer.ts'
import { LIVE_LIMITS } from './limits.ts'
import type { QueryResult } from './query-result.ts'

export interface MinuteCount {
  minute: string
  count: number
}

/** The rows are the last sixty minutes by the minute received, oldest first. */
export interface RecentCounts extends QueryResult<MinuteCount> {
  /** The time in Postgres. */
  at: string
  /** Events stored of the last sixty seconds. */
  eventsPerMinute: number
}

export async function recentCounts(db: Database, viewer: TenantViewer): Promise<RecentCounts> {
  const id = viewer.tenantId
  const { rows } = await sql<{ at: string; minute: string; count: number; recent: number }>`
    SELECT now() AS at, m AS minute, coalesce(o.stored, 0)::bigint AS count,
           (SELECT count(*) FROM (
              SELECT 1 FROM event e
               WHERE e.tenant_id = ${id} AND e.received_at > now() - interval '60 seconds'
                 AND e.received_on >= (now() - interval '60 seconds')::date
               LIMIT ${LIVE_LIMITS.exactCountMax + 1}) recent) AS recent
      FROM generate_series(date_trunc('minute', now()) - make_interval(mins => ${LIVE_LIMITS.minutes - 1}),
                           date_trunc('minute', now()), interval '1 minute') m
      LEFT JOIN outcome_minute o ON o.tenant_id = ${id} AND o.minute = m
     ORDER BY m`.execute(db)
  const minutes = rows.map(({ minute, count }) => ({ minute, count }))
  const { at = '', recent = 0 } = rows[0] ?? {}
  const isExact = recent <= LIVE_LIMITS.exactCountMax
  return {
    rows: minutes,
    source: 'rollup+raw',
    dependencies: null,
    at,
    eventsPerMinute: isExact ? recent : estimate(at, minutes),
  }
}

/** The open minute, and of the one before it the part that is less than sixty seconds ago. */
function estimate(at: string, minutes: readonly MinuteCount[]): number {
  const [before, open] = minutes.slice(-2)
  if (!before || !open) return 0
  const elapsed = (Date.parse(at) - Date.parse(open.minute)) / 60_000
  return Math.round(open.count + before.count * (1 - elapsed))
}
