import type { EventRow } from '../decode/decoded.ts'
import type { FinalityView } from './finality.ts'
import { bucketMsOf, createLateness, reachedMs } from './mark-arrivals.ts'

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
  /** Of each tenant whose watermark the batch moves. Sorted by tenant. */
  highest: PartitionHighest[]
}

/**
 * Highest occurred_at of a tenant in the batch, held to received_at and to when the log took the record, rounded down
 * to WATERMARK_STEP_MS, and the log partition that it came from.
 */
export interface PartitionHighest {
  tenantId: number
  partition: number
  ms: number
}

export interface RollUpContext {
  seriesId(row: EventRow): number
  finality(tenantId: number): FinalityView
  /** Called for each row, in order, with what was found of its bucket. */
  onRow?: (row: EventRow, bucket: RowBucket) => void
}

/** The bucket of one row. */
export interface RowBucket {
  bucketMs: number
  isLate: boolean
  revises: boolean
}

/**
 * The sums of exactly these rows, in the order of the log. An event is late when its bucket may have been called
 * final before it came (finality.ts); it counts all the same. It came when the log took it: waiting in the log does
 * not make it later, whatever other partitions brought meanwhile. Historical events are never late, because they are
 * an import, but they revise a final bucket as well.
 */
export function rollUp(rows: readonly EventRow[], context: RollUpContext): BatchRollup {
  const bySeries = new Map<number, Map<number, BucketSum>>()
  const lateness = createLateness(context.finality)
  const tenants = new Map<number, { finality: FinalityView; highest: PartitionHighest }>()

  for (const row of rows) {
    const bucketMs = bucketMsOf(row)
    const { highest } = tenantOf(row)
    const sum = sumFor(bySeries, row, context.seriesId(row), bucketMs)
    add(sum, row.event.value)
    const revises = lateness.revises(row, bucketMs)
    if (revises) {
      sum.revised = true
      if (!row.historical) sum.lateCount++
    }
    context.onRow?.(row, { bucketMs, isLate: revises && !row.historical, revises })

    const reached = reachedMs(row)
    if (reached > highest.ms) {
      highest.ms = reached
      highest.partition = row.record.partition
    }
  }

  return {
    buckets: [...bySeries.values()]
      .flatMap((buckets) => [...buckets.values()])
      .sort(
        (a, b) => a.tenantId - b.tenantId || a.seriesId - b.seriesId || a.bucketMs - b.bucketMs,
      ),
    highest: [...tenants.values()]
      .filter(({ finality, highest }) => highest.ms > finality.highestMs)
      .map(({ highest }) => highest)
      .sort((a, b) => a.tenantId - b.tenantId),
  }

  function tenantOf({ tenantId }: EventRow) {
    let tenant = tenants.get(tenantId)
    if (!tenant) {
      const finality = context.finality(tenantId)
      tenant = { finality, highest: { tenantId, partition: 0, ms: finality.highestMs } }
      tenants.set(tenantId, tenant)
    }
    return tenant
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
