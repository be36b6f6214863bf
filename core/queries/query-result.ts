import type { TenantViewer } from '../identity/viewer.ts'
import type { Instant } from './instant.ts'
import type { Interval, Range } from './sql/buckets.ts'

/** Which tables a result was read from: 15-minute rollups, sketches, single events, or some of them. */
export type Source =
  | 'rollup'
  | 'raw'
  | 'rollup+raw'
  | 'sketch'
  | 'sketch+raw'
  | 'rollup+sketch'
  | 'rollup+sketch+raw'

/**
 * What every query about a tenant returns: `query(db, viewer, args)`. Queries know no transport: GraphQL,
 * CLI and result cache translate the same value.
 */
export interface QueryResult<Row> {
  rows: readonly Row[]
  source: Source
  /**
   * What the result cache needs to know. Null: the result depends on more than events in ranges of time,
   * so it is never cached.
   */
  dependencies: readonly Dependency[] | null
  /** What the query chose or could not read, for clients. */
  info?: ResultInfo
}

/** A tenant's range of time that a result was read from. */
export interface Dependency {
  viewer: TenantViewer
  range: Range
  /** The result's own buckets: how precise it is decides how long it may be cached. */
  interval: Interval
  /** Nothing but late events can still change it. */
  final: boolean
}

/** How a result of `eventsOverTime` was made. */
export interface ResultInfo {
  source: Source
  /** When the numbers were read. */
  asOf: Instant
  /** Every bucket of the range is final. */
  final: boolean
  /** What was counted: a declared metric, or an event name, which is one of version 1. */
  definition: { metric: string; kind: 'event' | 'metric'; version: number }
  /**
   * 0: exact. From sketches, of UNIQUES the relative standard error (95 % of values are within twice as much), and of
   * percentiles the relative error at most of the two values that the percentile lies between.
   */
  errorBound: number
  /** The same for the same question, through whichever interface it was asked. */
  queryId: string
  interval: Interval
  timeZone: string
  /** Buckets that end by then are final, those without events too; missing while none is. */
  finalThrough?: Instant
  /** What was stored by then, in buckets before it, was recounted and was right; missing where that is not known. */
  verifiedThrough?: Instant
  /** With groupBy: how many groups there are, and how many are listed; the others are counted as `(other)`. */
  groups?: { found: number; listed: number }
  /** Of a declared metric: buckets before it are not counted completely, and not final. Missing: all are. */
  completeSince?: Instant
  /** Of a declared metric: so many combinations of dimension values are counted apart; here some were counted as `(other)`. */
  seriesLimit?: number
  /** Single events are held since then; events received earlier in the range are not counted. */
  rawSince?: Instant
}
