import { BUCKET_15M_MS } from '../../db/changed-buckets.ts'
import type { EventRow } from '../decode/decoded.ts'
import { type FinalityView, mayBeFinal } from './finality.ts'

/** What a batch adds to one row of rollup_15m. */
export interface BucketSum {
  tenantId: number
  seriesId: number
  bucketMs: number
  count: number
  valueCount: number
  sum: number
  min: number | null
  max: number | null
  lateCount: number
  /** An event was added after readers may have seen the bucket as final. */
  revised: boolean
}

export interface BatchRollup {
  /** Sorted by (tenant, series, bucket): every writer locks rows in the same order. */
  buckets: BucketSum[]
  /** Sorted by (tenant, partition). */
  highest: PartitionHighest[]
}

/** Highest occurred_at, clamped to received_at and to when the log took the record, by tenant and log partition. */
export interface PartitionHighest {
  tenantId: number
  partition: number
  ms: number
}

export interface RollUpContext {
  seriesId(row: EventRow): number
  finality(tenantId: number): FinalityView
}

/**
 * The sums of exactly these rows, in the order of the log. An event is late when its bucket may have been called
 * final before it came (finality.ts); it counts all the same. It came when the log took it: waiting in the log does
 * not make it later, whatever other partitions brought meanwhile. Historical events are never late, because they are
 * an import, but they revise a final bucket as well.
 */
export function rollUp(rows: readonly EventRow[], context: RollUpContext): BatchRollup {
  const bySeries = new Map<number, Map<number, BucketSum>>()
  const highestOf = new Map<number, number>()
  const highest = new Map<string, PartitionHighest>()

  for (const row of rows) {
    const bucketMs = Math.floor(row.occurred.ms / BUCKET_15M_MS) * BUCKET_15M_MS
    const finality = context.finality(row.tenantId)
    const seenMs = highestOf.get(row.tenantId) ?? finality.highestMs
    const cameMs = row.record.timestamp
    const sum = sumFor(bySeries, row, context.seriesId(row), bucketMs)
    add(sum, row.event.value)
    if (mayBeFinal(bucketMs, { seenMs, cameMs }, finality)) {
      sum.revised = true
      if (!row.historical) sum.lateCount++
    }

    // The clock of an edge may be fast; the log's clock is the same for all.
    const reached = Math.min(row.occurred.ms, row.received.ms, cameMs)
    highestOf.set(row.tenantId, Math.max(seenMs, reached))
    const key = `${row.tenantId}:${row.record.partition}`
    const known = highest.get(key)
    if (!known)
      highest.set(key, { tenantId: row.tenantId, partition: row.record.partition, ms: reached })
    else if (known.ms < reached) known.ms = reached
  }

  return {
    buckets: [...bySeries.values()]
      .flatMap((buckets) => [...buckets.values()])
      .sort(
        (a, b) => a.tenantId - b.tenantId || a.seriesId - b.seriesId || a.bucketMs - b.bucketMs,
      ),
    highest: [...highest.values()].sort(
      (a, b) => a.tenantId - b.tenantId || a.partition - b.partition,
    ),
  }
}

function sumFor(
  bySeries: Map<number, Map<number, BucketSum>>,
  { tenantId }: EventRow,
  seriesId: number,
  bucketMs: number,
): BucketSum {
  let buckets = bySeries.get(seriesId)
  if (!buckets) {
    buckets = new Map()
    bySeries.set(seriesId, buckets)
  }
  let sum = buckets.get(bucketMs)
  if (!sum) {
    sum = {
      tenantId,
      seriesId,
      bucketMs,
      count: 0,
      valueCount: 0,
      sum: 0,
      min: null,
      max: null,
      lateCount: 0,
      revised: false,
    }
    buckets.set(bucketMs, sum)
  }
  return sum
}

function add(to: BucketSum, value: number | undefined): void {
  to.count++
  if (value === undefined) return
  to.valueCount++
  to.sum += value
  if (to.min === null || value < to.min) to.min = value
  if (to.max === null || value > to.max) to.max = value
}
