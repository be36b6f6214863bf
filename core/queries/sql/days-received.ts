import { type RawBuilder, sql } from 'kysely'
import { LIMITS } from '../../../contract/limits.ts'
import type { Database } from '../../db/database.ts'
import { DAY_MS, DAYS } from '../../db/partitions.ts'
import type { TenantViewer } from '../../identity/viewer.ts'
import { ceilBucket15m, floorBucket15m, type Instant } from '../instant.ts'
import type { Range } from './buckets.ts'
import { type DayWindow, whereReceived } from './day-windows.ts'
import { type Names, whereNames, whereSeries } from './names.ts'

/** Of all statements together; one of them has ten seconds. */
const SNAPSHOT_MS_MAX = 12_000
const HOUR_MS = 3_600_000
/** Younger ranges touch few partitions however late their events come. */
const RECENT_MS = 30 * DAY_MS
/** Events of longer ranges are too many to be counted first. */
const COUNTED_MS_MAX = DAY_MS
/** How much later than it occurred nearly every event is received. */
const USUAL_DELAY_DAYS = 2

/**
 * The days on which events of a range were received. No event is received more than a few minutes before it occurred;
 * how much later is unknown, because clients wait for a network and histories are imported. Rollups know how many there
 * are: where the days that follow the range hold all of them, no later day is read.
 *
 * Read it in the snapshot in which the events are read (`inOneSnapshot`).
 */
export async function daysReceived(
  db: Database,
  viewer: TenantViewer,
  names: Names,
  range: Range,
): Promise<DayWindow> {
  const from = firstDayReceived(range.start)
  if (!isOld(range) || !names.haveOwnSeries || lengthMs(range) > COUNTED_MS_MAX) return { from }
  const buckets = { start: floorBucket15m(range.start), end: ceilBucket15m(range.end) }
  const usual = { from: firstDayReceived(buckets.start), before: dayAfter(buckets.end) }
  const { rows } = await sql<{ complete: boolean }>`
    SELECT (SELECT coalesce(sum(r.count), 0)
              FROM series s JOIN rollup_15m r ON r.tenant_id = s.tenant_id AND r.series_id = s.series_id
             WHERE ${whereSeries(viewer, names)}
               AND r.bucket >= ${buckets.start}::timestamptz AND r.bucket < ${buckets.end}::timestamptz)
         = (SELECT count(*) FROM event e
             WHERE ${whereNames(viewer, names)} AND ${whereOccurred(buckets, usual)}) AS complete`.execute(
    db,
  )
  return rows[0]?.complete ? usual : { from }
}

/** What `daysReceived` and the query itself read belongs together where a range is old; else one statement is enough. */
export function inOneSnapshot<T>(
  db: Database,
  range: Range,
  work: (db: Database) => Promise<T>,
): Promise<T> {
  // An hour less: what is old by the time `daysReceived` looks is in one snapshot for sure.
  return isOld(range, RECENT_MS - HOUR_MS) ? inSnapshot(db, work) : work(db)
}

/** All that `work` reads is of one moment; of the snapshot that is open already, if there is one. */
export function inSnapshot<T>(db: Database, work: (db: Database) => Promise<T>): Promise<T> {
  if (db.isTransaction) return work(db)
  return db
    .transaction()
    .setIsolationLevel('repeatable read')
    .setAccessMode('read only')
    .execute(async (tx) => {
      await sql.raw(`SET LOCAL transaction_timeout = ${SNAPSHOT_MS_MAX}`).execute(tx)
      return work(tx)
    })
}

/** The rows of `event e` that occurred in the range and were received on these days. */
export function whereOccurred({ start, end }: Range, days: DayWindow): RawBuilder<unknown> {
  // The last condition finds the rows of a small tenant: the index by time of occurrence has those of all tenants.
  return sql`e.occurred_at >= ${start}::timestamptz AND e.occurred_at < ${end}::timestamptz
         AND e.received_at >= ${start}::timestamptz - ${FUTURE}::interval
         AND ${whereReceived(days)}`
}

/** No event of the range was received earlier. */
export function firstDayReceived(start: Instant): string {
  const ms = Date.parse(`${start.slice(0, 19)}Z`) - LIMITS.futureSecondsMax * 1000
  return dayOf(Math.max(ms, FIRST_DAY_MS))
}

const FUTURE = `${LIMITS.futureSecondsMax} s`

/** Nothing was received before. */
const FIRST_DAY_MS = 0

function dayAfter(end: Instant): string {
  return dayOf(Date.parse(`${end.slice(0, 19)}Z`) + (USUAL_DELAY_DAYS + 1) * DAY_MS)
}

/** Only a matter of cost, so this process's clock will do. */
function isOld({ start }: Range, thanMs = RECENT_MS): boolean {
  return Date.now() - Date.parse(`${start.slice(0, 19)}Z`) > thanMs
}

function lengthMs({ start, end }: Range): number {
  return Date.parse(`${end.slice(0, 19)}Z`) - Date.parse(`${start.slice(0, 19)}Z`)
}

function dayOf(ms: number): string {
  return DAYS.startOf(DAYS.numberOf(ms))
}
