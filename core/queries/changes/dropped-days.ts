import { sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import type { Instant } from '../instant.ts'
import { firstDayReceived } from '../sql/days-received.ts'

/** Of the days on which events of a range may have been received: those whose single events were dropped. */
export interface DroppedDays {
  /** Some were dropped between the two moments, or may have been: nothing recorded when. */
  between: boolean
  /** Some may hold events that were stored after the earlier moment, up to this day; undefined: none. `YYYY-MM-DD` */
  unknownThrough: string | undefined
  any: boolean
}

/** About the days of all tenants, so it takes no viewer. */
export async function droppedDays(
  db: Database,
  start: Instant,
  { from, to }: { from: Instant; to: Instant | undefined },
): Promise<DroppedDays> {
  const first = sql`${firstDayReceived(start)}::date`
  const then = sql`${from}::timestamptz`
  const until = to === undefined ? sql`true` : sql`dropped_from <= ${to}::timestamptz`
  // The latest day that was dropped without a record of when: before this was recorded, or by a worker of a former
  // version that ran on for a while.
  const { rows } = await sql<{ any: boolean; between: boolean; unknown: string | null }>`
    WITH unrecorded AS (
      SELECT d.day, '-infinity'::timestamptz AS dropped_from,
             least(clock_timestamp(), m.applied_at + interval '${sql.raw(FORMER_WORKERS_RUN)}') AS dropped_at
        FROM event_retention r, migration m, LATERAL (
          SELECT r.dropped_through - n AS day FROM generate_series(0, (SELECT count(*)::int FROM event_day_drop)) n
           WHERE NOT EXISTS (SELECT FROM event_day_drop e WHERE e.day = r.dropped_through - n)
           ORDER BY n LIMIT 1) d
       WHERE m.name = ${RECORDED_SINCE}),
    days AS (
      SELECT day, dropped_at AS dropped_from, dropped_at, last_stored_at FROM event_day_drop WHERE day >= ${first}
      UNION ALL SELECT day, dropped_from, dropped_at, NULL FROM unrecorded WHERE day >= ${first})
    SELECT count(*) > 0 AS any, coalesce(bool_or(dropped_at > ${then} AND ${until}), false) AS between,
           max(day) FILTER (WHERE dropped_at > ${then} AND coalesce(last_stored_at > ${then}, true))::text AS unknown
      FROM days`.execute(db)
  const { any = false, between = false, unknown = null } = rows[0] ?? {}
  return { any, between, unknownThrough: unknown ?? undefined }
}

/** The migration. */
const RECORDED_SINCE = 'changes_and_keys_of_requests'
/** At most, after the migration. */
const FORMER_WORKERS_RUN = '3 days'
