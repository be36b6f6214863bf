import type { NewRecord, RecordPosition } from '../../log/log.ts'
import type { BatcherLimits } from './batcher-limits.ts'

/** A request that waits for its append, or for the append's end. */
export interface PendingRequest {
  topic: string
  records: readonly NewRecord[]
  bytes: number
  /** The partitions whose order it is part of. */
  orderingKeys: readonly string[]
  /** As performance.now() has it. */
  since: number
  state: 'waiting' | 'sent' | 'completed'
  /** Those without an answer, of which it is one until it has its own. */
  open: Set<PendingRequest>
  resolve: (positions: RecordPosition[]) => void
  reject: (error: unknown) => void
}

/** What goes in one append. */
export interface Batch {
  topic: string
  requests: PendingRequest[]
  orderingKeys: Set<string>
  records: number
  bytes: number
}

/** Requests in the order they came. */
export interface ProduceQueue {
  readonly records: number
  readonly bytes: number
  /** Whether so much more does not fit. An empty queue takes anything, so that no request is too large for ever. */
  isFullFor(records: number, bytes: number): boolean
  holdsFullBatch(): boolean
  /** Since when the first request waits. */
  oldest(): number
  add(request: PendingRequest): void
  /** Gives up a request that waits. */
  remove(request: PendingRequest): void
  /**
   * The next batch, without requests that would overtake another on any partition.
   * @param busy partitions with an append under way
   * @returns undefined when everything that waits has to wait for an append under way
   */
  take(busy: Iterable<string>): Batch | undefined
}

export function createProduceQueue(limits: BatcherLimits): ProduceQueue {
  let queue: PendingRequest[] = []
  let queuedRecords = 0
  let queuedBytes = 0

  const fits = (batch: Batch | undefined, { topic, records, bytes }: PendingRequest) =>
    batch === undefined ||
    (batch.topic === topic &&
      batch.records + records.length <= limits.batchRecords &&
      batch.bytes + bytes <= limits.batchBytes)

  return {
    get records() {
      return queuedRecords
    },
    get bytes() {
      return queuedBytes
    },
    isFullFor: (records, bytes) =>
      queuedRecords > 0 &&
      (queuedRecords + records > limits.queueRecords || queuedBytes + bytes > limits.queueBytes),
    holdsFullBatch: () => queuedBytes >= limits.batchBytes || queuedRecords >= limits.batchRecords,
    oldest: () => queue.find(({ state }) => state === 'waiting')?.since ?? performance.now(),

    add(request) {
      queue.push(request)
      queuedRecords += request.records.length
      queuedBytes += request.bytes
    },

    remove(request) {
      queuedRecords -= request.records.length
      queuedBytes -= request.bytes
      // It stays in the queue until the next `take`; its records need not.
      request.records = []
    },

    take(busy) {
      const blocked = new Set(busy)
      const left: PendingRequest[] = []
      let batch: Batch | undefined
      for (const request of queue) {
        if (request.state !== 'waiting') continue
        if (!fits(batch, request) || request.orderingKeys.some((key) => blocked.has(key))) {
          for (const key of request.orderingKeys) blocked.add(key)
          left.push(request)
          continue
        }
        batch ??= newBatch(request.topic)
        addTo(batch, request)
      }
      queue = left
      queuedRecords -= batch?.records ?? 0
      queuedBytes -= batch?.bytes ?? 0
      return batch
    },
  }
}

function newBatch(topic: string): Batch {
  return { topic, requests: [], orderingKeys: new Set(), records: 0, bytes: 0 }
}

function addTo(batch: Batch, request: PendingRequest): void {
  batch.requests.push(request)
  batch.records += request.records.length
  batch.bytes += request.bytes
  for (const key of request.orderingKeys) batch.orderingKeys.add(key)
  request.state = 'sent'
}
