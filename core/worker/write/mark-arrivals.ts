import { BUCKET_15M_MS } from '../../db/changed-buckets.ts'
import { ARRIVALS } from '../../db/tables/arrivals.ts'
import { WATERMARK_STEP_MS } from '../../db/watermark.ts'
import type { EventRow } from '../decode/decoded.ts'
import { type FinalityView, mayBeFinal } from './finality.ts'

/** Decides of rows, in the order of the log of each tenant, whether their bucket may have been called final before. */
export interface Lateness {
  /** @returns whether the row revises its bucket; the tenant's highest time moves with it */
  revises(row: EventRow, bucketMs: number): boolean
}

export function createLateness(finality: (tenantId: number) => FinalityView): Lateness {
  const tenants = new Map<number, { view: FinalityView; seenMs: number }>()
  return {
    revises(row, bucketMs) {
      let tenant = tenants.get(row.tenantId)
      if (!tenant) {
        const view = finality(row.tenantId)
        tenant = { view, seenMs: view.highestMs }
        tenants.set(row.tenantId, tenant)
      }
      const { seenMs, view } = tenant
      tenant.seenMs = Math.max(seenMs, reachedMs(row))
      return mayBeFinal(bucketMs, { seenMs, cameMs: row.record.timestamp }, view)
    },
  }
}

/** How far the row moves its tenant's highest time. The clock of an edge may be fast; the log's is the same for all. */
export function reachedMs({ occurred, received, record }: EventRow): number {
  const exactMs = Math.min(occurred.ms, received.ms, record.timestamp)
  return Math.floor(exactMs / WATERMARK_STEP_MS) * WATERMARK_STEP_MS
}

export function bucketMsOf({ occurred }: EventRow): number {
  return Math.floor(occurred.ms / BUCKET_15M_MS) * BUCKET_15M_MS
}

/**
 * Notes in each row how it came, so that a later result can be compared with an earlier one.
 * @param rows exactly those that will be stored, each tenant's in the order of the log
 */
export function markArrivals(
  rows: readonly EventRow[],
  finality: (tenantId: number) => FinalityView,
  isReplay: boolean,
): void {
  const lateness = createLateness(finality)
  for (const row of rows) {
    const revises = lateness.revises(row, bucketMsOf(row))
    if (isReplay) row.arrival = ARRIVALS.replay
    else if (row.historical) row.arrival = ARRIVALS.import
    else row.arrival = revises ? ARRIVALS.late : undefined
  }
}
