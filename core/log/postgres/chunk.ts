import { LIMITS } from '../../../contract/limits.ts'
import { CorruptLogError, type LogRecord, type NewRecord, type RecordHeader } from '../log.ts'
import { deflate, inflate } from './deflate.ts'

/** A reader takes whole chunks. A larger record makes a chunk of its own. */
export const CHUNK_BYTES_MAX = 1024 * 1024

/**
 * Records of one partition in one buffer:
 *
 *   version u8 · appended at f64 (ms since the epoch) · for each record: key length i32 (-1: none) ·
 *   key · value length i32 · value                                                    (big-endian)
 *
 * In version 2 each record ends in its headers: count i32 · for each: name and value, as value above. It is
 * written where a record has headers, which those of the edge never have.
 *
 * Where the version's highest bit is set, the records are deflated, and their length before is in front of them:
 *
 *   version u8 · appended at f64 · length u32 · deflated records
 */
const PLAIN = 1
const WITH_HEADERS = 2
const HEADER_BYTES = 9
const DEFLATED = 0x80
const DEFLATED_HEADER_BYTES = HEADER_BYTES + 4
/** Nobody writes longer ones; what somebody else wrote into the log must not take more memory. */
const INFLATED_BYTES_MAX = 2 * (CHUNK_BYTES_MAX + LIMITS.recordBytesMax)

export function encodeChunk(records: readonly NewRecord[], appendedMs: number): Buffer {
  const chunk = encodePlain(records, appendedMs)
  const body = chunk.subarray(HEADER_BYTES)
  const deflated = deflate(body)
  if (deflated === undefined) return chunk
  const header = Buffer.allocUnsafe(DEFLATED_HEADER_BYTES)
  chunk.copy(header, 0, 0, HEADER_BYTES)
  header[0] = (chunk[0] as number) | DEFLATED
  header.writeUInt32BE(body.length, HEADER_BYTES)
  return Buffer.concat([header, deflated])
}

/** How many bytes the records of a chunk have, as SQL: of a deflated one it is more than what is stored. */
export function chunkBytesSql(body: string): string {
  const start = `substr(${body}, 1, ${DEFLATED_HEADER_BYTES})`
  return `CASE WHEN get_byte(${start}, 0) < ${DEFLATED} OR octet_length(${body}) < ${DEFLATED_HEADER_BYTES} THEN octet_length(${body})
       ELSE ('x' || encode(substr(${start}, ${HEADER_BYTES + 1}), 'hex'))::bit(32)::bigint END`
}

function encodePlain(records: readonly NewRecord[], appendedMs: number): Buffer {
  const version = records.some(({ headers }) => headers?.length) ? WITH_HEADERS : PLAIN
  let size = HEADER_BYTES
  for (const { key, value } of records) size += 8 + (key?.length ?? 0) + value.length
  if (version === WITH_HEADERS) for (const { headers } of records) size += headersBytes(headers)
  const chunk = Buffer.allocUnsafe(size)
  chunk.writeUInt8(version, 0)
  let at = chunk.writeDoubleBE(appendedMs, 1)
  const put = (bytes: Buffer) => {
    at = chunk.writeInt32BE(bytes.length, at)
    at += bytes.copy(chunk, at)
  }
  for (const { key, value, headers = [] } of records) {
    if (key) put(key)
    else at = chunk.writeInt32BE(-1, at)
    put(value)
    if (version === PLAIN) continue
    at = chunk.writeInt32BE(headers.length, at)
    for (const header of headers) {
      put(Buffer.from(header.key))
      put(header.value)
    }
  }
  return chunk
}

function headersBytes(headers: readonly RecordHeader[] = []): number {
  return headers.reduce((sum, { key, value }) => sum + 8 + Buffer.byteLength(key) + value.length, 4)
}

/**
 * Keys and values are views into the chunk, not copies.
 * @throws CorruptLogError when `encodeChunk` did not write these bytes; it names the offset
 */
export function decodeChunk(
  chunk: Buffer,
  at: { topic: string; partition: number; baseOffset: number; recordCount: number },
): LogRecord[] {
  const corrupt = (what: string) => new CorruptLogError(at.topic, at.partition, at.baseOffset, what)
  const isDeflated = ((chunk[0] ?? 0) & DEFLATED) !== 0
  return decodePlain(isDeflated ? inflateChunk(chunk, corrupt) : chunk, at, corrupt)
}

type Corrupt = (what: string) => CorruptLogError

/** @returns the chunk as `encodePlain` wrote it */
function inflateChunk(chunk: Buffer, corrupt: Corrupt): Buffer {
  if (chunk.length < DEFLATED_HEADER_BYTES) throw corrupt('it is too short')
  const length = chunk.readUInt32BE(HEADER_BYTES)
  if (length > INFLATED_BYTES_MAX) throw corrupt(`a length of ${length}`)
  try {
    const plain = inflate(chunk.subarray(DEFLATED_HEADER_BYTES), length)
    const header = Buffer.from(chunk.subarray(0, HEADER_BYTES))
    header[0] = (chunk[0] as number) & ~DEFLATED
    return Buffer.concat([header, plain])
  } catch (error) {
    throw corrupt(`its records cannot be inflated: ${(error as Error).message}`)
  }
}

function decodePlain(
  chunk: Buffer,
  at: { partition: number; baseOffset: number; recordCount: number },
  corrupt: Corrupt,
): LogRecord[] {
  const version = chunk[0]
  if (version !== PLAIN && version !== WITH_HEADERS) throw corrupt(`version ${version}`)
  // Every record has two lengths: no count can make us allocate more than the bytes there are.
  if (chunk.length < HEADER_BYTES + 8 * at.recordCount) throw corrupt('it is too short')
  const timestamp = chunk.readDoubleBE(1)
  const records: LogRecord[] = new Array(at.recordCount)
  let pos = HEADER_BYTES
  function int(): number {
    if (pos + 4 > chunk.length) throw corrupt('it ends within a length')
    pos += 4
    return chunk.readInt32BE(pos - 4)
  }
  function bytes(): Buffer | null {
    const length = int()
    if (length === -1) return null
    if (length < 0 || pos + length > chunk.length) throw corrupt(`a length of ${length}`)
    pos += length
    return chunk.subarray(pos - length, pos)
  }
  function required(what: string): Buffer {
    const found = bytes()
    if (found === null) throw corrupt(`a record without a ${what}`)
    return found
  }
  function headers(): RecordHeader[] {
    const count = int()
    if (count < 0 || pos + 8 * count > chunk.length) throw corrupt(`${count} headers`)
    return Array.from({ length: count }, () => ({
      key: required('name of its header').toString(),
      value: required('header'),
    }))
  }
  for (let i = 0; i < at.recordCount; i++) {
    const key = bytes()
    const value = required('value')
    const record: LogRecord = {
      partition: at.partition,
      offset: at.baseOffset + i,
      timestamp,
      key,
      value,
    }
    if (version === WITH_HEADERS) {
      const found = headers()
      if (found.length > 0) record.headers = found
    }
    records[i] = record
  }
  if (pos !== chunk.length) throw corrupt('bytes are left over')
  return records
}
