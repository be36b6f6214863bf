import type { RawBuilder } from 'kysely'
import type { Database } from '../../db/database.ts'
import type { TenantViewer } from '../../identity/viewer.ts'
import { isBefore } from '../instant.ts'
import type { MetricsArgs } from '../metrics/metrics-args.ts'
import { isAddable } from '../metrics/stored-buckets.ts'
import type { Source } from '../query-result.ts'
import { type ActiveMetric, activeMetrics, canUseSeries, partsOfMetric } from './declared-metric.ts'
import type { DimensionFilter } from './dimensions.ts'
import type { Names } from './names.ts'

interface Parts {
  sql: RawBuilder<unknown>
  source: Source
}

/**
 * Rows of a declared metric that counts the same events as a query of event names with filters or groups: the number is
 * that of single events, and is kept longer. Undefined where none covers all of it: other events, a dimension that it
 * does not have, a history that is not counted, combinations that are counted together.
 * @param db of one snapshot
 */
export async function partsOfCoveringMetric(
  db: Database,
  viewer: TenantViewer,
  names: Names,
  args: MetricsArgs,
): Promise<Parts | undefined> {
  if (!isAddable(args)) return undefined
  for (const metric of await activeMetrics(db, viewer)) {
    const filters = filtersOn(metric, args)
    if (filters === undefined) continue
    const ofMetric = { ...args, ofMetric: { name: metric.name, filters } }
    if (!canUseSeries(metric, ofMetric)) continue
    const parts = await partsOfMetric(db, viewer, metric, names, ofMetric)
    // Without the runs that are derived of the metric: marks are those of the names.
    if (parts && !parts.isLimited) return { sql: parts.sql, source: parts.source }
  }
  return undefined
}

/** What the series of the metric have to be filtered by; undefined where it counts other events than the query. */
function filtersOn(metric: ActiveMetric, args: MetricsArgs): DimensionFilter[] | undefined {
  const { range, aggregate, filters } = args
  if (metric.isBackfilling) return undefined
  if (metric.completeSince !== undefined && isBefore(range.start, metric.completeSince))
    return undefined
  const value = args.value ?? 'value'
  if (aggregate !== 'COUNT' && metric.value !== value) return undefined
  const byName = nameFilter(metric, args.names)
  if (byName === undefined) return undefined
  const left: DimensionFilter[] = [...byName]
  const isAsked = metric.filters.every((own) =>
    filters.some((each) => each.dimension === own.dimension && isWithin(each.in, own.in)),
  )
  if (!isAsked) return undefined
  for (const filter of filters) {
    const own = metric.filters.find(({ dimension }) => dimension === filter.dimension)
    // Every event of the metric has one of these values.
    if (own && isWithin(own.in, filter.in)) continue
    left.push(filter)
  }
  return left
}

/** @returns no filter where the metric counts these names and no others */
function nameFilter(
  { events }: ActiveMetric,
  names: readonly string[] | undefined,
): DimensionFilter[] | undefined {
  if (names === undefined) return events === undefined ? [] : undefined
  if (events === undefined) return [{ dimension: 'name', in: names }]
  if (!isWithin(names, events)) return undefined
  return isWithin(events, names) ? [] : [{ dimension: 'name', in: names }]
}

function isWithin(values: DimensionFilter['in'], all: DimensionFilter['in']): boolean {
  return values.every((value) => all.includes(value))
}
