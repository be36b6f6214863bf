/** Writes and reads the primitive types of Kafka's protocol, big-endian. @see https://kafka.apache.org/protocol#protocol_types */
export type Writer = ReturnType<typeof createWriter>
export type Reader = ReturnType<typeof createReader>

export function createWriter(bytesExpected = 256) {
  let buffer = Buffer.allocUnsafe(bytesExpected)
  let at = 0
  /** Makes space for so many bytes more. */
  const reserve = (bytes: number) => {
    if (at + bytes <= buffer.length) return
    const larger = Buffer.allocUnsafe(Math.max(at + bytes, 2 * buffer.length))
    buffer.copy(larger, 0, 0, at)
    buffer = larger
  }
  const writer = {
    int8: (value: number) => {
      reserve(1)
      at = buffer.writeInt8(value, at)
    },
    int16: (value: number) => {
      reserve(2)
      at = buffer.writeInt16BE(value, at)
    },
    int32: (value: number) => {
      reserve(4)
      at = buffer.writeInt32BE(value, at)
    },
    int64: (value: number) => {
      reserve(8)
      at = buffer.writeBigInt64BE(BigInt(value), at)
    },
    string: (value: string | null) => {
      const bytes = value === null ? 0 : Buffer.byteLength(value)
      reserve(2 + bytes)
      at = buffer.writeInt16BE(value === null ? -1 : bytes, at)
      if (value !== null) at += buffer.write(value, at)
    },
    /** Of the flexible versions: an unsigned varint; lengths of strings and arrays are one more than they are. */
    uvarint: (value: number) => {
      for (let left = value; ; left >>>= 7) {
        reserve(1)
        at = buffer.writeUInt8(left > 0x7f ? (left & 0x7f) | 0x80 : left, at)
        if (left <= 0x7f) return
      }
    },
    compactString: (value: string) => {
      const bytes = Buffer.byteLength(value)
      writer.uvarint(bytes + 1)
      reserve(bytes)
      at += buffer.write(value, at)
    },
    array: <T>(items: readonly T[], write: (item: T) => void) => {
      writer.int32(items.length)
      for (const item of items) write(item)
    },
    done: () => buffer.subarray(0, at),
  }
  return writer
}

export function createReader(buffer: Buffer) {
  let at = 0
  const move = (bytes: number) => {
    at += bytes
    return at - bytes
  }
  const read = {
    int8: () => buffer.readInt8(move(1)),
    int16: () => buffer.readInt16BE(move(2)),
    int32: () => buffer.readInt32BE(move(4)),
    bigint: () => buffer.readBigInt64BE(move(8)),
    int64: () => Number(buffer.readBigInt64BE(move(8))),
    string: () => {
      const length = read.int16()
      return length < 0 ? '' : buffer.toString('utf8', move(length), at)
    },
    uvarint: () => {
      let value = 0
      for (let shift = 0; ; shift += 7) {
        const byte = buffer.readUInt8(move(1))
        value += (byte & 0x7f) * 2 ** shift
        if (byte < 0x80) return value
      }
    },
    compactString: () => {
      const length = read.uvarint() - 1
      return length < 0 ? '' : buffer.toString('utf8', move(length), at)
    },
    uuid: () => buffer.toString('hex', move(16), at),
    bytes: () => {
      const length = Math.max(0, read.int32())
      const from = move(length)
      return buffer.subarray(from, at)
    },
    array: <T>(each: () => T): T[] => {
      const count = read.int32()
      const found: T[] = []
      for (let i = 0; i < count; i++) found.push(each())
      return found
    },
  }
  return read
}
