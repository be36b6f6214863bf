import type { Database } from '../../../db/database.ts'
import type { TenantViewer } from '../../../identity/viewer.ts'
import {
  ceilBucket15m,
  floorBucket15m,
  fromMicros,
  type Instant,
  isBefore,
  toMicros,
} from '../../instant.ts'
import type { Range } from '../../sql/buckets.ts'
import { inSnapshot } from '../../sql/days-received.ts'
import type { Names } from '../../sql/names.ts'
import { isEstimable, type MetricsArgs } from '../metrics-args.ts'
import { canUseStoredBuckets } from '../stored-buckets.ts'
import { coverRange, joinRuns } from './cover.ts'
import { createEstimatedGroups } from './estimated-groups.ts'
import { readOpenLate, readOpenParts } from './open-events.ts'
import { findResultBuckets, type ResultBucket, type ResultBuckets } from './result-buckets.ts'
import { type ReadRange, readStaleParts, type StaleParts } from './stale-parts.ts'
import type { MsRange } from './stale-ranges.ts'
import { readStoredSketches } from './stored-sketches.ts'

/** As MetricPoint, which has more about each. */
export interface EstimatedPoint {
  timestamp: Instant
  value: number
  dimensions: Record<string, string | null>
  isFinal: boolean
  lateCount: number
  revisedAt: Instant | null
}

export interface Estimate {
  points: EstimatedPoint[]
  source: 'sketch' | 'sketch+raw'
  errorBound: number
  groups: number
  asOf: Instant
  finalThrough: Instant | undefined
  verifiedThrough: Instant | undefined
  /** Events received earlier may be missing. */
  rawSince: Instant | undefined
}

/**
 * Distinct actors and percentiles from sketches, where they exist, and from single events where they do not yet: the
 * open hours at the end, parts of a 15-minute bucket, and ranges in which sketches lack events. All of it is read in one
 * snapshot, so an event is in a sketch or among the single events and never in both.
 * @returns undefined where sketches have nothing of the range, or not what is asked for
 */
export async function estimateOverTime(
  db: Database,
  viewer: TenantViewer,
  names: Names,
  args: MetricsArgs,
): Promise<Estimate | undefined> {
  if (!canEstimate(args, names)) return undefined
  return inSnapshot(db, async (db) => {
    const found = await findResultBuckets(db, viewer, args)
    const parts = splitRange(args.range, found.derivedThroughMs)
    if (!parts) return undefined
    const stale = await readStaleParts(db, viewer, names, args, {
      fromMs: Math.max(parts.derived.fromMs, ceilMs(found.incompleteBefore)),
      beforeMs: parts.derived.beforeMs,
    })
    const derived = without(parts.derived, stale.read)
    if (derived.length === 0) return undefined
    return estimate(db, viewer, names, args, found, { derived, open: parts.open, stale })
  })
}

/** Nothing is said of what ends by then but that events may be missing. */
function ceilMs(incompleteBefore: Instant | undefined): number {
  return incompleteBefore === undefined
    ? Number.NEGATIVE_INFINITY
    : Number(toMicros(ceilBucket15m(incompleteBefore)) / 1000n)
}

/** What is left of a range without others in it, which are in the order of time. */
function without(range: MsRange, others: readonly MsRange[]): MsRange[] {
  const left: MsRange[] = []
  let { fromMs } = range
  for (const other of others) {
    left.push({ fromMs, beforeMs: other.fromMs })
    fromMs = other.beforeMs
  }
  left.push({ fromMs, beforeMs: range.beforeMs })
  return left.filter(({ fromMs, beforeMs }) => fromMs < beforeMs)
}

function canEstimate(args: MetricsArgs, names: Names): boolean {
  return (
    args.exactness === 'ESTIMATE' &&
    isEstimable(args.aggregate) &&
    canUseStoredBuckets(args, names) &&
    // Names that share a series cannot be told apart in sketches.
    (args.groupBy.length === 0 || names.only !== undefined || names.sharedSince === undefined)
  )
}

interface Parts {
  derived: MsRange[]
  open: Range[]
  stale: StaleParts
}

