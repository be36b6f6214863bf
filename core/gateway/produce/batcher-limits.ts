import { LIMITS } from '../../../contract/limits.ts'

/** How much goes in one append, and how much may wait for one. */
export interface BatcherLimits {
  lingerMs: number
  batchBytes: number
  batchRecords: number
  inFlight: number
  queueBytes: number
  queueRecords: number
  /** From `add` to the answer. */
  deadlineMs: number
}

export const BATCHER_LIMITS: BatcherLimits = {
  lingerMs: LIMITS.gatewayLingerMs,
  batchBytes: LIMITS.gatewayBatchBytesMax,
  batchRecords: LIMITS.gatewayBatchRecordsMax,
  inFlight: LIMITS.gatewayInFlightMax,
  queueBytes: LIMITS.gatewayQueueBytesMax,
  queueRecords: LIMITS.gatewayQueueRecordsMax,
  deadlineMs: LIMITS.gatewayProduceMsMax,
}
