/** Whether a zlib stream (RFC 1950) was whole. */
export interface ZlibSum {
  /** What comes in, packed. */
  packed(bytes: Uint8Array): void
  /** What came out of it. */
  unpacked(bytes: Uint8Array): void
  /** Its last four bytes are the Adler-32 of all that came out. */
  holds(): boolean
}

/** Deno takes a stream that ends before its sum for whole; the other runtimes look. */
export function createZlibSum(): ZlibSum {
  let a = 1
  let b = 0
  let tail: number[] = []
  return {
    packed(bytes) {
      tail = [...tail, ...bytes.subarray(-4)].slice(-4)
    },
    unpacked(bytes) {
      for (let i = 0; i < bytes.length; ) {
        // As many as can be added before the sums leave the whole numbers of 32 bits.
        const end = Math.min(i + 3_800, bytes.length)
        for (; i < end; i++) {
          a += bytes[i] as number
          b += a
        }
        a %= 65_521
        b %= 65_521
      }
    },
    holds: () =>
      tail.length === 4 && tail.reduce((sum, byte) => sum * 256 + byte, 0) === b * 65_536 + a,
  }
}
