import { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type pg from 'pg'
import { to as copyTo } from 'pg-copy-streams'
import { EVENT_HASH_SQL } from './event-hash.ts'

export interface StoredHashes {
  /** SQL: which rows. */
  where: string
  onRow: (partition: number, offset: number, hash: number) => void
}

/** Signature, flags and the length of an extension that has no bytes. */
const HEADER_BYTES = 19
/** A count of columns, and of each its length and its bytes: int2, int8, int4. */
const ROW_BYTES = 2 + 4 + 2 + 4 + 8 + 4 + 4

/**
 * Partition, offset and hash of stored events, in the binary format of COPY: ten million rows are read in seconds, and
 * none of them is kept.
 */
export async function readStoredHashes(
  client: pg.ClientBase,
  { where, onRow }: StoredHashes,
): Promise<void> {
  const source = client.query(
    copyTo(
      `COPY (SELECT log_partition, log_offset, ${EVENT_HASH_SQL} FROM event WHERE ${where}) TO STDOUT (FORMAT binary)`,
    ),
  )
  let rest: Buffer = Buffer.alloc(0)
  let isBegun = false
  const sink = new Writable({
    write(chunk: Buffer, _, done) {
      const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk
      let at = 0
      if (!isBegun && bytes.length >= HEADER_BYTES) {
        at = HEADER_BYTES
        isBegun = true
      }
      while (isBegun && bytes.length - at >= ROW_BYTES) {
        const offset = bytes.readUInt32BE(at + 12) * 0x1_0000_0000 + bytes.readUInt32BE(at + 16)
        onRow(bytes.readInt16BE(at + 6), offset, bytes.readInt32BE(at + 24))
        at += ROW_BYTES
      }
      rest = bytes.subarray(at)
      done()
    },
  })
  await pipeline(source, sink)
}