function splitRange(
  { start, end }: Range,
  throughMs: number | undefined,
): { derived: MsRange; open: Range[] } | undefined {
  if (throughMs === undefined) return undefined
  const fromMs = Number(toMicros(ceilBucket15m(start)) / 1000n)
  const beforeMs = Math.min(Number(toMicros(floorBucket15m(end)) / 1000n), throughMs)
  if (fromMs >= beforeMs) return undefined
  const [from, before] = [fromMs, beforeMs].map((ms) => fromMicros(BigInt(ms) * 1000n)) as [
    Instant,
    Instant,
  ]
  return {
    derived: { fromMs, beforeMs },
    open: [
      { start, end: from },
      { start: before, end },
    ].filter((range) => toMicros(range.start) < toMicros(range.end)),
  }
}

async function estimate(
  db: Database,
  viewer: TenantViewer,
  names: Names,
  args: MetricsArgs,
  { buckets, incompleteBefore, finalThrough, verifiedThrough, asOf }: ResultBuckets,
  { derived, open, stale }: Parts,
): Promise<Estimate> {
  const byName = args.groupBy.length > 0
  const groups = createEstimatedGroups(args.aggregate)
  const late = new Map<number, { count: number; revisedAt: Instant | null }>()
  function addLate(bucket: number, count: number, revisedAt: Instant | null): void {
    const former = late.get(bucket) ?? { count: 0, revisedAt: null }
    late.set(bucket, {
      count: former.count + count,
      revisedAt: latest(former.revisedAt, revisedAt),
    })
  }

  const runs = buckets.flatMap(({ fromMs, beforeMs }) =>
    derived.flatMap((range) =>
      coverRange(Math.max(fromMs, range.fromMs), Math.min(beforeMs, range.beforeMs)),
    ),
  )
  const column = args.aggregate === 'UNIQUES' ? 'actors' : 'quantiles'
  for (const row of await readStoredSketches(db, viewer, {
    names,
    runs: joinRuns(runs),
    column,
    byName,
  })) {
    const bucket = bucketAt(buckets, row.ms)
    // A row without events of its own is of events that were dropped before any sketch.
    if (row.count > 0) groups.addStored(bucket, byName ? row.name : '', row.count, row.sketch)
    addLate(bucket, row.late, row.revised_at)
  }
  const byKey = new Map(buckets.map(({ key }, i) => [key, i]))
  const bucketOfKey = (key: number) => byKey.get(key) as number
  const read: ReadRange[] = [...stale.read]
  for (const range of open)
    read.push({ range, parts: await readOpenParts(db, viewer, names, args, range) })
  for (const { range, parts } of read) {
    for (const part of parts) groups.addOpen(bucketOfKey(part.key), part)
    for (const row of await readOpenLate(db, viewer, names, args, range))
      addLate(bucketOfKey(row.key), row.late, row.revised_at)
  }

  const { values, groups: count, errorBound } = groups.finish()
  return {
    points: values.map(({ bucket, name, value }) => ({
      timestamp: buckets[bucket]?.timestamp as Instant,
      value,
      dimensions: Object.fromEntries(args.groupBy.map((dimension) => [dimension, name])),
      isFinal: buckets[bucket]?.isFinal === true,
      lateCount: late.get(bucket)?.count ?? 0,
      revisedAt: late.get(bucket)?.revisedAt ?? null,
    })),
    source: read.length === 0 ? 'sketch' : 'sketch+raw',
    errorBound,
    groups: count,
    asOf,
    ...{ finalThrough, verifiedThrough },
    rawSince:
      stale.missingBefore ??
      (incompleteBefore !== undefined && isBefore(args.range.start, incompleteBefore)
        ? incompleteBefore
        : undefined),
  }
}

/** The last one that begins at that time or before. */
function bucketAt(buckets: readonly ResultBucket[], ms: number): number {
  let [low, high] = [0, buckets.length - 1]
  while (low < high) {
    const middle = (low + high + 1) >>> 1
    if ((buckets[middle] as ResultBucket).fromMs <= ms) low = middle
    else high = middle - 1
  }
  return low
}

function latest(a: Instant | null, b: Instant | null): Instant | null {
  if (a === null || b === null) return a ?? b
  return isBefore(a, b) ? b : a
}
