import { isBefore } from '../instant.ts'
import type { Names } from '../sql/names.ts'
import type { MetricsArgs } from './metrics-args.ts'

/** Offsets from UTC are multiples of fifteen minutes since Kiritimati gave up -10:40 on that day. */
const QUARTER_HOUR_OFFSETS_SINCE = '1979-10-01T10:40:00Z'

/** Whether what is stored by name and 15 minutes has all that the query groups and filters by. */
export function canUseStoredBuckets(args: MetricsArgs, names: Names): boolean {
  const { groupBy, filters, timeZone, range, interval } = args
  return (
    interval !== 'MINUTE' &&
    names.haveOwnSeries &&
    filters.length === 0 &&
    groupBy.every((dimension) => dimension === 'name') &&
    (timeZone === 'UTC' || !isBefore(range.start, QUARTER_HOUR_OFFSETS_SINCE))
  )
}
