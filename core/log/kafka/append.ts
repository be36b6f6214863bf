import type { NewRecord, RecordPosition } from '../log.ts'
import { type AppendBatch, createGroupByPartition } from '../partition-batches.ts'
import type { Brokers } from './brokers.ts'
import { encodeRecordBatch, recordBytesMax } from './protocol/record-batch.ts'
import { type Produced, type ProducePart, produceRequest } from './protocol/requests.ts'
import {
  type BrokerConnection,
  ERROR_CODES,
  KafkaError,
  KafkaTimeoutError,
  NOT_LEADER_ERRORS,
  RecordTooLargeError,
} from './protocol/wire.ts'

export interface KafkaAppendDeps {
  brokers: Brokers
  appendMsMax: number
  closing: AbortSignal
}

/** Below the 1,048,588 bytes that a topic takes unless told otherwise; a larger record goes alone. */
const BATCH_BYTES_MAX = 1_000_000
const BATCH_OVERHEAD_BYTES = 61
const RETRY_MS = 50
const RETRY_MS_MAX = 500
/** The broker gives up before we do, and says so. */
const BROKER_GIVES_UP_BEFORE_MS = 200
const TOO_LARGE = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE'])
/** Nothing was written for want of replicas: they may come back within the deadline. */
const WAIT = new Set([...NOT_LEADER_ERRORS, 'NOT_ENOUGH_REPLICAS', 'THROTTLING_QUOTA_EXCEEDED'])

/**
 * Every partition has its runs in a row; in each turn the first run of all of them goes out, in one request a leader:
 *
 *   acknowledged: the next run · no connection, not the leader, too few replicas: the same run again, after asking who leads ·
 *   too large: its halves · anything else: the append rejects
 *
 * Sent again here is what Kafka says it has not acknowledged. A leader that loses its office while it waits for its
 * replicas says "not the leader" of what it had written, so such a record may come twice. Where nobody says anything
 * (the connection broke, no answer in time) the append rejects, and whoever sent the events decides. Their ids make a
 * second time harmless either way.
 */
export function createKafkaAppend({ brokers, appendMsMax, closing }: KafkaAppendDeps) {
  const group = createGroupByPartition({
    bytesMax: BATCH_BYTES_MAX - BATCH_OVERHEAD_BYTES,
    sizeOf: recordBytesMax,
  })

  return async function append(
    topic: string,
    records: readonly NewRecord[],
    signal?: AbortSignal,
  ): Promise<RecordPosition[]> {
    const stop = signal ? AbortSignal.any([signal, closing]) : closing
    stop.throwIfAborted()
    const deadline = performance.now() + appendMsMax
    const appending = appendAll(topic, records, deadline, stop).catch((error) => {
      // Whoever led may lead no longer: the next append asks.
      brokers.forget(topic)
      throw error
    })
    return rejectOnAbort(stop, appending)
  }

  async function appendAll(
    topic: string,
    records: readonly NewRecord[],
    deadline: number,
    signal: AbortSignal,
  ): Promise<RecordPosition[]> {
    const { length: partitions } = await brokers.leaders(topic, deadline - performance.now())
    if (records.length === 0) return []
    const queues = new Map<number, AppendBatch[]>()
    for (const run of group(topic, records, partitions)) {
      const queue = queues.get(run.partition)
      if (queue) queue.push(run)
      else queues.set(run.partition, [run])
    }
    const positions: RecordPosition[] = new Array(records.length)
    let failures = 0
    while (queues.size > 0) {
      const again = await turn(topic, queues, positions, { deadline, signal, fresh: failures > 0 })
      if (!again) continue
      const wait = Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** failures++)
      if (performance.now() + wait >= deadline) throw again
      await new Promise((resolve) => setTimeout(resolve, wait))
    }
    return positions
  }

  /** @returns why it has to be tried again, where it has */
  async function turn(
    topic: string,
    queues: Map<number, AppendBatch[]>,
    positions: RecordPosition[],
    { deadline, signal, fresh }: { deadline: number; signal: AbortSignal; fresh: boolean },
  ): Promise<unknown> {
    const left = () => deadline - performance.now()
    const leaders = await brokers.leaders(topic, left(), fresh)
    const byLeader = new Map<number, AppendBatch[]>()
    let again: unknown
    for (const [partition, [run]] of queues) {
      const leader = leaders[partition] ?? -1
      if (leader < 0) again = new KafkaError(5, `${topic}/${partition}`)
      else byLeader.set(leader, [...(byLeader.get(leader) ?? []), run as AppendBatch])
    }
    const sent = await Promise.allSettled(
      [...byLeader].map(async ([leader, runs]) => {
        signal.throwIfAborted()
        if (left() <= 0) throw new KafkaTimeoutError('Produce', appendMsMax)
        // Without a connection nothing was sent; by the time that a silent one is given up, another may lead.
        const wire = await brokers.connectionTo(leader, left() / 2).catch((error) => {
          again = error
        })
        if (wire) await produce(wire, runs)
      }),
    )
    for (const each of sent) if (each.status === 'rejected') throw each.reason
    return again

    async function produce(wire: BrokerConnection, runs: AppendBatch[]): Promise<void> {
      const timestamp = Date.now()
      const parts = runs.map(
        ({ partition, records }): ProducePart => ({
          partition,
          batch: encodeRecordBatch(records, timestamp),
        }),
      )
      const timeoutMs = Math.max(1, Math.floor(left() - BROKER_GIVES_UP_BEFORE_MS))
      const answers = await wire.request(produceRequest(topic, parts, timeoutMs), left())
      for (const run of runs) {
        const answer = answers.find(({ partition }) => partition === run.partition)
        if (!answer) throw new KafkaError(-1, `${topic}/${run.partition}`)
        again = settle(run, answer, timestamp) ?? again
      }
    }

    function settle(run: AppendBatch, answer: Produced, timestamp: number): unknown {
      const { partition, errorCode, baseOffset, appendedMs } = answer
      const queue = queues.get(partition) as AppendBatch[]
      if (errorCode === 0) {
        queue.shift()
        if (queue.length === 0) queues.delete(partition)
        for (const [i, place] of run.indexes.entries())
          positions[place] = {
            partition,
            offset: baseOffset + i,
            timestamp: appendedMs >= 0 ? appendedMs : timestamp,
          }
        return
      }
      const error = new KafkaError(errorCode, `${topic}/${partition}`)
      if (WAIT.has(ERROR_CODES[errorCode] ?? '')) return error
      if (!TOO_LARGE.has(error.code)) throw error
      if (run.records.length === 1) throw new RecordTooLargeError(topic, run.bytes)
      queue.splice(0, 1, ...halves(run))
      return
    }
  }
}

function halves(run: AppendBatch): AppendBatch[] {
  const middle = run.records.length >> 1
  return [
    [0, middle],
    [middle, run.records.length],
  ].map(([from, to]) => {
    const records = run.records.slice(from, to)
    const bytes = records.reduce((sum, record) => sum + recordBytesMax(record), 0)
    return { partition: run.partition, records, places: run.indexes.slice(from, to), bytes }
  })
}

/** Nobody waits any longer than the signal says; what was sent may still be written. */
export function rejectOnAbort<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
