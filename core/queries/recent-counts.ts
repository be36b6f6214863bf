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
  const { at, since, first, open } = await readTimes(db)
  const { rows: minutes } = await sql<MinuteCount>`
    SELECT m AS minute, coalesce(o.stored, 0)::bigint AS count
      FROM generate_series(${first}::timestamptz, ${open}::timestamptz, interval '1 minute') m
      LEFT JOIN outcome_minute o ON o.tenant_id = ${viewer.tenantId} AND o.minute = m
       AND o.minute >= ${first}::timestamptz AND o.minute <= ${open}::timestamptz
     ORDER BY m`.execute(db)
  const recent = await countSince(db, viewer, since)
  const isExact = recent <= LIVE_LIMITS.exactCountMax
  return {
    rows: minutes,
    source: 'rollup+raw',
    dependencies: null,
    at,
    eventsPerMinute: isExact ? recent : estimate(at, minutes),
  }
}

/** By Postgres' clock, and read first: Postgres plans for the partitions of all days unless it knows the time by then. */
async function readTimes(db: Database) {
  const { rows } = await sql<{ at: string; since: string; first: string; open: string }>`
    SELECT now() AS at, now() - interval '60 seconds' AS since, date_trunc('minute', now()) AS open,
           date_trunc('minute', now()) - make_interval(mins => ${LIVE_LIMITS.minutes - 1}) AS first`.execute(
    db,
  )
  return rows[0] as (typeof rows)[number]
}

/** At most one more than LIVE_LIMITS.exactCountMax. */
async function countSince(db: Database, viewer: TenantViewer, since: string): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    SELECT count(*) AS count FROM (
      SELECT FROM event e
       WHERE e.tenant_id = ${viewer.tenantId} AND e.received_at > ${since}::timestamptz
         AND e.received_on >= ${since.slice(0, 10)}::date
       LIMIT ${LIVE_LIMITS.exactCountMax + 1}) recent`.execute(db)
  return rows[0]?.count ?? 0
}

/** The open minute, and of the one before it the part that is less than sixty seconds ago. */
function estimate(at: string, minutes: readonly MinuteCount[]): number {
  const [before, open] = minutes.slice(-2)
  if (!before || !open) return 0
  const elapsed = (Date.parse(at) - Date.parse(open.minute)) / 60_000
  return Math.round(open.count + before.count * (1 - elapsed))
}
