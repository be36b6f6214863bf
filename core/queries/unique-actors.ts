import { sql } from 'kysely'
import type { Database } from '../db/database.ts'
import type { TenantViewer } from '../identity/viewer.ts'
import { type MetricsInput, parseMetricsArgs } from './metrics/metrics-args.ts'
import { estimateOverTime } from './metrics/sketches/estimate-over-time.ts'
import type { QueryResult } from './query-result.ts'
import { findRawSince } from './raw-since.ts'
import type { Range } from './sql/buckets.ts'
import { daysReceived, inSnapshot, whereOccurred } from './sql/days-received.ts'
import { resolveNames, whereNames } from './sql/names.ts'
import { checkRawBudget } from './sql/raw-budget.ts'

/**
 * Distinct actors of the events that occurred in the range: the number that `eventsOverTime` has as UNIQUES of all names.
 * @returns one row; none where some of those events are no longer held, and no sketch has them
 */
export async function uniqueActors(
  db: Database,
  viewer: TenantViewer,
  { range }: { range: Range },
): Promise<QueryResult<number>> {
  const names = await resolveNames(db, viewer, undefined)
  const estimate = await estimateOverTime(db, viewer, names, parseMetricsArgs(asMetric(range)))
  if (estimate && estimate.rawSince === undefined)
    return {
      rows: [estimate.points[0]?.value ?? 0],
      source: estimate.source,
      dependencies: [{ viewer, range, interval: 'TOTAL', final: true }],
    }
  return inSnapshot(db, async (db) => {
    const { rows: dropped, dependencies } = await findRawSince(db, viewer, { range })
    if (dropped.length > 0) return { rows: [], source: 'raw', dependencies }
    await checkRawBudget(db, viewer, names, range)
    const days = await daysReceived(db, viewer, names, range)
    // A group for each and then a count: count(DISTINCT …) would sort every row.
    const { rows } = await sql<{ count: number }>`
      SELECT count(*) AS count FROM (
        SELECT 1 FROM event e
         WHERE ${whereNames(viewer, names)} AND ${whereOccurred(range, days)} AND e.actor IS NOT NULL
         GROUP BY e.actor) a`.execute(db)
    return { rows: [rows[0]?.count ?? 0], source: 'raw', dependencies }
  })
}

function asMetric({ start, end }: Range): MetricsInput {
  return { name: '*', startTime: start, endTime: end, interval: 'TOTAL', aggregate: 'UNIQUES' }
}
