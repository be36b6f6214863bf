/** Checks whether a zlib stream (RFC 1950) is complete. */
export interface ZlibChecksum {
  /** The compressed input. */
  compressed(bytes: Uint8Array): void
  /** The output. */
  decompressed(bytes: Uint8Array): void
  /** Whether the input's last four bytes are the Adler-32 of the output. */
  matches(): boolean
}

/** Deno accepts a stream that ends before its checksum; the other runtimes verify it. */
export function createZlibChecksum(): ZlibChecksum {
  let a = 1
  let b = 0
  let tail: number[] = []
  return {
    compressed(bytes) {
      tail = [...tail, ...bytes.subarray(-4)].slice(-4)
    },
    decompressed(bytes) {
      for (let i = 0; i < bytes.length; ) {
        // As many as can be added before the sums exceed 32 bits.
        const end = Math.min(i + 3_800, bytes.length)
        for (; i < end; i++) {
          a += bytes[i] as number
          b += a
        }
        a %= 65_521
        b %= 65_521
      }
    },
    matches: () =>
      tail.length === 4 && tail.reduce((sum, byte) => sum * 256 + byte, 0) === b * 65_536 + a,
  }
}
