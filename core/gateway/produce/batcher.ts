import type { NewRecord, RecordPosition } from '../../log/log.ts'
import { createShouldLinger } from './adaptive-linger.ts'
import { type AppendBatchDeps, completeRequest, createAppendBatch } from './append-batch.ts'
import { BATCHER_LIMITS, type BatcherLimits } from './batcher-limits.ts'
import { type Batch, createProduceQueue, type PendingRequest } from './produce-queue.ts'
import { ProduceTimeoutError } from './produce-timeout-error.ts'

/** Gathers the records of many requests into few appends. */
export interface Batcher {
  /**
   * Resolves when the log has the records, with their positions in the order given. All of them are of
   * one topic, and go in one append.
   * @throws ProduceTimeoutError when the log did not confirm in time, could not, or the queue is full ·
   * KafkaRestError RECORD_TOO_LARGE when a record of it is more than the log takes
   */
  add(topic: string, records: readonly NewRecord[]): Promise<RecordPosition[]>
  /** Takes no more; resolves when everything taken was confirmed or refused. */
  close(): Promise<void>
}

export interface BatcherDeps extends Omit<AppendBatchDeps, 'appendMsMax'> {
  limits?: Partial<BatcherLimits>
}

/**
 * Idle: a request goes at once. While an append is under way, what comes waits: until that append ends, until
 * it is a full batch, or until the oldest has waited `lingerMs` and the second append is free. In dense traffic
 * an append also begins `lingerMs` after the last one began, not before: at 1,000 requests/s that is 170 appends
 * a second instead of 690, half of the CPU, and a lower p95.
 *
 * Order: two concurrent appends may come into a partition in either order. So they never share a
 * partition, and no request overtakes an earlier one on any partition. That costs nothing in Postgres, where the
 * second would wait for the first's lock anyway.
 */
export function createBatcher(deps: BatcherDeps): Batcher {
  const limits = { ...BATCHER_LIMITS, ...deps.limits }
  const queue = createProduceQueue(limits)
  const appendBatch = createAppendBatch({ ...deps, appendMsMax: 2 * limits.deadlineMs })
  const shouldLinger = createShouldLinger(limits.lingerMs)
  const inFlight = new Set<Batch>()
  /** Requests without an answer in the order they came, so the first has the next deadline. */
  const open = new Set<PendingRequest>()
  let deadlineTimer: NodeJS.Timeout | undefined
  let isDense = false
  let lastSentAt = Number.NEGATIVE_INFINITY
  let lingerTimer: NodeJS.Timeout | undefined
  let closed: PromiseWithResolvers<void> | undefined

  /** Sends what may be sent now, and arranges to be called again. */
  function pump(): void {
    clearTimeout(lingerTimer)
    while (inFlight.size < limits.inFlight && queue.records > 0) {
      const early = lingerUntil() - performance.now()
      if (closed === undefined && !queue.holdsFullBatch() && early > 0) {
        lingerTimer = setTimeout(pump, Math.ceil(early))
        return
      }
      const batch = queue.take([...inFlight].flatMap(({ orderingKeys }) => [...orderingKeys]))
      // Everything that waits has to wait for an append under way; its end pumps again.
      if (!batch) return
      void send(batch)
    }
    if (closed && inFlight.size === 0 && queue.records === 0) {
      clearTimeout(deadlineTimer)
      closed.resolve()
    }
  }

  function lingerUntil(): number {
    if (inFlight.size > 0) return queue.oldest() + limits.lingerMs
    return isDense ? lastSentAt + limits.lingerMs : Number.NEGATIVE_INFINITY
  }

  async function send(batch: Batch): Promise<void> {
    inFlight.add(batch)
    lastSentAt = performance.now()
    const completeRequests = await appendBatch(batch.topic, batch.requests)
    // First, so that a sender who sends again at once finds nothing under way.
    inFlight.delete(batch)
    completeRequests()
    pump()
  }

  /** One timer for all: one for each request would be set and cleared thousands of times a second. */
  function checkDeadlines(): void {
    const now = performance.now()
    deadlineTimer = undefined
    for (const request of open) {
      const left = request.since + limits.deadlineMs - now
      if (left > 0) {
        deadlineTimer = setTimeout(checkDeadlines, Math.ceil(left))
        return
      }
      onTimeout(request)
    }
  }

  function onTimeout(request: PendingRequest): void {
    const sent = request.state === 'sent'
    if (!sent) queue.remove(request)
    const message = `the log did not confirm within ${limits.deadlineMs} ms`
    completeRequest(request, () => request.reject(new ProduceTimeoutError(message, sent)))
    if (closed) pump()
  }

  return {
    async add(topic, records) {
      if (records.length === 0) return []
      if (closed) throw new ProduceTimeoutError('the gateway is closing', false)
      const bytes = sizeOf(records)
      if (queue.isFullFor(records.length, bytes))
        throw new ProduceTimeoutError('too many records wait for the log', false)
      isDense = shouldLinger(inFlight.size > 0 || queue.records > 0)
      const { promise, resolve, reject } = Promise.withResolvers<RecordPosition[]>()
      const request: PendingRequest = {
        topic,
        records,
        bytes,
        orderingKeys: orderingKeysOf(topic, records),
        since: performance.now(),
        state: 'waiting',
        open,
        resolve,
        reject,
      }
      queue.add(request)
      open.add(request)
      deadlineTimer ??= setTimeout(checkDeadlines, limits.deadlineMs)
      pump()
      return promise
    },
    close() {
      if (!closed) {
        closed = Promise.withResolvers()
        pump()
      }
      return closed.promise
    },
  }
}

function sizeOf(records: readonly NewRecord[]): number {
  return records.reduce((sum, { key, value }) => sum + value.length + (key?.length ?? 0), 0)
}

/** Records without a partition have no order to keep. */
function orderingKeysOf(topic: string, records: readonly NewRecord[]): string[] {
  const partitions = new Set<number>()
  for (const { partition } of records) if (partition !== undefined) partitions.add(partition)
  return [...partitions].map((partition) => `${topic}/${partition}`)
}
