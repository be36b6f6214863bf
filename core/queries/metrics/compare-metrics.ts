import type { Database } from '../../db/database.ts'
import type { TenantViewer } from '../../identity/viewer.ts'
import { type Instant, isBefore } from '../instant.ts'
import type { QueryResult, ResultInfo, Source } from '../query-result.ts'
import type { Range } from '../sql/buckets.ts'
import { inSnapshot } from '../sql/days-received.ts'
import { alignBuckets, givenRange, previousPeriod } from '../sql/previous-period.ts'
import { eventsOverTime, type MetricPoint, type MetricsResult } from './events-over-time.ts'
import { type Aggregate, type MetricsInput, parseMetricsArgs } from './metrics-args.ts'
import { kindQueryIdOf } from './query-id.ts'

export interface CompareInput extends Omit<MetricsInput, 'groupBy'> {
  /** Another range; the period before by the clock of the zone unless given. Both or neither. */
  previousStart?: Instant | null
  previousEnd?: Instant | null
}

export interface ComparedPoint {
  /** Starts of the two buckets; null where a range has no such bucket. */
  timestamp: Instant | null
  previousTimestamp: Instant | null
  /** Without events: 0 for counts and sums, null for other aggregates; null also where the range has no such bucket. */
  value: number | null
  previousValue: number | null
  /** Null where one of the two is. */
  difference: number | null
  isFinal: boolean
}

export interface CompareResult extends QueryResult<ComparedPoint> {
  previous: Range
  info: ResultInfo
}

/** Of no events it is 0, and not unknown. */
const ZERO_WITHOUT_EVENTS: ReadonlySet<Aggregate> = new Set(['COUNT', 'SUM', 'UNIQUES'])

/** @returns what an aggregate is of no events */
export function valueWithoutEvents(aggregate: Aggregate | null | undefined): number | null {
  return ZERO_WITHOUT_EVENTS.has(aggregate ?? 'COUNT') ? 0 : null
}

/**
 * The buckets of `eventsOverTime` beside those of another range, both of one moment. Each bucket with events is in
 * exactly one point.
 * @throws BAD_USER_INPUT that names the argument
 */
export async function compareMetrics(
  db: Database,
  viewer: TenantViewer,
  { previousStart, previousEnd, ...input }: CompareInput,
): Promise<CompareResult> {
  const { range, interval, timeZone, aggregate } = parseMetricsArgs(input)
  const given = givenRange(previousStart, previousEnd)
  return inSnapshot(db, async (db) => {
    const previous = given ?? (await previousPeriod(db, range, timeZone))
    const own = await eventsOverTime(db, viewer, { ...input, interval })
    const former = await eventsOverTime(db, viewer, {
      ...input,
      interval,
      startTime: previous.start,
      endTime: previous.end,
    })
    const aligned = await alignBuckets(
      db,
      { range, buckets: own.rows.map(({ timestamp }) => timestamp) },
      { range: previous, buckets: former.rows.map(({ timestamp }) => timestamp) },
      interval,
      timeZone,
    )
    const [ofOwn, ofFormer] = [byTimestamp(own), byTimestamp(former)]
    const without = valueWithoutEvents(aggregate)
    const rows = aligned.map(({ at, previousAt }): ComparedPoint => {
      const [point, before] = [ofOwn.get(at ?? ''), ofFormer.get(previousAt ?? '')]
      const value = point?.value ?? (at === null ? null : without)
      const previousValue = before?.value ?? (previousAt === null ? null : without)
      return {
        timestamp: at,
        previousTimestamp: previousAt,
        value,
        previousValue,
        difference: value === null || previousValue === null ? null : value - previousValue,
        isFinal: (point?.isFinal ?? own.info.final) && (before?.isFinal ?? former.info.final),
      }
    })
    const info = combinedInfo(own, former)
    info.queryId = kindQueryIdOf(viewer, 'compareMetrics', [own.info.queryId, former.info.queryId])
    return {
      rows,
      previous,
      source: info.source,
      dependencies: dependenciesOf(own, former),
      info,
    }
  })
}

/** What is true of two results of one moment together. */
export function combinedInfo(own: MetricsResult, other: MetricsResult): ResultInfo {
  const info: ResultInfo = {
    ...own.info,
    source: joinSources(own.source, other.source),
    final: own.info.final && other.info.final,
    errorBound: Math.max(own.info.errorBound, other.info.errorBound),
  }
  const rawSince = later(own.info.rawSince, other.info.rawSince)
  if (rawSince !== undefined) info.rawSince = rawSince
  const completeSince = later(own.info.completeSince, other.info.completeSince)
  if (completeSince !== undefined) info.completeSince = completeSince
  return info
}

/** Of both; null, which is never cached, if one of them is. */
export function dependenciesOf(own: MetricsResult, other: MetricsResult) {
  if (own.dependencies === null || other.dependencies === null) return null
  return [...own.dependencies, ...other.dependencies]
}

/** `rollup+sketch+raw` at most, each once and in this order. */
function joinSources(...sources: readonly Source[]): Source {
  const parts = new Set(sources.flatMap((source) => source.split('+')))
  return ['rollup', 'sketch', 'raw'].filter((part) => parts.has(part)).join('+') as Source
}

function later(a: Instant | undefined, b: Instant | undefined): Instant | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return isBefore(a, b) ? b : a
}

export function byTimestamp({ rows }: MetricsResult): ReadonlyMap<Instant, MetricPoint> {
  return new Map(rows.map((point) => [point.timestamp, point]))
}
