import { createHash } from 'node:crypto'
import type { TenantViewer } from '../../identity/viewer.ts'
import type { DimensionFilter } from '../sql/dimensions.ts'
import type { MetricsArgs } from './metrics-args.ts'

const ID_CHARS = 22

/**
 * Names a question: the same tenant and arguments give the same id, through whichever interface it is asked, with
 * defaults written or left out.
 */
export function queryIdOf({ tenantId }: TenantViewer, args: MetricsArgs): string {
  const { range, groupBy, interval, timeZone, aggregate, ofMetric } = args
  const names = ofMetric ? [ofMetric.name] : args.names
  const filters = ofMetric?.filters ?? args.filters
  const question = [
    tenantId,
    names === undefined ? null : [...names].sort(),
    range.start,
    range.end,
    groupBy,
    interval,
    timeZone,
    aggregate,
    sortedFilters(filters),
  ]
  return idOf(question)
}

/** The same for other kinds of queries: `kind` and what decides the result, in an order that is always the same. */
export function kindQueryIdOf(
  { tenantId }: TenantViewer,
  kind: string,
  args: readonly unknown[],
): string {
  return idOf([kind, tenantId, ...args])
}

/** Filters in an order that is always the same. */
export function sortedFilters(filters: readonly DimensionFilter[]): unknown[] {
  return filters
    .map(({ dimension, in: values }) => [dimension, [...new Set(values)].sort()])
    .sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
}

function idOf(question: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify(question))
    .digest('base64url')
    .slice(0, ID_CHARS)
}
