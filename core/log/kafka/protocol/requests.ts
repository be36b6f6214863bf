import { type DecodedSet, decodeRecordSet } from './record-batch.ts'
import type { KnownRequest, OwnRequest } from './wire.ts'

/** Produce and Fetch, which carry the records, in our own spelling: see record-batch.ts. */
const PRODUCE = 0
const FETCH = 1
/** Kafka 2.1 (KIP-110) */
const PRODUCE_VERSION = 7
/** Kafka 2.3 (KIP-392) */
const FETCH_VERSION = 11
const ACKS_ALL = -1
const READ_UNCOMMITTED = 0
const READ_COMMITTED = 1

export interface ProducePart {
  partition: number
  /** As encodeRecordBatch gives it. */
  batch: Buffer
}

export interface Produced {
  partition: number
  errorCode: number
  baseOffset: number
  /** -1 where the records keep the time that the producer gave them. */
  appendedMs: number
}

export function produceRequest(
  topic: string,
  parts: readonly ProducePart[],
  timeoutMs: number,
): OwnRequest<Produced[]> {
  const head = createWriter(64 + Buffer.byteLength(topic))
  head.string(null) // transactional id
  head.int16(ACKS_ALL)
  head.int32(timeoutMs)
  head.int32(1)
  head.string(topic)
  head.int32(parts.length)
  const pieces: Uint8Array[] = [head.done()]
  for (const { partition, batch } of parts) {
    const each = createWriter(8)
    each.int32(partition)
    each.int32(batch.length)
    pieces.push(each.done(), batch)
  }
  return {
    apiKey: PRODUCE,
    apiVersion: PRODUCE_VERSION,
    body: Buffer.concat(pieces),
    read(answer) {
      const read = createReader(answer)
      return read.array(() => {
        read.string()
        return read.array(() => {
          const partition = read.int32()
          const errorCode = read.int16()
          const baseOffset = read.int64()
          const appendedMs = read.int64()
          read.int64() // first offset of the log
          return { partition, errorCode, baseOffset, appendedMs }
        })
      })[0] as Produced[]
    },
  }
}

export interface FetchPart {
  partition: number
  offset: number
}

export interface Fetched {
  partition: number
  errorCode: number
  /** Up to where every replica has it and no transaction is open: nobody reads beyond. */
  readableTo: number
  /** Decoded when it is wanted, at most so many bytes and a batch; throws CorruptLogError. */
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
): OwnRequest<Fetched[]> {
  const body = createWriter(64 + Buffer.byteLength(topic) + 32 * parts.length)
  body.int32(-1) // no replica
  body.int32(maxWaitMs)
  body.int32(1) // as soon as there is one byte
  body.int32(bytesMax)
  body.int8(READ_COMMITTED)
  body.int32(0) // no session: what we ask for changes each time
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
  body.int32(0) // nothing to forget
  body.string('') // no rack: only the leader is asked
  return {
    apiKey: FETCH,
    apiVersion: FETCH_VERSION,
    body: body.done(),
    read(answer) {
      const read = createReader(answer)
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

/** `next` is where nothing more can be read, which is before the `end` while a transaction is open. */
export type Which = 'first' | 'next' | 'end'

export interface ListedOffset {
  partition: number
  errorCode: number
  offset: number
}

/** @param at the first offset held, where nothing more is, or the first not older than so many ms */
export function listOffsetsRequest(
  topic: string,
  partitions: readonly number[],
  at: Which | number,
): KnownRequest<ListedOffset[]> {
  const timestamp = at === 'first' ? -2 : at === 'next' || at === 'end' ? -1 : at
  return {
    api: 'ListOffsets',
    fields: {
      replicaId: -1,
      isolationLevel: at === 'end' ? READ_UNCOMMITTED : READ_COMMITTED,
      topics: [{ topic, partitions: partitions.map((partition) => ({ partition, timestamp })) }],
    },
    read: (answer: {
      responses: { partitions: { partition: number; errorCode: number; offset: string }[] }[]
    }) =>
      answer.responses.flatMap((each) =>
        each.partitions.map(({ partition, errorCode, offset }) => ({
          partition,
          errorCode,
          offset: Number(offset),
        })),
      ),
  }
}

function createWriter(bytes: number) {
  const buffer = Buffer.allocUnsafe(bytes)
  let at = 0
  return {
    int8: (value: number) => {
      at = buffer.writeInt8(value, at)
    },
    int16: (value: number) => {
      at = buffer.writeInt16BE(value, at)
    },
    int32: (value: number) => {
      at = buffer.writeInt32BE(value, at)
    },
    int64: (value: number) => {
      at = buffer.writeBigInt64BE(BigInt(value), at)
    },
    string: (value: string | null) => {
      at = buffer.writeInt16BE(value === null ? -1 : Buffer.byteLength(value), at)
      if (value !== null) at += buffer.write(value, at)
    },
    done: () => buffer.subarray(0, at),
  }
}

type Reader = ReturnType<typeof createReader>

function createReader(buffer: Buffer) {
  let at = 0
  const move = (bytes: number) => {
    at += bytes
    return at - bytes
  }
  const read = {
    int16: () => buffer.readInt16BE(move(2)),
    int32: () => buffer.readInt32BE(move(4)),
    bigint: () => buffer.readBigInt64BE(move(8)),
    int64: () => Number(buffer.readBigInt64BE(move(8))),
    string: () => {
      const length = read.int16()
      return length < 0 ? '' : buffer.toString('utf8', move(length), at)
    },
    bytes: () => {
      const length = Math.max(0, read.int32())
      const from = move(length)
      return buffer.subarray(from, at)
    },
    array: <T>(each: () => T): T[] => {
      const count = read.int32()
      const found: T[] = []
      for (let i = 0; i < count; i++) found.push(each())
      return found
    },
  }
  return read
}
