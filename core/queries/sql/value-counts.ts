import { type RawBuilder, sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import { OTHER_METRIC } from '../../db/series-names.ts'
import type { TenantViewer } from '../../identity/viewer.ts'
import { QUERY_LIMITS } from '../limits.ts'
import type { MetricsArgs, MetricsInput } from '../metrics/metrics-args.ts'
import { sortedFilters } from '../metrics/query-id.ts'
import type { ResultInfo, Source } from '../query-result.ts'
import { countsFromRollups } from './counts.ts'
import { partsOfCoveringMetric } from './covering-metric.ts'
import { daysReceived, whereOccurred } from './days-received.ts'
import {
  type ActiveMetric,
  describeMetric,
  partsOfMetric,
  resolveMetric,
} from './declared-metric.ts'
import { dimensionOf, whereFilters } from './dimensions.ts'
import { resolveNames, whereNames } from './names.ts'
import { eventNumber } from './numbers.ts'
import { checkRawBudget } from './raw-budget.ts'
import { type Described, readResultInfo } from './result-info.ts'

export interface ValueCounts {
  dimension: string
  /** What is counted: of event names, or of a declared metric. */
  args: MetricsArgs
  metric: ActiveMetric | undefined
}

/**
 * Rows `(value, shared, count, sum)`, several for one value: all events of the range by a dimension, each counted once.
 * `shared`: names that are counted together, because the tenant has more of them than series. Sums are decimal, so that
 * they do not depend on an order.
 * @throws QUERY_TOO_SLOW when too many single events would be read
 */
export async function countsByValue(
  db: Database,
  viewer: TenantViewer,
  { dimension, args, metric }: ValueCounts,
): Promise<{ sql: RawBuilder<unknown>; source: Source }> {
  const names = await resolveNames(db, viewer, args.names)
  const { filters, range } = args
  if (!metric && dimension === 'name' && filters.length === 0 && names.haveOwnSeries) {
    const counts = await countsFromRollups(db, viewer, names, {
      range,
      interval: 'TOTAL',
      timeZone: 'UTC',
      byName: true,
    })
    return {
      source: counts.source,
      sql: sql`SELECT c.name AS value, c.name = ${OTHER_METRIC} AS shared, c.count, c.sum::text::numeric AS sum
                 FROM (${counts.sql}) c`,
    }
  }
  const stored = metric
    ? await partsOfMetric(db, viewer, metric, names, args)
    : await partsOfCoveringMetric(db, viewer, names, args)
  const isLimited = stored && 'isLimited' in stored && stored.isLimited
  if (stored && !isLimited)
    return {
      source: stored.source,
      sql: sql`SELECT p.dims[1] AS value, false AS shared, p.count, p.sum::text::numeric AS sum FROM (${stored.sql}) p`,
    }
  await checkRawBudget(db, viewer, names, range)
  const days = await daysReceived(db, viewer, names, range)
  const value = sql`left(${dimensionOf('dimension', dimension)}, ${sql.lit(QUERY_LIMITS.dimensionValueCharsMax)})`
  return {
    source: 'raw',
    sql: sql`SELECT ${value} AS value, false AS shared, count(*) AS count,
                    coalesce(sum(${eventNumber(args.value)}::text::numeric), 0) AS sum
               FROM event e
              WHERE ${whereNames(viewer, names)} AND ${whereOccurred(range, days)} ${whereFilters(filters)}
              GROUP BY 1`,
  }
}

/** The arguments that a dimension is counted with, and the metric that the name is. */
export async function resolveValueCounts(
  db: Database,
  viewer: TenantViewer,
  input: Pick<MetricsInput, 'name' | 'startTime' | 'endTime' | 'filter' | 'timeZone'>,
  dimension: string,
): Promise<ValueCounts> {
  const asked = { ...input, groupBy: [dimension], interval: 'TOTAL' as const }
  return { dimension, ...(await resolveMetric(db, viewer, asked)) }
}

/** How a result of `countsByValue` was made. @param argsOf the arguments that name the question, by filters in order */
export async function describeValueCounts(
  db: Database,
  viewer: TenantViewer,
  { args, metric }: ValueCounts,
  {
    argsOf,
    ...described
  }: Omit<Described, 'args' | 'names'> & { argsOf(filters: unknown[]): unknown[] },
): Promise<ResultInfo> {
  const filters = sortedFilters(args.ofMetric?.filters ?? args.filters)
  const names = metric ? [metric.name] : args.names
  const info = await readResultInfo(db, viewer, { ...described, args: argsOf(filters), names })
  return metric ? describeMetric(metric, info, { range: described.range, isLimited: false }) : info
}
