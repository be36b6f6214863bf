import { createRequire } from 'node:module'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { crc32c } from './crc32c.ts'
import { CorruptLogError, type NewRecord } from './log.ts'
import { decodeRecordSet, encodeRecordBatch } from './record-batch.ts'

/** Kafka's own form as a second implementation has it: the client library that Kafka's users trust. */
const require = createRequire(import.meta.url)
const theirs = {
  Decoder: require('kafkajs/src/protocol/decoder'),
  decode: require('kafkajs/src/protocol/recordBatch/v0/decoder'),
  Record: require('kafkajs/src/protocol/recordBatch/record/v0'),
  RecordBatch: require('kafkajs/src/protocol/recordBatch/v0').RecordBatch,
}

const bytes = fc.uint8Array({ maxLength: 300 }).map((each) => Buffer.from(each))
const headers = fc.array(fc.record({ key: fc.string({ unit: 'binary' }), value: bytes }), {
  maxLength: 3,
})
const records = fc.array(fc.record({ key: fc.option(bytes), value: bytes }), {
  minLength: 1,
  maxLength: 200,
})

/** As the broker stores it: at an offset of its own. */
function stored(batch: Buffer, offset = 0): Buffer {
  const copy = Buffer.from(batch)
  copy.writeBigInt64BE(BigInt(offset), 0)
  return copy
}

const read = (set: Buffer, from = 0, aborted: { producerId: bigint; firstOffset: number }[] = []) =>
  decodeRecordSet({ bytes: set, topic: 't', partition: 3, from, aborted })

test('CRC-32C gives the numbers of RFC 3720', () => {
  expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa)
  expect(crc32c(Buffer.alloc(32, 0xff))).toBe(0x62a8ab43)
  expect(crc32c(Buffer.from(Array.from({ length: 32 }, (_, i) => i)))).toBe(0x46dd794e)
  expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283)
  expect(crc32c(Buffer.from('xx123456789y'), 2, 11)).toBe(0xe3069283)
})

