import { createHash } from 'node:crypto'
import type { TenantViewer } from '../../identity/viewer.ts'
import { isEstimable, type MetricsArgs } from './metrics-args.ts'

const ID_CHARS = 22

/**
 * Names a question: the same tenant and arguments give the same id, through whichever interface it is asked, with
 * defaults written or left out.
 */
export function queryIdOf({ tenantId }: TenantViewer, args: MetricsArgs): string {
  const { names, range, groupBy, interval, timeZone, aggregate, filters, exactness } = args
  const question = [
    tenantId,
    names === undefined ? null : [...names].sort(),
    range.start,
    range.end,
    groupBy,
    interval,
    timeZone,
    aggregate,
    filters
      .map(({ dimension, in: values }) => [dimension, [...new Set(values)].sort()])
      .sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)),
    // All others are exact whatever was asked for.
    ...(exactness === 'EXACT' && isEstimable(aggregate) ? [exactness] : []),
  ]
  return createHash('sha256')
    .update(JSON.stringify(question))
    .digest('base64url')
    .slice(0, ID_CHARS)
}
