import { type RawBuilder, sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import type { TenantViewer } from '../../identity/viewer.ts'
import type { MetricsArgs } from '../metrics/metrics-args.ts'
import { canUseStoredBuckets, isAddable } from '../metrics/stored-buckets.ts'
import type { Source } from '../query-result.ts'
import { bucketOf } from './buckets.ts'
import { countsFromRollups } from './counts.ts'
import { partsOfCoveringMetric } from './covering-metric.ts'
import type { DayWindow } from './day-windows.ts'
import { daysReceived, whereOccurred } from './days-received.ts'
import { dimensionsOf, shownDimensions, whereFilters } from './dimensions.ts'
import type { StoredRuns } from './long-rollups.ts'
import { type Names, shownName, whereNames } from './names.ts'
import { eventNumber } from './numbers.ts'
import { checkRawBudget } from './raw-budget.ts'

export function canUseRollups(args: MetricsArgs, names: Names): boolean {
  return isAddable(args) && canUseStoredBuckets(args, names)
}

interface Parts {
  sql: RawBuilder<unknown>
  source: Source
  /** Of rollups; none where single events are read. */
  runs?: StoredRuns
}

/** From rollups of names, of a declared metric that counts the same, or from single events. */
export async function partsOfNames(
  db: Database,
  viewer: TenantViewer,
  names: Names,
  args: MetricsArgs,
): Promise<Parts> {
  if (canUseRollups(args, names)) return partsFromRollups(db, viewer, names, args)
  return (
    (await partsOfCoveringMetric(db, viewer, names, args)) ??
    partsFromEvents(db, viewer, names, args)
  )
}

/** Rows `(bucket, dims, count, value_count, sum, min, max)`, several for one group and bucket. */
async function partsFromRollups(
  db: Database,
  viewer: TenantViewer,
  names: Names,
  args: MetricsArgs,
): Promise<Parts> {
  const { range, interval, timeZone, groupBy } = args
  const byName = groupBy.length > 0
  const counts = await countsFromRollups(db, viewer, names, { range, interval, timeZone, byName })
  const dims = groupBy.length === 0 ? sql`'{}'::text[]` : sql`ARRAY[${shownName}]::text[]`
  return {
    source: counts.source,
    runs: counts.runs,
    sql: sql`SELECT ${bucketOf(sql`c.at`, interval, timeZone, range)} AS bucket, ${dims} AS dims,
                    count, value_count, sum, min, max
               FROM (${counts.sql}) c`,
  }
}

/** The same from single events, with the columns that the aggregate needs beyond these. */
export async function partsFromEvents(
  db: Database,
  viewer: TenantViewer,
  names: Names,
  args: MetricsArgs,
): Promise<Parts> {
  await checkRawBudget(db, viewer, names, args.range)
  const days = await daysReceived(db, viewer, names, args.range)
  return { sql: eventParts(viewer, names, args, days), source: 'raw' }
}

function eventParts(
  viewer: TenantViewer,
  names: Names,
  args: MetricsArgs,
  days: DayWindow,
): RawBuilder<unknown> {
  const { range, interval, timeZone, groupBy, filters, aggregate } = args
  const value = eventNumber(args.value)
  const bucket = bucketOf(sql`e.occurred_at`, interval, timeZone, range)
  const from = sql`
    FROM event e
   WHERE ${whereNames(viewer, names)} AND ${whereOccurred(range, days)} ${whereFilters(filters)}`
  const dims = dimensionsOf(groupBy)
  if (aggregate === 'UNIQUES')
    return sql`SELECT ${bucket} AS bucket, ${dims} AS dims, e.actor, count(*) AS count ${from} GROUP BY 1, 2, 3`
  if (aggregate.startsWith('P'))
    return sql`SELECT ${bucket} AS bucket, ${dims} AS dims, ${value} AS value, 1 AS count ${from}`
  const columns = shownDimensions(groupBy).map((shown, i) => sql`${shown} AS ${sql.ref(`d${i}`)}`)
  const shown = groupBy.map((_, i) => sql.ref(`g.d${i}`))
  const grouped = sql.join([sql`bucket`, ...groupBy.map((_, i) => sql.ref(`d${i}`))])
  // What a count does not need is not computed for each of a million rows.
  const sums =
    aggregate === 'COUNT'
      ? sql`count(*) AS count`
      : sql`count(*) AS count, count(${value}) AS value_count, coalesce(sum(${value}), 0) AS sum, min(${value}) AS min, max(${value}) AS max`
  return sql`
    SELECT g.*, ${groupBy.length === 0 ? sql`'{}'::text[]` : sql`ARRAY[${sql.join(shown)}]::text[]`} AS dims
      FROM (SELECT ${sql.join([sql`${bucket} AS bucket`, ...columns, sums])} ${from} GROUP BY ${grouped}) g`
}