describe('a record batch', () => {
  test('is read by kafkajs as it was meant, whatever keys and values are', async () => {
    await fc.assert(
      fc.asyncProperty(records, async (sent) => {
        const found = await theirs.decode(
          new theirs.Decoder(encodeRecordBatch(sent, 1_700_000_000_123)),
        )
        expect(
          found.records.map(({ key, value, offset, timestamp }: never) => ({
            key,
            value,
            offset,
            timestamp,
          })),
        ).toEqual(
          sent.map(({ key, value }, i) => ({
            key,
            value,
            offset: `${i}`,
            timestamp: '1700000000123',
          })),
        )
      }),
      { numRuns: 50 },
    )
  })

  test('keeps headers, whatever they are called', () => {
    const withHeaders = fc.array(fc.record({ key: fc.option(bytes), value: bytes, headers }), {
      minLength: 1,
      maxLength: 20,
    })
    fc.assert(
      fc.property(withHeaders, (sent) => {
        const found = read(stored(encodeRecordBatch(sent, 1)))
        expect(found.records.map((each) => each.headers ?? [])).toEqual(
          sent.map((each) => each.headers),
        )
      }),
    )
  })

  test('of kafkajs is read as it was meant, with times of its own and headers', async () => {
    await fc.assert(
      fc.asyncProperty(records, fc.integer({ min: 0, max: 2 ** 45 }), async (sent, offset) => {
        const batch = await theirs.RecordBatch({
          firstTimestamp: 1_000,
          maxTimestamp: 1_000 + sent.length,
          lastOffsetDelta: sent.length - 1,
          records: sent.map((each, i) =>
            theirs.Record({ ...each, offsetDelta: i, timestampDelta: i - 5, headers: { a: 'b' } }),
          ),
        })
        const { records: found, next, missing } = read(stored(batch.buffer, offset), offset)
        expect(found).toEqual(
          sent.map(({ key, value }, i) => ({
            partition: 3,
            offset: offset + i,
            timestamp: 995 + i,
            key,
            value,
            headers: [{ key: 'a', value: Buffer.from('b') }],
          })),
        )
        expect({ next, missing }).toEqual({ next: offset + sent.length, missing: undefined })
      }),
      { numRuns: 50 },
    )
  })

  const some = (count: number): NewRecord[] =>
    Array.from({ length: count }, (_, i) => ({ key: null, value: Buffer.from(`${i}`) }))
  const values = (found: { records: { value: Buffer }[] }) =>
    found.records.map(({ value }) => `${value}`)

  test('may be entered in its middle, and one that was cut off is left for the next time', () => {
    const first = stored(encodeRecordBatch(some(5), 1), 10)
    const second = stored(encodeRecordBatch(some(5), 1), 15)
    for (let cut = 1; cut < second.length; cut += 7) {
      const found = read(Buffer.concat([first, second.subarray(0, second.length - cut)]), 13)
      expect(values(found)).toEqual(['3', '4'])
      expect(found.next).toBe(15)
    }
    expect(read(Buffer.concat([first, second]), 20)).toMatchObject({ records: [], next: 20 })
  })

  test('with any bit turned is corrupt, and says where', () => {
    const good = stored(encodeRecordBatch(some(3), 1), 42)
    for (let at = 17; at < good.length; at++) {
      const bad = Buffer.from(good)
      bad[at] = (bad[at] as number) ^ 0x10
      expect(() => read(bad, 42), `byte ${at}`).toThrow(CorruptLogError)
      expect(() => read(bad, 42)).toThrow('t/3 at offset 42')
    }
  })

  test('after a hole is told of: what compaction took away is not passed over', () => {
    const found = read(stored(encodeRecordBatch(some(2), 1), 12), 10)
    expect(found).toMatchObject({ missing: { wanted: 10, found: 12 }, next: 14 })
    const holed = stored(encodeRecordBatch(some(3), 1), 0)
    holed.writeInt32BE(9, 23)
    holed.writeUInt32BE(crc32c(holed, 21), 17)
    expect(read(holed)).toMatchObject({ missing: { wanted: 0, found: 10 }, next: 10 })
  })

  test.each([
    ['gzip', 1, gzipSync],
    ['zstd', 4, zstdCompressSync],
  ] as const)(
    'that somebody compressed with %s is read; what Node cannot read is named',
    (_, codec, compress) => {
      const plain = stored(encodeRecordBatch(some(50), 7), 0)
      const packed = (attributes: number) => {
        const batch = Buffer.concat([plain.subarray(0, 61), compress(plain.subarray(61))])
        batch.writeInt32BE(batch.length - 12, 8)
        batch.writeInt16BE(attributes, 21)
        batch.writeUInt32BE(crc32c(batch, 21), 17)
        return batch
      }
      expect(values(read(packed(codec)))).toEqual(values(read(plain)))
      expect(() => read(packed(3))).toThrow('lz4; set compression.type=uncompressed on the topic')
    },
  )

  test('of a transaction counts only when that was committed, and its marks are no records', () => {
    const batch = (offset: number, flags: number, producerId: bigint, count = 1) => {
      const bytes = stored(encodeRecordBatch(some(count), 1), offset)
      bytes.writeInt16BE(flags, 21)
      bytes.writeBigInt64BE(producerId, 43)
      bytes.writeUInt32BE(crc32c(bytes, 21), 17)
      return bytes
    }
    const set = Buffer.concat([
      batch(0, 0x10, 7n, 2), // given up
      batch(2, 0x10, 8n, 2), // committed
      batch(4, 0x30, 7n), // the mark: given up
      batch(5, 0x10, 7n, 1), // another one of the same producer, committed
      batch(6, 0x30, 8n),
      batch(7, 0x30, 7n),
    ])
    const aborted = [{ producerId: 7n, firstOffset: 0 }]
    const found = read(set, 0, aborted)
    expect(found.records.map(({ offset }) => offset)).toEqual([2, 3, 5])
    expect(found).toMatchObject({ next: 8, missing: undefined })
    // Entered after the first batch, the mark alone tells that it is over.
    expect(read(set.subarray(batch(0, 0x10, 7n, 2).length), 2, aborted).records.length).toBe(3)
  })
})
