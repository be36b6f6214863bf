import { TimeoutError, withTimeout } from '../../lib/timeout.ts'
import type { Log, NewRecord, RecordPosition } from '../../log/log.ts'
import { KafkaRestError } from '../kafka-rest-error.ts'
import type { PendingRequest } from './produce-queue.ts'
import { ProduceTimeoutError } from './produce-timeout-error.ts'

export interface AppendBatchDeps {
  log: Pick<Log, 'append'>
  /** A log keeps its own deadline, well below this; one that does not must not block the gateway for ever. */
  appendMsMax: number
  /** Called after every append that the log has confirmed. */
  onAppend?: (append: { requests: number; records: number; bytes: number; ms: number }) => void
  /** Called for every append that failed. */
  onError?: (error: unknown) => void
}

/** Appends the records of requests of one topic. Never rejects. @returns what completes the requests */
export type AppendBatch = (
  topic: string,
  requests: readonly PendingRequest[],
) => Promise<() => void>

export function createAppendBatch(deps: AppendBatchDeps): AppendBatch {
  const { log, appendMsMax, onAppend = () => {}, onError = () => {} } = deps

  /** In one append where it can be. */
  async function append(topic: string, requests: readonly PendingRequest[]): Promise<() => void> {
    const began = performance.now()
    const records = requests.flatMap((request) => request.records)
    const bytes = requests.reduce((sum, request) => sum + request.bytes, 0)
    try {
      const positions = await appendRecords(topic, records)
      const ms = performance.now() - began
      return () => {
        resolveAll(requests, positions)
        onAppend({ requests: requests.length, records: records.length, bytes, ms })
      }
    } catch (error) {
      const isTooLarge = error instanceof RangeError
      if (isTooLarge && requests.length > 1) return appendHalves(topic, requests)
      const reason = isTooLarge
        ? new KafkaRestError('RECORD_TOO_LARGE', 'the log does not take it')
        : new ProduceTimeoutError('the log did not confirm', true, error)
      return () => {
        for (const request of requests) completeRequest(request, () => request.reject(reason))
        onError(error)
      }
    }
  }

  async function appendRecords(
    topic: string,
    records: readonly NewRecord[],
  ): Promise<RecordPosition[]> {
    const abort = new AbortController()
    try {
      return await withTimeout(appendMsMax, 'the log', log.append(topic, records, abort.signal))
    } catch (error) {
      if (error instanceof TimeoutError) abort.abort(error)
      throw error
    }
  }

  /**
   * One of them is more than the log takes (a topic's max.message.bytes may be lower than ours), and would be the next
   * time, too; the others must not fail for it. One half after the other, because they may share a partition.
   */
  async function appendHalves(topic: string, requests: readonly PendingRequest[]) {
    const middle = requests.length >> 1
    for (const half of [requests.slice(0, middle), requests.slice(middle)]) {
      const left = half.filter(({ state }) => state === 'sent')
      if (left.length === 0) continue
      const completeRequests = await append(topic, left)
      completeRequests()
    }
    return () => {}
  }

  return append
}

function resolveAll(
  requests: readonly PendingRequest[],
  positions: readonly RecordPosition[],
): void {
  let at = 0
  for (const request of requests) {
    const own = positions.slice(at, at + request.records.length)
    at += request.records.length
    completeRequest(request, () => request.resolve(own))
  }
}

/** Resolves or rejects a request, unless that has happened already. */
export function completeRequest(request: PendingRequest, resolveOrReject: () => void): void {
  if (request.state === 'completed') return
  request.state = 'completed'
  request.open.delete(request)
  resolveOrReject()
}
