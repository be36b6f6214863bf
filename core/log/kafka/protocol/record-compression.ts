import { gunzipSync, zstdDecompressSync } from 'node:zlib'

/** Of one batch; none of ours decompresses to more. */
const DECOMPRESSED_BYTES_MAX = 64 * 1024 * 1024
const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

/**
 * The records of a batch, decompressed. Our producer does not compress; other producers of the
 * topic may, with the codecs that Node can read: gzip and zstd.
 */
export function decompress(codec: number, bytes: Buffer, corrupt: (what: string) => Error): Buffer {
  if (codec === 0) return bytes
  const options = { maxOutputLength: DECOMPRESSED_BYTES_MAX }
  try {
    if (codec === 1) return gunzipSync(bytes, options)
    if (codec === 4) return zstdDecompressSync(bytes, options)
  } catch (error) {
    throw corrupt(`${CODECS[codec]} cannot read it: ${(error as Error).message}`)
  }
  throw corrupt(
    `it is compressed with ${CODECS[codec] ?? `codec ${codec}`}; set compression.type=uncompressed on the topic, and Kafka decompresses what comes from then on`,
  )
}
