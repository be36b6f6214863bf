import { sql } from 'kysely'
import type { Database } from '../db/database.ts'
import type { TenantViewer } from '../identity/viewer.ts'
import { badInput } from './errors.ts'
import { QUERY_LIMITS } from './limits.ts'
import { rawSince } from './oldest-day.ts'
import { checkRange, periodBefore, type Range } from './sql/buckets.ts'
import { countsFromRollups, whereOccurred } from './sql/counts.ts'
import { resolveNames, shownName, whereNames } from './sql/names.ts'

export interface NameCount {
  name: string
  count: number
  previousCount: number
}

/** By the time of occurrence, like metrics. */
export interface RangeTotals {
  count: number
  previousCount: number
  /** The most frequent ones of the range, at most as many as asked for. */
  names: NameCount[]
}

/** The range against the period of the same length before it. */
export async function rangeTotals(
  db: Database,
  viewer: TenantViewer,
  range: Range,
  namesMax: number,
): Promise<RangeTotals> {
  checkRange(range)
  if (namesMax < 0 || namesMax > QUERY_LIMITS.namesMax)
    throw badInput('names', `must be between 0 and ${QUERY_LIMITS.namesMax}`)
  const [now, before] = await Promise.all([
    countByName(db, viewer, range),
    countByName(db, viewer, periodBefore(range)),
  ])
  const names = [...now]
    .map(([name, count]) => ({ name, count, previousCount: before.get(name) ?? 0 }))
    .sort((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1))
  return { count: sum(now), previousCount: sum(before), names: names.slice(0, namesMax) }
}

async function countByName(
  db: Database,
  viewer: TenantViewer,
  range: Range,
): Promise<Map<string, number>> {
  const names = await resolveNames(db, viewer, undefined)
  const counts = countsFromRollups(viewer, names, range)
  const { rows } = await sql<{ name: string; count: number }>`
    SELECT ${shownName} AS name, sum(c.count)::bigint AS count
      FROM (${counts.sql}) c GROUP BY 1`.execute(db)
  return new Map(rows.map((row) => [row.name, row.count]))
}

/** Distinct actors of events that happened in the range; undefined where some of those events are no longer held. */
export async function uniqueActors(
  db: Database,
  viewer: TenantViewer,
  range: Range,
): Promise<number | undefined> {
  if (await rawSince(db, viewer, range)) return undefined
  const names = await resolveNames(db, viewer, undefined)
  // A group for each and then a count: count(DISTINCT …) would sort every row.
  const { rows } = await sql<{ count: number }>`
    SELECT count(*) AS count FROM (
      SELECT 1 FROM event e
       WHERE ${whereNames(viewer, names)} AND ${whereOccurred(range)} AND e.actor IS NOT NULL
       GROUP BY e.actor) a`.execute(db)
  return rows[0]?.count ?? 0
}

/**
 * What became of events received in the minutes that the range touches; of older ones in the quarters of an
 * hour that begin in it (LIMITS.outcomeMinuteDays). Dead letters are counted here longer than they are kept.
 */
export async function outcomeCount(
  db: Database,
  viewer: TenantViewer,
  range: Range,
  of: 'dead' | 'duplicate',
): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    SELECT coalesce(sum(${sql.ref(of)}), 0)::bigint AS count FROM outcome_minute
     WHERE tenant_id = ${viewer.tenantId}
       AND minute >= date_trunc('minute', ${range.start}::timestamptz)
       AND minute < ${range.end}::timestamptz`.execute(db)
  return rows[0]?.count ?? 0
}

function sum(counts: Map<string, number>): number {
  let total = 0
  for (const count of counts.values()) total += count
  return total
}
