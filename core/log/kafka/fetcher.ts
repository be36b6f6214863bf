import { pause } from '../../lib/pause.ts'
import { OffsetOutOfRangeError } from '../log.ts'
import type { BrokerConnection } from './broker-connection.ts'
import { KafkaError, KafkaTimeoutError } from './errors.ts'
import type { FetchBuffer, FetchedPartition } from './fetch-buffer.ts'
import type { FetchSize } from './fetch-size.ts'
import { type Fetched, fetchRequest } from './protocol/fetch.ts'
import { listOffsetsRequest, type OffsetKind } from './protocol/list-offsets.ts'
import { rejectOnAbort } from './reject-on-abort.ts'

export interface Fetcher {
  connection: BrokerConnection
  topic: string
  /** Those that the broker at the other end leads. */
  partitions: readonly number[]
  buffer: FetchBuffer
  size: FetchSize
  /** From one small fetch to the next. */
  paceMs: () => number
  /** How long a partition may make no progress although the broker says that there is more. */
  stallMsMax: number
  onSuccess: () => void
}

/** How long the broker waits for the first byte. */
const WAIT_MS = 500
const PARTITION_BYTES_MAX = 1024 * 1024
/** Of the records of one fetch after decompression; one batch is always taken. */
const DECODED_BYTES_MAX = 8 * 1024 * 1024
/** A fetch that brought less than this is not followed at once by the next, or every append would cost a fetch. */
const SMALL_FETCH_BYTES = 64 * 1024
const LIST_OFFSETS_MS_MAX = 2_000
const OFFSET_OUT_OF_RANGE = 1

/**
 * One fetch after the other into the buffer, until the signal aborts.
 * @throws OffsetOutOfRangeError · CorruptLogError · KafkaError · whatever the connection fails with
 */
export async function fetchFrom(fetcher: Fetcher, signal: AbortSignal): Promise<void> {
  const { connection, topic, partitions, buffer, size, paceMs, onSuccess } = fetcher
  const stalls = createStallDetector(topic, fetcher.stallMsMax)
  // The first partitions of a request may use up all of its bytes, so each is first in its turn. Readers that take one
  // batch and go away do not all begin with the same.
  let turn = Math.floor(Math.random() * partitions.length)
  while (!signal.aborted) {
    await buffer.untilSpace(signal)
    if (signal.aborted) return
    const began = performance.now()
    const first = turn++ % partitions.length
    const order = [...partitions.slice(first), ...partitions.slice(0, first)]
    const [foremost] = order as [number]
    const parts = order.map((partition) => ({ partition, offset: buffer.nextOf(partition) }))
    const request = fetchRequest(topic, parts, {
      maxWaitMs: WAIT_MS,
      bytesMax: size.bytes,
      partitionBytesMax: Math.min(PARTITION_BYTES_MAX, size.bytes),
    })
    const response = connection.send(request, WAIT_MS + size.msMax(foremost))
    const fetched = await rejectOnAbort(signal, response).catch((error) => {
      if (error instanceof KafkaTimeoutError) size.onTimeout(foremost)
      throw error
    })
    size.onFetched(fetched, performance.now() - began)
    const { decoded, bytes, failure } = await decodeAll(fetcher, fetched, (each, read) => {
      // The others may have been left no space.
      if (each.partition === foremost) stalls.check(buffer.nextOf(each.partition), each, read)
    })
    // Together, or the first partition would be handed over alone.
    buffer.add(decoded)
    if (failure) throw failure.error
    onSuccess()
    const early = began + paceMs() - performance.now()
    if (bytes < SMALL_FETCH_BYTES && early > 0) await pause(early, signal)
  }
}

interface DecodedFetch {
  decoded: FetchedPartition[]
  bytes: number
  /** Of the first partition that cannot be read; what came for the others stays valid. */
  failure: { error: unknown } | undefined
}

async function decodeAll(
  fetcher: Fetcher,
  fetched: readonly Fetched[],
  onDecoded: (fetched: Fetched, decoded: FetchedPartition) => void,
): Promise<DecodedFetch> {
  const all: DecodedFetch = { decoded: [], bytes: 0, failure: undefined }
  for (const each of fetched) {
    // Left for the next fetch, in which it comes sooner.
    if (all.bytes >= DECODED_BYTES_MAX && each.bytes > 0) continue
    try {
      const decoded = await decodePartition(fetcher, each, DECODED_BYTES_MAX - all.bytes)
      onDecoded(each, decoded)
      all.decoded.push(decoded)
      all.bytes += decoded.bytes
    } catch (error) {
      all.failure ??= { error }
    }
    // A megabyte of records takes a few milliseconds to decode; the writer of the last batch gets its turn between.
    if (each.bytes > 0) await nextTurn()
  }
  return all
}

async function decodePartition(
  fetcher: Fetcher,
  fetched: Fetched,
  bytesMax: number,
): Promise<FetchedPartition> {
  const { topic, buffer, connection } = fetcher
  const { partition, errorCode } = fetched
  const from = buffer.nextOf(partition)
  if (errorCode === OFFSET_OUT_OF_RANGE)
    throw await outOfRangeError(topic, partition, from, connection)
  if (errorCode !== 0) throw new KafkaError(errorCode, `${topic}/${partition}`)
  const { records, bytes, next, offsetGap } = fetched.decode(from, bytesMax)
  if (offsetGap)
    throw new OffsetOutOfRangeError(topic, partition, offsetGap.expected, offsetGap.available)
  return { partition, records, next, bytes }
}

/** Dropped before it was read, or beyond the end; otherwise it was out of range for a moment only, and is fetched again. */
async function outOfRangeError(
  topic: string,
  partition: number,
  expected: number,
  connection: BrokerConnection,
): Promise<Error> {
  const read = async (kind: OffsetKind) => {
    const request = listOffsetsRequest(topic, [partition], kind)
    const [found] = await connection.send(request, LIST_OFFSETS_MS_MAX)
    const { errorCode = -1, offset = 0 } = found ?? {}
    if (errorCode !== 0) throw new KafkaError(errorCode, `${topic}/${partition}`)
    return offset
  }
  const logStart = await read('logStart')
  const lastStable = await read('lastStable')
  if (expected < logStart) return new OffsetOutOfRangeError(topic, partition, expected, logStart)
  if (expected > lastStable)
    return new OffsetOutOfRangeError(topic, partition, expected, lastStable)
  return new KafkaError(OFFSET_OUT_OF_RANGE, `${topic}/${partition} at ${expected}`)
}

/** Detects what kafkajs' consumers were seen to do (#659, #1072): there is more, all looks well, and nothing comes. */
function createStallDetector(topic: string, msMax: number) {
  const since = new Map<number, number>()
  return {
    /** @throws when the partition has made no progress for too long */
    check(from: number, { partition, readableTo }: Fetched, { next }: FetchedPartition): void {
      const at = since.get(partition)
      if (next > from || readableTo <= from) since.delete(partition)
      else if (at === undefined) since.set(partition, performance.now())
      else if (performance.now() - at > msMax)
        throw new Error(`${topic}/${partition} makes no progress although there is more to read`)
    },
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
