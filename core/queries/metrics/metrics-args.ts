import { badInput } from '../../lib/api-error.ts'
import { checkText } from '../../lib/check-text.ts'
import type { Instant } from '../instant.ts'
import {
  checkBuckets,
  checkRange,
  checkTimeZone,
  defaultInterval,
  type Interval,
  type Range,
} from '../sql/buckets.ts'
import { checkFilters, checkGroupBy, type DimensionFilter } from '../sql/dimensions.ts'

export type Aggregate = 'COUNT' | 'SUM' | 'MIN' | 'MAX' | 'AVG' | 'UNIQUES' | 'P50' | 'P95' | 'P99'

/** Whether sketches may be used where they exist, or single events have to be counted. */
export type Exactness = 'EXACT' | 'ESTIMATE'

/** Aggregates that sketches exist for; all others are exact. */
export function isEstimable(aggregate: Aggregate): boolean {
  return aggregate === 'UNIQUES' || aggregate.startsWith('P')
}

/** Arguments of `eventsOverTime` as a client writes them. */
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
  exactness?: Exactness | null
  /** More points than that are refused; no client writes it. */
  pointsMax?: number
}

/** The same, checked and with every default filled in. */
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
  /** Path of the property that is added up, instead of the value. */
  value?: string
  /** Of a declared metric: names and filters above include its own. */
  ofMetric?: { name: string; filters: readonly DimensionFilter[] }
  exactness: Exactness
}

/** @throws BAD_USER_INPUT that names the argument */
export function parseMetricsArgs(input: MetricsInput): MetricsArgs {
  const range = { start: input.startTime, end: input.endTime }
  checkRange(range)
  const timeZone = checkTimeZone(input.timeZone ?? 'UTC')
  const groupBy = checkGroupBy(input.groupBy ?? [])
  const filters = checkFilters(input.filter ?? [])
  const interval = input.interval ?? defaultInterval(range)
  checkBuckets(range, interval, groupBy.length > 0)
  return {
    names: parseNames(input.name, filters),
    range,
    groupBy,
    interval,
    timeZone,
    aggregate: input.aggregate ?? 'COUNT',
    filters: filters.filter(({ dimension }) => dimension !== 'name'),
    exactness: input.exactness ?? 'ESTIMATE',
  }
}

/** Names are compared as the edge stores them: NFC, trimmed. */
export function parseNames(
  name: string,
  filters: readonly DimensionFilter[],
): readonly string[] | undefined {
  checkText('name', name)
  const normalised = name.normalize('NFC').trim()
  if (normalised === '') throw badInput('name', 'is empty; "*" selects all names')
  let names = normalised === '*' ? undefined : [normalised]
  for (const { dimension, in: values } of filters) {
    if (dimension !== 'name') continue
    // Every event has a name, so null selects none.
    names = names
      ? names.filter((each) => values.includes(each))
      : values.filter((each) => each != null)
  }
  return names
}
