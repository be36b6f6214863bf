import { CorruptLogError, type LogRecord, type NewRecord, type RecordHeader } from '../../log.ts'
import { crc32c } from './crc32c.ts'
import { decompress } from './record-compression.ts'

/**
 * Kafka's record batch, version 2, as it stands in the log and on the wire. kafkajs encodes each
 * record by itself, which takes 3.0 µs, this 0.85 µs. Decoding one takes 0.6 µs in both, but here with the CRC, which
 * kafkajs does not check.
 * @see https://kafka.apache.org/documentation/#recordbatch
 */
const MAGIC = 2
const HEADER_BYTES = 61
/** From the start of a batch to what `length` counts. */
const LENGTH_END = 12
const CRC_AT = 17
const CRC_FROM = 21
const COMPRESSION = 0x07
const LOG_APPEND_TIME = 0x08
const TRANSACTIONAL = 0x10
const CONTROL = 0x20

type RecordContent = Omit<NewRecord, 'partition'>

const NONE: readonly RecordHeader[] = []

/** The most bytes that `encodeRecordBatch` makes of these records. */
export function batchBytesMax(records: readonly RecordContent[]): number {
  let bytes = HEADER_BYTES
  for (const record of records) bytes += recordBytesMax(record)
  return bytes
}

/** Lengths, deltas and attributes of a record take 32 bytes at most. */
export function recordBytesMax({ key, value, headers = NONE }: RecordContent): number {
  let bytes = 32 + (key?.length ?? 0) + value.length
  // A character is three bytes at most, a length five.
  for (const header of headers) bytes += 10 + 3 * header.key.length + header.value.length
  return bytes
}

/** One batch, not compressed; all records have the same timestamp. */
export function encodeRecordBatch(records: readonly RecordContent[], timestampMs: number): Buffer {
  const batch = Buffer.allocUnsafe(batchBytesMax(records))
  let at = HEADER_BYTES
  records.forEach(({ key, value, headers = [] }, i) => {
    const keyBytes = key ? key.length : -1
    const body =
      2 +
      varintBytes(i) +
      varintBytes(keyBytes) +
      (key?.length ?? 0) +
      varintBytes(value.length) +
      value.length +
      headersBytes(headers)
    at = writeVarint(batch, body, at)
    batch[at++] = 0 // attributes
    batch[at++] = 0 // timestamp delta
    at = writeVarint(batch, i, at)
    at = writeVarint(batch, keyBytes, at)
    if (key) at += key.copy(batch, at)
    at = writeVarint(batch, value.length, at)
    at += value.copy(batch, at)
    at = writeVarint(batch, headers.length, at)
    for (const header of headers) {
      const name = Buffer.from(header.key)
      at = writeVarint(batch, name.length, at)
      at += name.copy(batch, at)
      at = writeVarint(batch, header.value.length, at)
      at += header.value.copy(batch, at)
    }
  })
  batch.writeBigInt64BE(0n, 0) // base offset: the broker sets it
  batch.writeInt32BE(at - LENGTH_END, 8)
  batch.writeInt32BE(-1, 12) // leader epoch
  batch.writeInt8(MAGIC, 16)
  batch.writeInt16BE(0, CRC_FROM)
  batch.writeInt32BE(records.length - 1, 23)
  batch.writeBigInt64BE(BigInt(timestampMs), 27)
  batch.writeBigInt64BE(BigInt(timestampMs), 35)
  batch.writeBigInt64BE(-1n, 43) // producer id
  batch.writeInt16BE(-1, 51)
  batch.writeInt32BE(-1, 53)
  batch.writeInt32BE(records.length, 57)
  batch.writeUInt32BE(crc32c(batch, CRC_FROM, at), CRC_AT)
  return batch.subarray(0, at)
}

/** What a fetch returned for one partition. */
export interface FetchedSet {
  bytes: Buffer
  topic: string
  partition: number
  /** The first wanted offset; batches may begin before it. */
  from: number
  /** Aborted transactions, by their producer, with the first offset of each. */
  aborted: readonly { producerId: bigint; firstOffset: number }[]
  /** Of records after decompression. What is beyond is left for the next fetch; one batch is always decoded. */
  bytesMax?: number
}

export interface DecodedSet {
  records: LogRecord[]
  /** Of the records after decompression. */
  bytes: number
  /** Where to read on: after the last complete batch, or at an offset gap. */
  next: number
  /** `from` is neither among the records nor a control record, though it should be; `available` comes instead. */
  offsetGap: { expected: number; available: number } | undefined
}

/**
 * Keys and values are views into the fetched bytes. An incomplete last batch is left out: a fetch is cut
 * where its bytes run out. An offset gap, as compaction leaves them, ends the set too, and is reported when no record is
 * before it.
 * @throws CorruptLogError
 */
