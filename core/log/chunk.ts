import { CorruptLogError, type LogRecord, type NewRecord } from './log.ts'

/**
 * A run of records of one partition in one buffer:
 *
 *   version u8 = 1 · appended at f64 (ms since the epoch) · for each record: key length i32 (-1: none) ·
 *   key · value length i32 · value                                                    (big-endian)
 */
const VERSION = 1
const HEADER_BYTES = 9

export function encodeChunk(records: readonly NewRecord[], appendedMs: number): Buffer {
  let size = HEADER_BYTES
  for (const { key, value } of records) size += 8 + (key?.length ?? 0) + value.length
  const chunk = Buffer.allocUnsafe(size)
  chunk.writeUInt8(VERSION, 0)
  let at = chunk.writeDoubleBE(appendedMs, 1)
  for (const { key, value } of records) {
    at = chunk.writeInt32BE(key ? key.length : -1, at)
    if (key) at += key.copy(chunk, at)
    at = chunk.writeInt32BE(value.length, at)
    at += value.copy(chunk, at)
  }
  return chunk
}

/**
 * Keys and values are views into the chunk, not copies.
 * @throws CorruptLogError when the bytes are not what `encodeChunk` wrote; it names the place in the log
 */
export function decodeChunk(
  chunk: Buffer,
  at: { topic: string; partition: number; baseOffset: number; recordCount: number },
): LogRecord[] {
  const corrupt = (what: string) => new CorruptLogError(at.topic, at.partition, at.baseOffset, what)
  if (chunk[0] !== VERSION) throw corrupt(`version ${chunk[0]}`)
  // Every record has two lengths: no count can make us allocate more than the bytes there are.
  if (chunk.length < HEADER_BYTES + 8 * at.recordCount) throw corrupt('it is too short')
  const timestamp = chunk.readDoubleBE(1)
  const records: LogRecord[] = new Array(at.recordCount)
  let pos = HEADER_BYTES
  function bytes(): Buffer | null {
    if (pos + 4 > chunk.length) throw corrupt('it ends in a length')
    const length = chunk.readInt32BE(pos)
    pos += 4
    if (length === -1) return null
    if (length < 0 || pos + length > chunk.length) throw corrupt(`a length of ${length}`)
    pos += length
    return chunk.subarray(pos - length, pos)
  }
  for (let i = 0; i < at.recordCount; i++) {
    const key = bytes()
    const value = bytes()
    if (value === null) throw corrupt('a record without a value')
    records[i] = { partition: at.partition, offset: at.baseOffset + i, timestamp, key, value }
  }
  if (pos !== chunk.length) throw corrupt('bytes are left over')
  return records
}
