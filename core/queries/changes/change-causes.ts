import { type RawBuilder, sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import { ARRIVALS } from '../../db/tables/arrivals.ts'
import type { TenantViewer } from '../../identity/viewer.ts'
import { ceilBucket15m, floorBucket15m, type Instant } from '../instant.ts'
import { bucketOf, bucketStart } from '../sql/buckets.ts'
import type { DayWindow } from '../sql/day-windows.ts'
import { whereOccurred } from '../sql/days-received.ts'
import { dimensionsOf, whereFilters } from '../sql/dimensions.ts'
import { type Names, whereNames } from '../sql/names.ts'
import { eventNumber } from '../sql/numbers.ts'
import type { DefinitionAt } from './definition-at.ts'

/**
 * Why a number differs between two moments. ARRIVED: in time, into a bucket that was still open; LATE: after it may have been
 * called final; IMPORT: a historical import; REPLAY: read again from the log; UNRECORDED: stored by a version that did not
 * record how; BACKFILL: history that a metric had not counted yet; DEFINITION: another definition of the metric;
 * RETENTION: single events that were dropped; ERASURE: reserved; OLDER_THAN_KEPT: of events that are no longer held it is
 * not known whether they were counted before.
 */
export const CHANGE_CAUSES = [
  'ARRIVED',
  'LATE',
  'IMPORT',
  'REPLAY',
  'UNRECORDED',
  'BACKFILL',
  'DEFINITION',
  'RETENTION',
  'ERASURE',
  'OLDER_THAN_KEPT',
] as const
export type ChangeCause = (typeof CHANGE_CAUSES)[number]

/** What one cause changed in one bucket of one group. */
export interface CauseRow {
  timestamp: Instant
  dims: (string | null)[]
  /** Null: nothing changed. */
  cause: ChangeCause | null
  /** Events that are counted now, less those that no longer are. */
  events: number
  /** Decimal and exact. */
  amount: string
  /** Events whose batch may have been in flight at the earlier moment. */
  in_flight: number
}

/** One side of a comparison. */
export interface Side {
  /** Undefined: now, whatever is visible. */
  at: Instant | undefined
  definition: DefinitionAt
}

export interface Scope {
  /** Of both definitions together. */
  names: Names
  days: DayWindow
  isSum: boolean
}

/** A batch takes no longer from its first statement to its commit, but for one in trouble. */
export const IN_FLIGHT_SECONDS = 15

/**
 * What changed from one moment to another, from the single events that are held. What is counted at each is decided for
 * every event by the same two expressions, so the rows add up to the difference whatever the causes are.
 */
export async function readCauses(
  db: Database,
  viewer: TenantViewer,
  from: Side & { at: Instant },
  to: Side,
  { names, days, isSum }: Scope,
): Promise<CauseRow[]> {
  const { range, interval, timeZone, groupBy } = to.definition.args
  const [then, now] = [columnsOf(from, isSum), columnsOf(to, isSum)]
  const bucket = bucketOf(sql`e.occurred_at`, interval, timeZone, range)
  const since = sql`${from.at}::timestamptz`
  // Where both count the same way, what was stored before changed nothing.
  const isSame =
    from.definition.metricId === to.definition.metricId && !hasHistory(from) && !hasHistory(to)
  const recent = isSame
    ? sql`AND e.stored_at > ${since} - make_interval(secs => ${sql.lit(IN_FLIGHT_SECONDS)})`
    : sql``
  const { rows } = await sql<CauseRow>`
    WITH seen AS (
      SELECT ${bucket} AS bucket, ${dimensionsOf(groupBy)} AS dims, e.stored_at, e.arrival,
             ${then.matches} AS matched, ${now.matches} AS matches, ${then.counts} AS counted, ${now.counts} AS counts,
             ${then.value} AS former_value, ${now.value} AS value, ${then.isPartly} OR ${now.isPartly} AS is_partly
        FROM event e
       WHERE ${whereNames(viewer, names)} AND ${whereOccurred(range, days)} ${recent}),
    changed AS (
      SELECT bucket, dims, CASE
               WHEN NOT counted AND NOT counts OR counted AND counts AND former_value = value THEN NULL
               WHEN counts AND NOT counted AND stored_at > ${since} THEN CASE arrival
                 WHEN ${ARRIVALS.late} THEN 'LATE' WHEN ${ARRIVALS.import} THEN 'IMPORT' WHEN ${ARRIVALS.replay} THEN 'REPLAY'
                 WHEN ${ARRIVALS.unrecorded} THEN 'UNRECORDED' ELSE 'ARRIVED' END
               WHEN is_partly AND counts <> counted THEN 'OLDER_THAN_KEPT'
               WHEN counts AND NOT counted AND matched OR counted AND NOT counts AND matches THEN 'BACKFILL'
               ELSE 'DEFINITION' END AS cause,
             counts::int - counted::int AS events,
             CASE WHEN counts THEN value ELSE 0 END - CASE WHEN counted THEN former_value ELSE 0 END AS amount,
             (matched OR matches) AND stored_at <= ${since}
               AND stored_at > ${since} - make_interval(secs => ${sql.lit(IN_FLIGHT_SECONDS)}) AS in_flight
        FROM seen)
    SELECT ${bucketStart(sql`c.bucket`, interval, timeZone, range)} AS timestamp, c.dims, c.cause, sum(c.events)::bigint AS events,
           sum(c.amount)::text AS amount, count(*) FILTER (WHERE c.in_flight) AS in_flight
      FROM changed c GROUP BY c.bucket, 1, 2, 3`.execute(db)
  return rows
}

/** What is counted now of the events that are held, by bucket and group; `amount` is decimal. */
export async function readHeld(
  db: Database,
  viewer: TenantViewer,
  definition: DefinitionAt,
  { names, days, isSum }: Scope,
): Promise<Pick<CauseRow, 'timestamp' | 'dims' | 'events' | 'amount'>[]> {
  const { range, interval, timeZone, groupBy } = definition.args
  const { counts, value } = columnsOf({ at: undefined, definition }, isSum)
  const bucket = bucketOf(sql`e.occurred_at`, interval, timeZone, range)
  const { rows } = await sql<CauseRow>`
    SELECT ${bucketStart(sql`c.bucket`, interval, timeZone, range)} AS timestamp, c.dims, c.events, c.amount
      FROM (SELECT ${bucket} AS bucket, ${dimensionsOf(groupBy)} AS dims, count(*) AS events, sum(${value})::text AS amount
              FROM event e
             WHERE ${whereNames(viewer, names)} AND ${whereOccurred(range, days)} AND ${counts}
             GROUP BY 1, 2) c`.execute(db)
  return rows
}

function hasHistory({ definition: { history } }: Side): boolean {
  return history !== undefined && history.open.length > 0
}

interface Columns {
  /** The event is one of the definition. */
  matches: RawBuilder<unknown>
  /** And a result of the moment had it. */
  counts: RawBuilder<unknown>
  value: RawBuilder<unknown>
  /** It is not known whether it did. */
  isPartly: RawBuilder<unknown>
}

function columnsOf({ at, definition }: Side, isSum: boolean): Columns {
  const { args, history } = definition
  const { names, filters, range } = args
  const ofName = names === undefined ? sql`true` : sql`e.name = ANY (${names}::text[])`
  const matches = sql`(coalesce(${ofName} ${whereFilters(filters)}, false))`
  const stored = at === undefined ? sql`true` : sql`e.stored_at <= ${at}::timestamptz`
  const value = isSum
    ? sql`coalesce(${eventNumber(args.value)}::text::numeric, 0)`
    : sql`1::numeric`
  if (!history || history.open.length === 0)
    return { matches, counts: sql`(${matches} AND ${stored})`, value, isPartly: sql`false` }
  // The parts of 15-minute buckets at the ends of the range are read from single events.
  const isWhole = sql`e.occurred_at >= ${ceilBucket15m(range.start)}::timestamptz
                  AND e.occurred_at < ${floorBucket15m(range.end)}::timestamptz`
  const isHistory = sql`(${isWhole} AND e.stored_at <= ${history.activatedAt}::timestamptz)`
  const isOpen = sql`(${isHistory} AND e.received_on = ANY (${history.open}::date[]))`
  return {
    matches,
    counts: sql`(${matches} AND ${stored} AND NOT ${isOpen})`,
    value,
    isPartly: sql`(${isHistory} AND e.received_on = ANY (${history.partly}::date[]))`,
  }
}
