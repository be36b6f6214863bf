import { deflateRawSync, inflateRawSync } from 'node:zlib'

/**
 * What nearly every record contains, the most frequent last: a chunk of one record becomes 292 bytes instead of 372.
 * It is part of the format: never change it, chunks that were written with it could not be read any more.
 */
const DICTIONARY = Buffer.from(
  '"session":"","source":"","value":"schema_version":"","context":{"referrer":"https://www.","properties":{}}"trust":"public","client_occurred_at":"true,"false"{"v":1,"tenant":"","key":"","request_id":"","received_at":"2026-","edge":"","route":"events","client":"","event":{"event_id":"","name":"","occurred_at":"2026-","actor":"","properties":{"',
)
/** Level 1 of a chunk of 80 records: 0.6 µs a record, 534 to 46 bytes. Level 6: 2.1 µs, 39 bytes. */
const LEVEL = 1
/** Memory is most of what it costs to compress little: 14 instead of 18 µs. */
const SMALL = { bytesMax: 16 * 1024, windowBits: 12, memLevel: 5, chunkSize: 2048 }
/** Below, it saves less than it costs. */
const BYTES_MIN = 256

/** @returns undefined where it would not become smaller */
export function deflate(bytes: Buffer): Buffer | undefined {
  if (bytes.length < BYTES_MIN) return undefined
  const { bytesMax, ...small } = SMALL
  const options = { level: LEVEL, dictionary: DICTIONARY }
  const deflated = deflateRawSync(
    bytes,
    bytes.length > bytesMax ? options : { ...options, ...small },
  )
  return deflated.length < bytes.length ? deflated : undefined
}

/** @throws where these bytes are not `length` bytes, deflated; no more memory is used than for those */
export function inflate(deflated: Buffer, length: number): Buffer {
  const inflated = inflateRawSync(deflated, {
    dictionary: DICTIONARY,
    // One more, so that bytes of the right length need no second buffer to find their end.
    chunkSize: Math.max(64, length + 1),
    maxOutputLength: Math.max(1, length),
  })
  if (inflated.length !== length)
    throw new RangeError(`${inflated.length} bytes instead of ${length}`)
  return inflated
}
