import { sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import { OTHER_METRIC } from '../../db/series-names.ts'
import type { TenantViewer } from '../../identity/viewer.ts'
import { badInput } from '../../lib/api-error.ts'
import type { Instant } from '../instant.ts'
import type { QueryResult, Source } from '../query-result.ts'
import { checkRange, type Range } from '../sql/buckets.ts'
import { countsFromRollups } from '../sql/counts.ts'
import { inSnapshot } from '../sql/days-received.ts'
import { type Names, resolveNames, whereSeries } from '../sql/names.ts'
import { readResultInfo } from '../sql/result-info.ts'
import { checkLimit, searchOf } from '../sql/search.ts'

export interface EventNamesInput {
  /** A part of the name, in any case; first are those that begin with it. */
  search?: string | null
  limit?: number | null
  /** With a range: the names that occur in it, the most frequent first. Both or neither. */
  startTime?: Instant | null
  endTime?: Instant | null
}

export interface EventName {
  name: string
  /** Events in the range; null without one, and for names that are counted together. */
  count: number | null
}

export interface EventNamesResult extends QueryResult<EventName> {
  /** Whether more names match than are listed. */
  hasMore: boolean
  /** False: the tenant has more names than Sluice counts apart, and those are not listed. */
  complete: boolean
}

/**
 * Event names for type-ahead, from the names that rollups count: no single event is read, so a name stays listed when
 * its events are no longer held.
 * @throws BAD_USER_INPUT that names the argument
 */
export async function eventNames(
  db: Database,
  viewer: TenantViewer,
  input: EventNamesInput,
): Promise<EventNamesResult> {
  const limit = checkLimit(input.limit)
  const search = searchOf(input.search)
  const range = rangeOf(input)
  return inSnapshot(db, async (db) => {
    const names = await resolveNames(db, viewer, undefined)
    const counts = await countsOf(db, viewer, names, range)
    const metric = sql`s.metric`
    const { rows } = await sql<EventName>`
      SELECT s.metric AS name, ${counts.value} AS count
        FROM series s ${counts.join}
       WHERE ${whereSeries(viewer, names)} AND s.metric <> ${OTHER_METRIC} AND ${search.matches(metric)}
       ORDER BY ${search.order(metric)}, 2 DESC NULLS LAST, s.metric COLLATE "C"
       LIMIT ${limit + 1}`.execute(db)
    const result: EventNamesResult = {
      rows: rows.slice(0, limit),
      hasMore: rows.length > limit,
      complete: names.sharedSince === undefined,
      source: counts.source,
      dependencies: range ? [{ viewer, range, interval: 'TOTAL', final: true }] : null,
    }
    if (range)
      result.info = await readResultInfo(db, viewer, {
        kind: 'eventNames',
        args: [input.search ?? '', limit],
        names: undefined,
        range,
        source: counts.source,
      })
    return result
  })
}

function rangeOf({ startTime, endTime }: EventNamesInput): Range | undefined {
  if (startTime == null && endTime == null) return undefined
  if (startTime == null) throw badInput('startTime', 'is missing; endTime alone is not a range')
  if (endTime == null) throw badInput('endTime', 'is missing; startTime alone is not a range')
  const range = { start: startTime, end: endTime }
  checkRange(range)
  return range
}

async function countsOf(
  db: Database,
  viewer: TenantViewer,
  names: Names,
  range: Range | undefined,
) {
  if (!range) return { value: sql`NULL::bigint`, join: sql``, source: 'rollup' as Source }
  const counts = await countsFromRollups(db, viewer, names, {
    range,
    interval: 'TOTAL',
    timeZone: 'UTC',
    byName: true,
  })
  return {
    value: sql`n.count`,
    join: sql`JOIN (SELECT c.name, sum(c.count)::bigint AS count FROM (${counts.sql}) c GROUP BY 1) n ON n.name = s.metric`,
    source: counts.source,
  }
}
