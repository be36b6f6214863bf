import { sql } from 'kysely'
import type { Database } from '../db/database.ts'
import type { TenantViewer } from '../identity/viewer.ts'
import { badInput } from '../lib/api-error.ts'
import { QUERY_LIMITS } from './limits.ts'
import type { QueryResult, Source } from './query-result.ts'
import { checkRange, periodBefore, type Range } from './sql/buckets.ts'
import { countsFromRollups } from './sql/counts.ts'
import { snapshotFor } from './sql/long-rollups.ts'
import { resolveNames, shownName } from './sql/names.ts'

export interface NameCount {
  name: string
  count: number
  previousCount: number
}

/** By the time of occurrence, as in metrics. The rows are the most frequent names of the range. */
export interface RangeTotals extends QueryResult<NameCount> {
  count: number
  previousCount: number
}

/** Events of the range, and of the period of the same length before it. */
export async function rangeTotals(
  db: Database,
  viewer: TenantViewer,
  { range, namesMax }: { range: Range; namesMax: number },
): Promise<RangeTotals> {
  checkRange(range)
  if (namesMax < 0 || namesMax > QUERY_LIMITS.namesMax)
    throw badInput('names', `must be between 0 and ${QUERY_LIMITS.namesMax}`)
  const previous = periodBefore(range)
  const [now, before] = await Promise.all([
    countByName(db, viewer, range),
    countByName(db, viewer, previous),
  ])
  const names = [...now.counts]
    .map(([name, count]) => ({ name, count, previousCount: before.counts.get(name) ?? 0 }))
    .sort((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1))
  const read = { start: previous.start, end: range.end }
  return {
    rows: names.slice(0, namesMax),
    count: sum(now.counts),
    previousCount: sum(before.counts),
    source: now.source === before.source ? now.source : 'rollup+raw',
    dependencies: [{ viewer, range: read, interval: 'TOTAL', final: true }],
  }
}

async function countByName(
  db: Database,
  viewer: TenantViewer,
  range: Range,
): Promise<{ counts: Map<string, number>; source: Source }> {
  const names = await resolveNames(db, viewer, undefined)
  const args = { range, interval: 'TOTAL', timeZone: 'UTC', byName: true } as const
  const { rows, source } = await snapshotFor(db, args, async (db) => {
    const { sql: counts, source } = await countsFromRollups(db, viewer, names, args)
    const { rows } = await sql<{ name: string; count: number }>`
      SELECT ${shownName} AS name, sum(c.count)::bigint AS count
        FROM (${counts}) c GROUP BY 1`.execute(db)
    return { rows, source }
  })
  return { counts: new Map(rows.map((row) => [row.name, row.count])), source }
}

function sum(counts: Map<string, number>): number {
  let total = 0
  for (const count of counts.values()) total += count
  return total
}
