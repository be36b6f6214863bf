import { type RawBuilder, sql } from 'kysely'
import type { Database } from '../../db/database.ts'

/** Days of receipt, as half-open bounds `YYYY-MM-DD`; without one the window is open on that side. */
export interface DayWindow {
  from?: string | undefined
  before?: string | undefined
}

/**
 * Postgres plans for, and locks, every partition that a statement may read, with each of its indexes. So what is not
 * bound to a few days is looked for in windows of days, one statement each: a statement costs the same however many
 * days are held, and reading ends where enough was found.
 */
const WINDOW_DAYS = 32
/** The days created ahead, and those on which most of what is asked for arrived. */
const NEWEST_WINDOW_DAYS = 6

/** Rows `(day)`, as `YYYYMMDD`: the days of which single events are held. */
export const EVENT_DAYS = sql`
    SELECT right(c.relname, 8) AS day
      FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
     WHERE i.inhparent = 'event'::regclass AND c.relname ~ '^event_[0-9]{8}$'`

/** Windows that together are all days, the newest first. */
export async function dayWindows(db: Database): Promise<DayWindow[]> {
  const { rows } = await sql<{ day: string }>`${EVENT_DAYS} ORDER BY 1 DESC`.execute(db)
  return cutIntoWindows(rows.map(({ day }) => isoDate(day)))
}

/** @param days that have a partition, the newest first; the windows cover those in between as well */
export function cutIntoWindows(days: readonly string[]): DayWindow[] {
  const windows: DayWindow[] = []
  let before: string | undefined
  for (let next = 0; next < days.length; ) {
    next += windows.length === 0 ? NEWEST_WINDOW_DAYS : WINDOW_DAYS
    const from = days[next - 1]
    // The oldest window is open too: a day may get its partition later than younger ones.
    windows.push({ from: next < days.length ? from : undefined, before })
    before = from
  }
  return windows.length === 0 ? [{}] : windows
}

/** The windows that may hold rows received from one day to another, both included. */
export function windowsWithin(
  windows: readonly DayWindow[],
  { first, last }: { first?: string | undefined; last?: string | undefined },
): DayWindow[] {
  return windows.filter(
    ({ from, before }) =>
      (last === undefined || from === undefined || from <= last) &&
      (first === undefined || before === undefined || before > first),
  )
}

/** The rows of `event` of these days, as conditions that Postgres plans with. */
export function whereReceived({ from, before }: DayWindow): RawBuilder<unknown> {
  const conditions = [
    ...(from === undefined ? [] : [sql`received_on >= ${from}::date`]),
    ...(before === undefined ? [] : [sql`received_on < ${before}::date`]),
  ]
  return conditions.length === 0 ? sql`true` : sql.join(conditions, sql` AND `)
}

/** @param day as `YYYYMMDD` */
export function isoDate(day: string): string {
  return `${day.slice(0, 4)}-${day.slice(4, 6)}-${day.slice(6)}`
}
