export type Bytes = Uint8Array<ArrayBuffer>

export function join(chunks: readonly Uint8Array[], size: number): Bytes {
  const whole = new Uint8Array(size)
  let offset = 0
  for (const chunk of chunks) {
    whole.set(chunk, offset)
    offset += chunk.byteLength
  }
  return whole
}

/** Chunks in one growing buffer: a million of one byte each take what they hold, not what as many objects take. */
export interface ByteBuffer {
  /** Copies the chunk. */
  add(chunk: Uint8Array): void
  /** All of them. */
  bytes(): Bytes
}

export function createByteBuffer(): ByteBuffer {
  let buffer: Bytes = new Uint8Array()
  let size = 0
  return {
    add(chunk) {
      const needed = size + chunk.byteLength
      if (needed > buffer.byteLength) {
        const larger = new Uint8Array(Math.max(needed, 2 * buffer.byteLength, 1024))
        larger.set(buffer.subarray(0, size))
        buffer = larger
      }
      buffer.set(chunk, size)
      size = needed
    },
    bytes: () => (size === buffer.byteLength ? buffer : buffer.slice(0, size)),
  }
}

/** In slices: an argument list of a million bytes is too long. */
export function base64(bytes: Uint8Array): string {
  let binary = ''
  for (let i = 0; i < bytes.byteLength; i += 8192)
    binary += String.fromCharCode(...bytes.subarray(i, i + 8192))
  return btoa(binary)
}
