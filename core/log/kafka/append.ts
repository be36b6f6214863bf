import { backoffMs } from '../../lib/backoff.ts'

import type { NewRecord, RecordPosition } from '../log.ts'
import { type AppendBatch, createGroupByPartition } from '../partition-batches.ts'
import type { BrokerConnection } from './broker-connection.ts'
import type { Brokers } from './brokers.ts'
import { KafkaError, KafkaTimeoutError, RecordTooLargeError } from './errors.ts'
import { NOT_LEADER_ERRORS } from './protocol/error-codes.ts'
import { type Produced, produceRequest } from './protocol/produce.ts'
import { encodeRecordBatch, recordBytesMax } from './protocol/record-batch.ts'
import { rejectOnAbort } from './reject-on-abort.ts'

export interface KafkaAppendDeps {
  brokers: Brokers
  appendMsMax: number
  closing: AbortSignal
}

/** Below the 1,048,588 bytes that a topic takes unless configured otherwise; a larger record goes alone. */
const BATCH_BYTES_MAX = 1_000_000
const BATCH_OVERHEAD_BYTES = 61
const RETRY = { baseMs: 50, maxMs: 500 }
/** The broker gives up before we do, and responds with an error. */
const BROKER_GIVES_UP_BEFORE_MS = 200
const LEADER_NOT_AVAILABLE = 5
const UNKNOWN_SERVER_ERROR = -1
const TOO_LARGE = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE'])
/** Nothing was written: the leader has moved, or for want of replicas, which may come back within the deadline. */
const RETRYABLE = new Set([
  ...NOT_LEADER_ERRORS,
  'NOT_ENOUGH_REPLICAS',
  'THROTTLING_QUOTA_EXCEEDED',
])

/**
 * Every partition has a queue of batches; in each round the first batch of every queue is sent, in one request a leader:
 *
 *   acknowledged: the next batch · no connection, not the leader, too few replicas: the same batch again, after looking
 *   the leader up · too large: its halves · anything else: the append rejects
 *
 * A batch is sent again only when Kafka has responded that it did not acknowledge it. A leader that is replaced while it
 * waits for its replicas responds "not the leader" for records that it has written, so such a record may come twice.
 * Without a response (the connection broke, or a time-out) the append rejects, and the sender of the events decides.
 * Event ids make a second time harmless either way.
 */
