import type { Database } from '../../db/database.ts'
import type { TenantViewer } from '../../identity/viewer.ts'
import { type Instant, isBefore } from '../instant.ts'
import type { QueryResult, ResultInfo } from '../query-result.ts'
import type { Interval } from '../sql/buckets.ts'
import { inSnapshot } from '../sql/days-received.ts'
import type { DimensionFilter } from '../sql/dimensions.ts'
import { byTimestamp, combinedInfo, dependenciesOf, valueWithoutEvents } from './compare-metrics.ts'
import { eventsOverTime, type MetricPoint, type MetricsResult } from './events-over-time.ts'
import { type Aggregate, type MetricsInput, parseMetricsArgs } from './metrics-args.ts'
import { kindQueryIdOf } from './query-id.ts'

export interface MetricSelection {
  /** `*`: all names. */
  name: string
  aggregate?: Aggregate | null
  filter?: readonly DimensionFilter[] | null
}

export interface RatioInput {
  numerator: MetricSelection
  denominator: MetricSelection
  startTime: Instant
  endTime: Instant
  interval?: Interval | null
  timeZone?: string | null
  /** More points than that are refused; no client writes it. */
  pointsMax?: number
}

export interface RatioPoint {
  timestamp: Instant
  /** Null where the denominator is 0, or one of the two is unknown. */
  value: number | null
  /** Without events: 0 for counts and sums, null for other aggregates. */
  numerator: number | null
  denominator: number | null
  isFinal: boolean
}

export interface RatioResult extends QueryResult<RatioPoint> {
  /** Points whose value is null because the denominator is 0. */
  zeroDenominators: number
  info: ResultInfo
}

/** The two metrics that `ratio` divides, as inputs of `eventsOverTime`. */
export function ratioInputs(input: RatioInput): [MetricsInput, MetricsInput] {
  const { numerator, denominator, ...range } = input
  return [
    { ...range, ...numerator },
    { ...range, ...denominator },
  ]
}

/**
 * One metric divided by another, bucket by bucket, both of one moment. Buckets without events of either are left out.
 * @throws BAD_USER_INPUT that names the argument
 */
export async function metricRatio(
  db: Database,
  viewer: TenantViewer,
  input: RatioInput,
): Promise<RatioResult> {
  const inputs = ratioInputs(input)
  for (const each of inputs) parseMetricsArgs(each)
  return inSnapshot(db, async (db) => {
    const above = await eventsOverTime(db, viewer, inputs[0])
    const below = await eventsOverTime(db, viewer, inputs[1])
    const [numerators, denominators] = [byTimestamp(above), byTimestamp(below)]
    const timestamps = [...new Set([...numerators.keys(), ...denominators.keys()])].sort()
    const rows = timestamps.map((timestamp): RatioPoint => {
      const [top, bottom] = [numerators.get(timestamp), denominators.get(timestamp)]
      const numerator = top?.value ?? valueWithoutEvents(input.numerator.aggregate)
      const denominator = bottom?.value ?? valueWithoutEvents(input.denominator.aggregate)
      return {
        timestamp,
        value: numerator === null || !denominator ? null : numerator / denominator,
        numerator,
        denominator,
        isFinal: isFinalIn(above, top, timestamp) && isFinalIn(below, bottom, timestamp),
      }
    })
    const info = combinedInfo(above, below)
    info.queryId = kindQueryIdOf(viewer, 'metricRatio', [above.info.queryId, below.info.queryId])
    const [{ metric }, { metric: divisor }] = [above.info.definition, below.info.definition]
    info.definition = { ...info.definition, metric: `${metric} / ${divisor}` }
    return {
      rows,
      zeroDenominators: rows.filter(({ denominator }) => denominator === 0).length,
      source: info.source,
      dependencies: dependenciesOf(above, below),
      info,
    }
  })
}

/** A bucket without events is as final as the other metric's, unless its history is not counted yet. */
function isFinalIn(
  { info: { completeSince } }: MetricsResult,
  point: MetricPoint | undefined,
  timestamp: Instant,
): boolean {
  return point?.isFinal ?? (completeSince === undefined || !isBefore(timestamp, completeSince))
}
