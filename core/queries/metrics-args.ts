import { badInput, checkText } from './errors.ts'
import type { Instant } from './instant.ts'
import {
  checkBuckets,
  checkRange,
  checkTimeZone,
  defaultInterval,
  type Interval,
  type Range,
} from './sql/buckets.ts'
import { checkFilters, checkGroupBy, type DimensionFilter } from './sql/dimensions.ts'

export type Aggregate = 'COUNT' | 'SUM' | 'MIN' | 'MAX' | 'AVG' | 'UNIQUES' | 'P50' | 'P95' | 'P99'

/** `metrics(…)` as a client may ask it. */
export interface MetricsInput {
  /** `*`: all names. */
  name: string
  startTime: Instant
  endTime: Instant
  groupBy?: readonly string[] | null
  interval?: Interval | null
  timeZone?: string | null
  aggregate?: Aggregate | null
  filter?: readonly DimensionFilter[] | null
}

/** The same, checked and with nothing left open. */
export interface MetricsArgs {
  /** Undefined: all names. */
  names: readonly string[] | undefined
  range: Range
  groupBy: readonly string[]
  interval: Interval
  timeZone: string
  aggregate: Aggregate
  /** Without those on the name, which are in `names`. */
  filters: readonly DimensionFilter[]
}

/** @throws BAD_USER_INPUT that names the argument */
export function parseMetricsArgs(args: MetricsInput): MetricsArgs {
  const range = { start: args.startTime, end: args.endTime }
  checkRange(range)
  const timeZone = checkTimeZone(args.timeZone ?? 'UTC')
  const groupBy = checkGroupBy(args.groupBy ?? [])
  const filters = checkFilters(args.filter ?? [])
  const interval = args.interval ?? defaultInterval(range)
  checkBuckets(range, interval, groupBy.length > 0)
  return {
    names: readNames(args.name, filters),
    range,
    groupBy,
    interval,
    timeZone,
    aggregate: args.aggregate ?? 'COUNT',
    filters: filters.filter(({ dimension }) => dimension !== 'name'),
  }
}

/** Names are compared as the edge spells them: NFC, trimmed. */
function readNames(
  name: string,
  filters: readonly DimensionFilter[],
): readonly string[] | undefined {
  checkText('name', name)
  const spelt = name.normalize('NFC').trim()
  if (spelt === '') throw badInput('name', 'is empty; "*" asks for all names')
  let names = spelt === '*' ? undefined : [spelt]
  for (const { dimension, in: values } of filters)
    if (dimension === 'name') names = names ? names.filter((n) => values.includes(n)) : [...values]
  return names
}