export function createKafkaAppend({ brokers, appendMsMax, closing }: KafkaAppendDeps) {
  const groupByPartition = createGroupByPartition({
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
    const appending = appendAll(deadline, stop).catch((error) => {
      // The leader may have changed: the next append looks it up.
      brokers.forget(topic)
      throw error
    })
    // What was sent may still be written.
    return rejectOnAbort(stop, appending)

    async function appendAll(deadline: number, signal: AbortSignal): Promise<RecordPosition[]> {
      const { length: partitions } = await brokers.leaders(topic, deadline - performance.now())
      if (records.length === 0) return []
      const run: Append = {
        brokers,
        topic,
        queues: Map.groupBy(
          groupByPartition(topic, records, partitions),
          ({ partition }) => partition,
        ),
        positions: new Array(records.length),
        appendMsMax,
        deadline,
        signal,
      }
      await sendAll(run)
      return run.positions
    }
  }
}

/** An append under way. */
interface Append {
  brokers: Brokers
  topic: string
  /** By partition; a queue that is empty is removed. */
  queues: Map<number, AppendBatch[]>
  positions: RecordPosition[]
  appendMsMax: number
  /** As performance.now() has it. */
  deadline: number
  signal: AbortSignal
}

async function sendAll(append: Append): Promise<void> {
  let failures = 0
  while (append.queues.size > 0) {
    const retryReason = await sendRound(append, failures > 0)
    if (!retryReason) continue
    const wait = backoffMs(failures++, RETRY)
    if (performance.now() + wait >= append.deadline) throw retryReason
    await new Promise((resolve) => setTimeout(resolve, wait))
  }
}

/** @returns why some batches have to be sent again, where they have */
async function sendRound(append: Append, refreshLeaders: boolean): Promise<unknown> {
  const { brokers, topic, queues, deadline, signal, appendMsMax } = append
  const left = () => deadline - performance.now()
  const leaders = await brokers.leaders(topic, left(), refreshLeaders)
  const byLeader = new Map<number, AppendBatch[]>()
  let retryReason: unknown
  for (const [partition, [batch]] of queues) {
    const leader = leaders[partition] ?? -1
    if (leader < 0) retryReason = new KafkaError(LEADER_NOT_AVAILABLE, `${topic}/${partition}`)
    else byLeader.set(leader, [...(byLeader.get(leader) ?? []), batch as AppendBatch])
  }
  const sent = await Promise.allSettled(
    [...byLeader].map(async ([leader, batches]) => {
      signal.throwIfAborted()
      if (left() <= 0) throw new KafkaTimeoutError('Produce', appendMsMax)
      // Without a connection nothing was sent; by the time that a silent broker is given up, another may lead.
      const connection = await brokers.connectionTo(leader, left() / 2).catch((error) => {
        retryReason = error
      })
      if (connection) retryReason = (await produce(append, connection, batches)) ?? retryReason
    }),
  )
  for (const each of sent) if (each.status === 'rejected') throw each.reason
  return retryReason
}

/** @returns why some of the batches have to be sent again, where they have */
async function produce(
  append: Append,
  connection: BrokerConnection,
  batches: readonly AppendBatch[],
): Promise<unknown> {
  const { topic, deadline } = append
  const timestamp = Date.now()
  const parts = batches.map(({ partition, records }) => ({
    partition,
    batch: encodeRecordBatch(records, timestamp),
  }))
  const left = () => deadline - performance.now()
  const timeoutMs = Math.max(1, Math.floor(left() - BROKER_GIVES_UP_BEFORE_MS))
  const responses = await connection.send(produceRequest(topic, parts, timeoutMs), left())
  let retryReason: unknown
  for (const batch of batches) {
    const response = responses.find(({ partition }) => partition === batch.partition)
    if (!response) throw new KafkaError(UNKNOWN_SERVER_ERROR, `${topic}/${batch.partition}`)
    retryReason = resolveBatch(append, batch, response, timestamp) ?? retryReason
  }
  return retryReason
}

/** @returns why the batch has to be sent again, where it has @throws what ends the append */
function resolveBatch(
  { topic, queues, positions }: Append,
  batch: AppendBatch,
  { partition, errorCode, baseOffset, appendedMs }: Produced,
  timestamp: number,
): KafkaError | undefined {
  const queue = queues.get(partition) as AppendBatch[]
  if (errorCode === 0) {
    queue.shift()
    if (queue.length === 0) queues.delete(partition)
    for (const [i, index] of batch.indexes.entries())
      positions[index] = {
        partition,
        offset: baseOffset + i,
        timestamp: appendedMs >= 0 ? appendedMs : timestamp,
      }
    return undefined
  }
  const error = new KafkaError(errorCode, `${topic}/${partition}`)
  if (RETRYABLE.has(error.code)) return error
  if (!TOO_LARGE.has(error.code)) throw error
  if (batch.records.length === 1) throw new RecordTooLargeError(topic, batch.bytes)
  queue.splice(0, 1, ...halves(batch))
  return undefined
}

function halves({ partition, records, indexes }: AppendBatch): AppendBatch[] {
  const middle = records.length >> 1
  return [
    [0, middle],
    [middle, records.length],
  ].map(([from, to]) => {
    const half = records.slice(from, to)
    const bytes = half.reduce((sum, record) => sum + recordBytesMax(record), 0)
    return { partition, records: half, indexes: indexes.slice(from, to), bytes }
  })
}
