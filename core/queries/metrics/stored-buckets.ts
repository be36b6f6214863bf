import { isBefore } from '../instant.ts'
import type { Names } from '../sql/names.ts'
import type { MetricsArgs } from './metrics-args.ts'

/** Offsets from UTC are multiples of fifteen minutes since Kiritimati gave up -10:40 on that day. */
const QUARTER_HOUR_OFFSETS_SINCE = '1979-10-01T10:40:00Z'

/** Whether what is stored by series and 15-minute bucket has the groups and the intervals that are asked for. */
export function canUseStoredBuckets(args: MetricsArgs, names: Names): boolean {
  const { groupBy, filters } = args
  return (
    isOfQuarters(args) &&
    names.haveOwnSeries &&
    filters.length === 0 &&
    groupBy.every((dimension) => dimension === 'name')
  )
}

/** Whether the sums of 15-minute buckets give the result. */
export function isAddable(args: MetricsArgs): boolean {
  return isOfQuarters(args) && ['COUNT', 'SUM', 'MIN', 'MAX', 'AVG'].includes(args.aggregate)
}

function isOfQuarters({ interval, timeZone, range }: MetricsArgs): boolean {
  return (
    interval !== 'MINUTE' &&
    (timeZone === 'UTC' || !isBefore(range.start, QUARTER_HOUR_OFFSETS_SINCE))
  )
}