export function decodeRecordSet(set: FetchedSet): DecodedSet {
  const { bytes, topic, partition, from, bytesMax = Number.POSITIVE_INFINITY } = set
  const records: LogRecord[] = []
  const aborted = createAborted(set.aborted)
  let decompressedBytes = 0
  let next = from
  let afterGap: number | undefined
  for (let at = 0; at + HEADER_BYTES <= bytes.length && decompressedBytes < bytesMax; ) {
    const baseOffset = readInt64(bytes, at)
    const corrupt = (what: string) => new CorruptLogError(topic, partition, baseOffset, what)
    const end = at + LENGTH_END + bytes.readInt32BE(at + 8)
    if (end > bytes.length) break
    if (bytes[at + 16] !== MAGIC) throw corrupt(`a record batch of version ${bytes[at + 16]}`)
    if (end < at + HEADER_BYTES) throw corrupt('a record batch of no size')
    if (crc32c(bytes, at + CRC_FROM, end) !== bytes.readUInt32BE(at + CRC_AT))
      throw corrupt('the checksum is wrong')
    const attributes = bytes.readInt16BE(at + CRC_FROM)
    const last = baseOffset + bytes.readInt32BE(at + 23)
    const producerId = bytes.readBigInt64BE(at + 43)
    if (baseOffset > next) afterGap = baseOffset
    else if (last >= next) {
      const isControl = (attributes & CONTROL) !== 0
      if (isControl) aborted.ended(producerId, baseOffset)
      if (isControl || (attributes & TRANSACTIONAL && aborted.has(producerId, baseOffset)))
        next = last + 1
      else decodeRecords(bytes.subarray(at, end), attributes, { baseOffset, last })
    }
    if (afterGap !== undefined) break
    at = end
  }
  const offsetGap =
    afterGap !== undefined && next === from ? { expected: from, available: afterGap } : undefined
  return { records, bytes: decompressedBytes, next, offsetGap }

  /** Moves `next` behind the batch, or to an offset gap in it. */
  function decodeRecords(
    batch: Buffer,
    attributes: number,
    { baseOffset, last }: { baseOffset: number; last: number },
  ): void {
    const corrupt = (what: string) => new CorruptLogError(topic, partition, baseOffset, what)
    const first = next
    const baseMs = readInt64(batch, 27)
    const appendedMs = attributes & LOG_APPEND_TIME ? readInt64(batch, 35) : undefined
    const count = batch.readInt32BE(57)
    const body = decompress(attributes & COMPRESSION, batch.subarray(HEADER_BYTES), corrupt)
    decompressedBytes += HEADER_BYTES + body.length
    const read = createReader(body, corrupt)
    for (let i = 0; i < count; i++) {
      const end = read.varint() + read.at
      read.at++ // attributes
      // Read in any case: the delta is there too where the broker stamped the batch.
      const deltaMs = read.varint()
      const timestamp = appendedMs ?? baseMs + deltaMs
      const offset = baseOffset + read.varint()
      if (offset > last || (offset >= first && offset < next)) throw corrupt('offsets out of order')
      if (offset > next) {
        afterGap = offset
        return
      }
      const key = read.bytes()
      const value = read.bytes()
      if (end > body.length || end < read.at) throw corrupt('a record of the wrong length')
      const headers = offset < next ? 0 : read.varint()
      if (!(headers >= 0 && headers <= end - read.at)) throw corrupt(`${headers} headers`)
      const record: LogRecord = { partition, offset, timestamp, key, value: value ?? EMPTY }
      if (headers > 0)
        record.headers = Array.from({ length: headers }, () => ({
          key: (read.bytes() ?? EMPTY).toString(),
          value: read.bytes() ?? EMPTY,
        }))
      if (read.at > end) throw corrupt('headers beyond their record')
      read.at = end
      if (offset === next) {
        records.push(record)
        next++
      }
    }
    if (next <= last) afterGap = last + 1
  }
}

const EMPTY = Buffer.alloc(0)

/** Tracks which producers' records are in an aborted transaction at the offset that is being decoded. */
function createAborted(list: FetchedSet['aborted']) {
  const coming = [...list].sort((a, b) => a.firstOffset - b.firstOffset)
  const open = new Set<bigint>()
  function reach(offset: number): void {
    while (coming[0] && coming[0].firstOffset <= offset)
      open.add((coming.shift() as { producerId: bigint }).producerId)
  }
  return {
    has(producerId: bigint, offset: number): boolean {
      reach(offset)
      return open.has(producerId)
    },
    /** The producer's transaction has ended, committed or aborted. */
    ended(producerId: bigint, offset: number): void {
      reach(offset)
      open.delete(producerId)
    },
  }
}

function createReader(bytes: Buffer, corrupt: (what: string) => Error) {
  return {
    at: 0,
    /** Zigzag; exact as far as a number is, which offsets, lengths and milliseconds are. */
    varint(): number {
      let byte = bytes[this.at++] as number
      if (byte < 0x80) return (byte >>> 1) ^ -(byte & 1)
      let value = byte & 0x7f
      for (let scale = 0x80; byte & 0x80; scale *= 0x80) {
        if (this.at >= bytes.length || scale > 2 ** 63) throw corrupt('a varint without an end')
        byte = bytes[this.at++] as number
        value += (byte & 0x7f) * scale
      }
      return value % 2 === 0 ? value / 2 : -(value + 1) / 2
    },
    bytes(): Buffer | null {
      const length = this.varint()
      if (length === -1) return null
      const end = this.at + length
      if (!(length >= 0 && end <= bytes.length)) throw corrupt(`a length of ${length}`)
      const found = bytes.subarray(this.at, end)
      this.at = end
      return found
    },
  }
}

function readInt64(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at) * 2 ** 32 + bytes.readUInt32BE(at + 4)
}

function headersBytes(headers: readonly RecordHeader[]): number {
  let bytes = varintBytes(headers.length)
  for (const { key, value } of headers) {
    const name = Buffer.byteLength(key)
    bytes += varintBytes(name) + name + varintBytes(value.length) + value.length
  }
  return bytes
}

/** @param value at most 32 bits */
function writeVarint(bytes: Buffer, value: number, at: number): number {
  let rest = ((value << 1) ^ (value >> 31)) >>> 0
  while (rest > 0x7f) {
    bytes[at++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  bytes[at++] = rest
  return at
}

function varintBytes(value: number): number {
  const zigzag = ((value << 1) ^ (value >> 31)) >>> 0
  return zigzag < 0x80
    ? 1
    : zigzag < 0x4000
      ? 2
      : zigzag < 0x200000
        ? 3
        : zigzag < 0x10000000
          ? 4
          : 5
}
