import { sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import type { TenantViewer } from '../../identity/viewer.ts'
import { ApiError } from '../../lib/api-error.ts'
import { ceilBucket15m, floorBucket15m, isBefore } from '../instant.ts'
import { QUERY_LIMITS } from '../limits.ts'
import type { Range } from './buckets.ts'
import { rolledUpCount } from './counts.ts'
import { EVENT_DAYS } from './day-windows.ts'
import { firstDayReceived } from './days-received.ts'
import { type Names, whereSeries } from './names.ts'

/** Rollups that are added up for an estimate; each counts at least one event. */
const ROLLUPS_READ_MAX = 200_000
/** Less than a row with its header takes. */
const EVENT_BYTES_MIN = 150

/** Of queries that do more with single events than to count them. */
export interface RawBudget {
  max: number
  /** What a client can do, as sentences. */
  advice: string
}

const COUNTING: RawBudget = {
  max: QUERY_LIMITS.rawEventsMax,
  advice:
    'Choose a shorter range, or one name instead of "*"; COUNT, SUM, MIN, MAX and AVG by name, with intervals of 15 minutes or more, read no single events.',
}

/**
 * To be called before single events of the range are read. Rollups know how many there are, so a query that would take
 * longer than a statement may is refused at once. Counted are 15-minute buckets wholly inside the range that may have
 * events on the days that are held, and nothing is refused that these days cannot hold.
 * @throws QUERY_TOO_SLOW
 */
export async function checkRawBudget(
  db: Database,
  viewer: TenantViewer,
  names: Names,
  range: Range,
  budget: RawBudget = COUNTING,
): Promise<void> {
  if ((await countAll(db, viewer, names, range)) <= budget.max) return
  const counted = await countFromRollups(db, viewer, names, range)
  if (counted <= budget.max) return
  // What is held is of all tenants: it decides, and no client may learn how much it is.
  if ((await countHeld(db, range)) > budget.max) throw tooManyEvents(counted, budget)
}

/** Those that are no longer held among them: from days and hours of rollups, so that most queries read no others. */
async function countAll(
  db: Database,
  viewer: TenantViewer,
  names: Names,
  { start, end }: Range,
): Promise<number> {
  const buckets = { start: ceilBucket15m(start), end: floorBucket15m(end) }
  if (!isBefore(buckets.start, buckets.end)) return 0
  const count = await rolledUpCount(db, viewer, names, buckets)
  const { rows } = await sql<{ count: number }>`SELECT ${count} AS count`.execute(db)
  return rows[0]?.count ?? 0
}

/**
 * Of buckets before the oldest day that is held, only what was received since can still be there: then the bucket was
 * final already, or the series is as young as that.
 */
async function countFromRollups(
  db: Database,
  viewer: TenantViewer,
  names: Names,
  range: Range,
): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    WITH held AS MATERIALIZED (
      SELECT to_timestamp(min(day) || ' 00:00+00', 'YYYYMMDD HH24:MITZH') AS since FROM (${EVENT_DAYS}) d)
    SELECT coalesce(sum(c.count), 0)::bigint AS count FROM (
      SELECT r.count FROM held, series s JOIN rollup_15m r ON r.tenant_id = s.tenant_id AND r.series_id = s.series_id
       WHERE ${whereSeries(viewer, names)}
         AND r.bucket >= ${ceilBucket15m(range.start)}::timestamptz
         AND r.bucket < ${floorBucket15m(range.end)}::timestamptz
         AND (r.bucket >= held.since OR r.revised_at >= held.since OR s.created_at >= held.since)
       LIMIT ${ROLLUPS_READ_MAX}) c`.execute(db)
  return rows[0]?.count ?? 0
}

/** By the statistics of the days on which events of the range may have been received, all tenants together. */
async function countHeld(db: Database, range: Range): Promise<number> {
  const first = `event_${firstDayReceived(range.start).replaceAll('-', '')}`
  const { rows } = await sql<{ count: number }>`
    SELECT coalesce(sum(CASE WHEN c.reltuples < 0 THEN pg_relation_size(c.oid) / ${EVENT_BYTES_MIN}
                             ELSE c.reltuples END), 0)::bigint AS count
      FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
     WHERE i.inhparent = 'event'::regclass AND c.relname >= ${first}`.execute(db)
  return rows[0]?.count ?? 0
}

function tooManyEvents(found: number, { max, advice }: RawBudget): ApiError {
  const [millions, most] = [found, max].map((count) => (count / 1e6).toFixed(1))
  return new ApiError(
    'QUERY_TOO_SLOW',
    `The query would read up to ${millions} million single events, of at most ${most} million. ${advice}`,
    { limit: 'events', found, max },
  )
}
