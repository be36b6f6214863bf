import type { KafkaRequest } from '../broker-connection.ts'
import { createReader, createWriter, type Reader } from './codec.ts'
import { type DecodedSet, decodeRecordSet } from './record-batch.ts'

const FETCH = 1
/** Kafka 2.3 (KIP-392) */
const FETCH_VERSION = 11
const READ_COMMITTED = 1

export interface FetchPart {
  partition: number
  offset: number
}

export interface Fetched {
  partition: number
  errorCode: number
  /** The last stable offset: up to here every replica has it and no transaction is open. */
  readableTo: number
  /** Decodes at most so many bytes and a batch; throws CorruptLogError. */
  decode: (from: number, bytesMax?: number) => DecodedSet
  bytes: number
}

export interface FetchOptions {
  maxWaitMs: number
  bytesMax: number
  partitionBytesMax: number
}

export function fetchRequest(
  topic: string,
  parts: readonly FetchPart[],
  { maxWaitMs, bytesMax, partitionBytesMax }: FetchOptions,
): KafkaRequest<Fetched[]> {
  const body = createWriter(64 + Buffer.byteLength(topic) + 32 * parts.length)
  body.int32(-1) // no replica
  body.int32(maxWaitMs)
  body.int32(1) // as soon as there is one byte
  body.int32(bytesMax)
  body.int8(READ_COMMITTED)
  body.int32(0) // no fetch session: the partitions' order changes each time
  body.int32(-1)
  body.int32(1)
  body.string(topic)
  body.int32(parts.length)
  for (const { partition, offset } of parts) {
    body.int32(partition)
    body.int32(-1) // leader epoch
    body.int64(offset)
    body.int64(-1)
    body.int32(partitionBytesMax)
  }
  body.int32(0) // no forgotten topics
  body.string('') // no rack: only the leader is asked
  return {
    name: 'Fetch',
    apiKey: FETCH,
    apiVersion: FETCH_VERSION,
    body: body.done(),
    decode(response) {
      const read = createReader(response)
      read.int32() // throttled
      read.int16() // of the session
      read.int32()
      const topics = read.array(() => {
        read.string()
        return read.array(() => readPartition(read, topic))
      })
      return topics[0] ?? []
    },
  }
}

function readPartition(read: Reader, topic: string): Fetched {
  const partition = read.int32()
  const errorCode = read.int16()
  read.int64() // high watermark
  const readableTo = read.int64() // last stable offset
  read.int64() // first offset of the log
  const aborted = read.array(() => ({ producerId: read.bigint(), firstOffset: read.int64() }))
  read.int32() // preferred replica
  const bytes = read.bytes()
  return {
    partition,
    errorCode,
    readableTo,
    bytes: bytes.length,
    decode: (from, bytesMax) =>
      decodeRecordSet({ bytes, topic, partition, from, aborted, bytesMax }),
  }
}
