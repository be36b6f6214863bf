import { type RawBuilder, sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import type { TenantViewer } from '../../identity/viewer.ts'
import { badInput } from '../../lib/api-error.ts'
import type { Instant } from '../instant.ts'
import { QUERY_LIMITS } from '../limits.ts'
import type { QueryResult, ResultInfo } from '../query-result.ts'
import {
  bucketOf,
  bucketStart,
  checkRange,
  checkTimeZone,
  countBuckets,
  type Range,
} from '../sql/buckets.ts'
import { daysReceived, inSnapshot, whereOccurred } from '../sql/days-received.ts'
import { resolveNames, whereNames } from '../sql/names.ts'
import { checkRawBudget } from '../sql/raw-budget.ts'
import { readResultInfo } from '../sql/result-info.ts'
import {
  budgetOf,
  checkSelection,
  type EventSelection,
  isSelected,
  namesOf,
  selectionKey,
} from './event-selection.ts'

export interface RetentionInput {
  first: EventSelection
  /** Default: the first event again. */
  returning?: EventSelection | null
  startTime: Instant
  endTime: Instant
  interval?: 'DAY' | 'WEEK' | null
  timeZone?: string | null
}

export interface RetentionCohort {
  /** The start of the day or week. */
  timestamp: Instant
  /** The same as a date of the zone. */
  date: string
  /** Actors whose first event of the range is in it. */
  actors: number
  /** How many of them returned in the k-th day or week after it; 0 is the cohort's own. As many as have begun in the range. */
  returned: number[]
}

export interface RetentionResult extends QueryResult<RetentionCohort> {
  info: ResultInfo
}

interface Cell {
  timestamp: Instant
  date: string
  actors: number
  periods: number
  period: number | null
  returned: number
}

/**
 * Who came back. An actor belongs to the day or week of its first event in the range, and has returned in a period if it
 * has a returning event in it that is later than its first one. Only events of the range count.
 * @throws BAD_USER_INPUT that names the argument, QUERY_TOO_SLOW
 */
export async function retention(
  db: Database,
  viewer: TenantViewer,
  input: RetentionInput,
): Promise<RetentionResult> {
  const range = { start: input.startTime, end: input.endTime }
  checkRange(range)
  const interval = input.interval ?? 'DAY'
  const timeZone = checkTimeZone(input.timeZone ?? 'UTC')
  checkPeriods(range, interval)
  const first = checkSelection(input.first)
  const returning = checkSelection(input.returning ?? input.first)
  const only = namesOf([first, returning])
  return inSnapshot(db, async (db) => {
    const names = await resolveNames(db, viewer, only)
    const budget = budgetOf(QUERY_LIMITS.funnelEventsMax, 'retention')
    await checkRawBudget(db, viewer, names, range, budget)
    const days = await daysReceived(db, viewer, names, range)
    const dateOf = (time: RawBuilder<unknown>) =>
      sql`date_trunc(${sql.lit(interval.toLowerCase())}, ${time} AT TIME ZONE ${sql.lit(timeZone)})::date`
    const length = sql.lit(interval === 'WEEK' ? 7 : 1)
    const bucket = bucketOf(sql`c.at`, interval, timeZone, range)
    const { rows } = await sql<Cell>`
      WITH periods AS MATERIALIZED (
        SELECT e.actor, ${dateOf(sql`e.occurred_at`)} AS date,
               min(e.occurred_at) FILTER (WHERE ${isSelected(first)}) AS first,
               max(e.occurred_at) FILTER (WHERE ${isSelected(returning)}) AS last
          FROM event e
         WHERE ${whereNames(viewer, names)} AND ${whereOccurred(range, days)} AND e.actor IS NOT NULL
           AND (${isSelected(first)} OR ${isSelected(returning)})
         GROUP BY 1, 2),
      member AS MATERIALIZED (
        SELECT actor, min(first) AS at, min(date) FILTER (WHERE first IS NOT NULL) AS date
          FROM periods GROUP BY actor HAVING min(first) IS NOT NULL),
      cohort AS (SELECT date, count(*) AS actors, min(at) AS at FROM member GROUP BY date),
      cell AS (
        SELECT m.date, (p.date - m.date) / ${length} AS period, count(*) AS returned
          FROM member m JOIN periods p ON p.actor = m.actor AND p.last > m.at GROUP BY 1, 2)
      SELECT ${bucketStart(bucket, interval, timeZone, range)} AS timestamp, c.date::text AS date, c.actors,
             (${dateOf(sql`(${range.end}::timestamptz - interval '1 microsecond')`)} - c.date) / ${length} + 1 AS periods,
             cell.period, coalesce(cell.returned, 0) AS returned
        FROM cohort c LEFT JOIN cell USING (date) ORDER BY c.date, cell.period`.execute(db)
    const info = await readResultInfo(db, viewer, {
      kind: 'retention',
      args: [selectionKey(first), selectionKey(returning), interval, timeZone],
      names: only,
      range,
      source: 'raw',
      interval,
      timeZone,
    })
    return {
      rows: toCohorts(rows),
      source: 'raw',
      dependencies: [{ viewer, range, interval, final: info.final }],
      info,
    }
  })
}

function checkPeriods(range: Range, interval: 'DAY' | 'WEEK'): void {
  const { retentionPeriodsMax } = QUERY_LIMITS
  const count = countBuckets(range, interval)
  if (count > retentionPeriodsMax)
    throw badInput(
      'endTime',
      `gives about ${count} periods of a ${interval.toLowerCase()}; at most ${retentionPeriodsMax} are counted`,
    )
}

function toCohorts(cells: readonly Cell[]): RetentionCohort[] {
  const cohorts = new Map<string, RetentionCohort>()
  for (const { timestamp, date, actors, periods, period, returned } of cells) {
    const cohort = cohorts.get(date) ?? {
      timestamp,
      date,
      actors,
      returned: Array.from({ length: periods }, () => 0),
    }
    cohorts.set(date, cohort)
    if (period !== null) cohort.returned[period] = returned
  }
  return [...cohorts.values()]
}
