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
import { dimensionsOf, whereFilters } from './dimensions.ts'
import { type Names, shownName, whereNames } from './names.ts'
import { eventNumber } from './numbers.ts'
import { checkRawBudget } from './raw-budget.ts'

export function canUseRollups(args: MetricsArgs, names: Names): boolean {
  return isAddable(args) && canUseStoredBuckets(args, names)
}

interface Parts {
  sql: RawBuilder<unknown>
  source: Source
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
  const counts = await countsFromRollups(db, viewer, names, range)
  const dims = groupBy.length === 0 ? sql`'{}'::text[]` : sql`ARRAY[${shownName}]::text[]`
  return {
    source: counts.source,
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
  return sql`
    SELECT ${bucket} AS bucket, ${dims} AS dims, count(*) AS count, count(${value}) AS value_count,
           coalesce(sum(${value}), 0) AS sum, min(${value}) AS min, max(${value}) AS max
    ${from} GROUP BY 1, 2`
}
