/** A sketch that was not written by this code, or was damaged since. */
export class SketchFormatError extends Error {
  readonly code = 'SKETCH_FORMAT'

  constructor(what: string) {
    super(`invalid sketch: ${what}`)
    this.name = 'SketchFormatError'
  }
}

/** Unsigned integers are written as LEB128: seven bits a byte, the lowest first. */
export interface SketchWriter {
  byte(value: number): void
  /** @param value 0 ≤ value ≤ 2^53 - 1 */
  unsigned(value: number): void
  signed(value: number): void
  double(value: number): void
  bytes(value: Uint8Array): void
  finish(): Buffer
}

export function createSketchWriter(): SketchWriter {
  let buffer = Buffer.alloc(64)
  let length = 0
  function reserve(bytes: number): void {
    if (length + bytes <= buffer.length) return
    const larger = Buffer.alloc(Math.max(buffer.length * 2, length + bytes))
    buffer.copy(larger, 0, 0, length)
    buffer = larger
  }
  function byte(value: number): void {
    reserve(1)
    buffer[length++] = value
  }
  function unsigned(value: number): void {
    let rest = value
    while (rest >= 0x80) {
      byte((rest % 0x80) | 0x80)
      rest = Math.floor(rest / 0x80)
    }
    byte(rest)
  }
  return {
    byte,
    unsigned,
    // Zigzag: small numbers of either sign are short.
    signed: (value) => unsigned(value < 0 ? -value * 2 - 1 : value * 2),
    double(value) {
      reserve(8)
      length = buffer.writeDoubleLE(value, length)
    },
    bytes(value) {
      reserve(value.length)
      buffer.set(value, length)
      length += value.length
    },
    finish: () => buffer.subarray(0, length),
  }
}

/** Each method throws SketchFormatError where the bytes end too early or are not what it reads. */
export interface SketchReader {
  byte(): number
  unsigned(): number
  signed(): number
  double(): number
  bytes(count: number): Uint8Array
  isAtEnd(): boolean
  /** @throws SketchFormatError when bytes are left */
  end(): void
}

const VARINT_BYTES_MAX = 8

export function createSketchReader(bytes: Uint8Array): SketchReader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0
  function skip(count: number): number {
    if (at + count > bytes.length) throw new SketchFormatError('it ends too early')
    at += count
    return at - count
  }
  const byte = () => bytes[skip(1)] as number
  function unsigned(): number {
    let value = 0
    for (let i = 0, factor = 1; i < VARINT_BYTES_MAX; i++, factor *= 0x80) {
      const next = byte()
      value += (next & 0x7f) * factor
      if (next >= 0x80) continue
      if (!Number.isSafeInteger(value)) break
      return value
    }
    throw new SketchFormatError('a number is too large')
  }
  return {
    byte,
    unsigned,
    signed() {
      const value = unsigned()
      return value % 2 === 0 ? value / 2 : -(value + 1) / 2
    },
    double: () => view.getFloat64(skip(8), true),
    bytes(count) {
      const from = skip(count)
      return bytes.subarray(from, from + count)
    },
    isAtEnd: () => at === bytes.length,
    end() {
      if (at !== bytes.length) throw new SketchFormatError(`${bytes.length - at} bytes too many`)
    },
  }
}
