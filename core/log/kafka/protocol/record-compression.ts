import { gunzipSync, zstdDecompressSync } from 'node:zlib'

/** A batch that unfolds to more is no batch of ours. */
const UNFOLDED_BYTES_MAX = 64 * 1024 * 1024
const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

/**
 * The records of a batch as they were before its producer compressed them. Ours does not; others who write to the
 * topic may, with what Node can read: gzip and zstd.
 */
export function decompress(codec: number, bytes: Buffer, corrupt: (what: string) => Error): Buffer {
  if (codec === 0) return bytes
  const options = { maxOutputLength: UNFOLDED_BYTES_MAX }
  try {
    if (codec === 1) return gunzipSync(bytes, options)
    if (codec === 4) return zstdDecompressSync(bytes, options)
  } catch (error) {
    throw corrupt(`${CODECS[codec]} cannot read it: ${(error as Error).message}`)
  }
  throw corrupt(
    `it is compressed with ${CODECS[codec] ?? `codec ${codec}`}; set compression.type=uncompressed on the topic, and Kafka unpacks what comes from then on`,
  )
}
