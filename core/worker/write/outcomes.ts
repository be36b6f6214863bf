import type { DeadLetter, EventRow } from '../decode/decoded.ts'

/** The outcome of a batch's records: stored, duplicate, conflicting or dead. */
export interface BatchOutcome {
  newRows: readonly EventRow[]
  duplicates: readonly EventRow[]
  /** Duplicates whose content differs from that of the first. */
  conflicting: readonly EventRow[]
  deadLetters: readonly DeadLetter[]
  /** Events that were dead letters until now, by where those were counted. */
  recovered: readonly { tenantId: number; receivedMs: number }[]
}

export interface Outcomes {
  stored: number
  duplicate: number
  conflicting: number
  /** Below zero where dead letters were recovered. */
  dead: number
}

/** How many records of a tenant had which outcome, by the minute in which they were received. */
export interface OutcomeCount extends Outcomes {
  tenantId: number
  minuteMs: number
}

/** The same of all tenants, under one of the batch's partitions. */
export interface OutcomeTotal extends Outcomes {
  partition: number
}

const MINUTE_MS = 60_000

export function countOutcomes(batch: BatchOutcome): OutcomeCount[] {
  const counts = new Map<string, OutcomeCount>()
  function countFor(tenantId: number, ms: number): OutcomeCount {
    const minuteMs = Math.floor(ms / MINUTE_MS) * MINUTE_MS
    const key = `${tenantId} ${minuteMs}`
    let count = counts.get(key)
    if (!count) {
      count = { tenantId, minuteMs, stored: 0, duplicate: 0, conflicting: 0, dead: 0 }
      counts.set(key, count)
    }
    return count
  }
  for (const row of batch.newRows) countFor(row.tenantId, row.received.ms).stored++
  for (const row of batch.duplicates) countFor(row.tenantId, row.received.ms).duplicate++
  for (const row of batch.conflicting) countFor(row.tenantId, row.received.ms).conflicting++
  // A dead letter without a tenant belongs to no balance; only its row in dead_letter counts it.
  for (const { tenantId, receivedMs } of batch.deadLetters)
    if (tenantId !== null) countFor(tenantId, receivedMs).dead++
  for (const { tenantId, receivedMs } of batch.recovered) countFor(tenantId, receivedMs).dead--
  return [...counts.values()].sort((a, b) => a.tenantId - b.tenantId || a.minuteMs - b.minuteMs)
}

/** @returns one total, or none where nothing was counted */
export function totalOutcomes(
  { newRows, duplicates, conflicting, deadLetters }: BatchOutcome,
  counts: readonly OutcomeCount[],
): OutcomeTotal[] {
  const [first] = [newRows, duplicates, conflicting, deadLetters].flatMap((all) => all[0] ?? [])
  if (!first || counts.length === 0) return []
  const { partition } = first.record
  const total: OutcomeTotal = { partition, stored: 0, duplicate: 0, conflicting: 0, dead: 0 }
  for (const count of counts) {
    total.stored += count.stored
    total.duplicate += count.duplicate
    total.conflicting += count.conflicting
    total.dead += count.dead
  }
  return [total]
}
