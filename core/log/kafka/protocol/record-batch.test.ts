import { createRequire } from 'node:module'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CorruptLogError, type NewRecord } from '../../log.ts'
import { crc32c } from './crc32c.ts'
import { decodeRecordSet, encodeRecordBatch } from './record-batch.ts'

/** Another implementation of Kafka's format: kafkajs. */
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

/** As the broker stores it: at the broker's offset. */
function stored(batch: Buffer, offset = 0): Buffer {
  const copy = Buffer.from(batch)
  copy.writeBigInt64BE(BigInt(offset), 0)
  return copy
}

/** As a compressing producer sends it. */
function packed(plain: Buffer, codec: number, compress: (bytes: Buffer) => Buffer): Buffer {
  const batch = Buffer.concat([plain.subarray(0, 61), compress(plain.subarray(61))])
  batch.writeInt32BE(batch.length - 12, 8)
  batch.writeInt16BE(codec, 21)
  batch.writeUInt32BE(crc32c(batch, 21), 17)
  return batch
}

/** As compaction leaves it: the offsets stay, most records are removed. */
function compacted(batch: Buffer, kept: readonly number[]): Buffer {
  const records: Buffer[] = []
  for (let at = 61, i = 0; at < batch.length; i++) {
    // A record of a few bytes has a length of one byte.
    const end = at + 1 + (batch[at] as number) / 2
    if (kept.includes(i)) records.push(batch.subarray(at, end))
    at = end
  }
  const left = Buffer.concat([batch.subarray(0, 61), ...records])
  left.writeInt32BE(left.length - 12, 8)
  left.writeInt32BE(kept.length, 57)
  left.writeUInt32BE(crc32c(left, 21), 17)
  return left
}

type Aborted = { producerId: bigint; firstOffset: number }[]
const read = (set: Buffer, from = 0, aborted: Aborted = [], bytesMax?: number) =>
  decodeRecordSet({ bytes: set, topic: 't', partition: 3, from, aborted, bytesMax })

test('CRC-32C gives the values of RFC 3720', () => {
  expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa)
  expect(crc32c(Buffer.alloc(32, 0xff))).toBe(0x62a8ab43)
  expect(crc32c(Buffer.from(Array.from({ length: 32 }, (_, i) => i)))).toBe(0x46dd794e)
  expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283)
  expect(crc32c(Buffer.from('xx123456789y'), 2, 11)).toBe(0xe3069283)
})

describe('a record batch', () => {
  test('is decoded by kafkajs to the same keys and values, whatever they are', async () => {
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

  test('keeps headers, whatever their names are', () => {
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

  test('encoded by kafkajs is decoded with its timestamps and headers', async () => {
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
        const {
          records: found,
          next,
          offsetGap: missing,
        } = read(stored(batch.buffer, offset), offset)
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
        expect({ next, missing }).toEqual({ next: offset + sent.length, offsetGap: undefined })
      }),
      { numRuns: 50 },
    )
  })

  const some = (count: number): NewRecord[] =>
    Array.from({ length: count }, (_, i) => ({ key: null, value: Buffer.from(`${i}`) }))
  const values = (found: { records: { value: Buffer }[] }) =>
    found.records.map(({ value }) => `${value}`)

  test('that the broker stamped is decoded with the time of the broker', () => {
    const batch = stored(encodeRecordBatch([{ key: null, value: Buffer.from('v') }], 1_000))
    batch.writeInt16BE(0x08, 21)
    batch.writeBigInt64BE(5_000n, 35)
    batch.writeUInt32BE(crc32c(batch, 21), 17)
    expect(read(batch).records).toMatchObject([{ offset: 0, timestamp: 5_000 }])
  })

  test('can be decoded from its middle, and an incomplete one is left for the next fetch', () => {
    const first = stored(encodeRecordBatch(some(5), 1), 10)
    const second = stored(encodeRecordBatch(some(5), 1), 15)
    for (let cut = 1; cut < second.length; cut += 7) {
      const found = read(Buffer.concat([first, second.subarray(0, second.length - cut)]), 13)
      expect(values(found)).toEqual(['3', '4'])
      expect(found.next).toBe(15)
    }
    expect(read(Buffer.concat([first, second]), 20)).toMatchObject({ records: [], next: 20 })
  })

  test('with any bit flipped is a CorruptLogError with the offset', () => {
    const good = stored(encodeRecordBatch(some(3), 1), 42)
    for (let at = 17; at < good.length; at++) {
      const bad = Buffer.from(good)
      bad[at] = (bad[at] as number) ^ 0x10
      expect(() => read(bad, 42), `byte ${at}`).toThrow(CorruptLogError)
      expect(() => read(bad, 42)).toThrow('t/3 at offset 42')
    }
  })

  test('after an offset gap reports the gap: records removed by compaction are not passed silently', () => {
    const behind = stored(encodeRecordBatch(some(2), 1), 12)
    expect(read(behind, 10)).toEqual({
      records: [],
      bytes: 0,
      next: 10,
      offsetGap: { expected: 10, available: 12 },
    })
    // Records before the gap are read first, so that its acceptance moves the position right behind it.
    const set = Buffer.concat([stored(encodeRecordBatch(some(3), 1), 7), behind])
    expect(read(set, 7)).toMatchObject({ next: 10, offsetGap: undefined })
    expect(values(read(set, 7))).toEqual(['0', '1', '2'])
  })

  test('with an offset gap inside is decoded up to the gap, and on from the first record after it', () => {
    const holed = (kept: readonly number[], last: number) => {
      const batch = stored(encodeRecordBatch(some(last + 1), 1), 0)
      return compacted(batch, kept)
    }
    const inside = holed([0, 1, 5, 6], 6)
    expect(read(inside, 0)).toMatchObject({ next: 2, offsetGap: undefined })
    expect(values(read(inside, 0))).toEqual(['0', '1'])
    expect(read(inside, 2)).toMatchObject({ next: 2, offsetGap: { expected: 2, available: 5 } })
    expect(values(read(inside, 5))).toEqual(['5', '6'])
    const atTheEnd = holed([0, 1], 6)
    expect(read(atTheEnd, 0)).toMatchObject({ next: 2, offsetGap: undefined })
    expect(read(atTheEnd, 2)).toMatchObject({ next: 2, offsetGap: { expected: 2, available: 7 } })
  })

  test('that decompresses to many bytes ends the decoded set, however small it was on the wire', () => {
    const zeros = (offset: number) => {
      const batch = encodeRecordBatch([{ key: null, value: Buffer.alloc(1_000_000) }], 1)
      return packed(stored(batch, offset), 1, gzipSync)
    }
    const set = Buffer.concat([zeros(0), zeros(1), zeros(2), zeros(3)])
    expect(set.length).toBeLessThan(10_000)
    const found = read(set, 1, [], 1_500_000)
    expect(found).toMatchObject({ next: 3, offsetGap: undefined })
    expect(found.records.map(({ offset }) => offset)).toEqual([1, 2])
    expect(found.bytes).toBeGreaterThan(2_000_000)
    expect(read(set, 3, [], 1)).toMatchObject({ next: 4 })
  })

  test.each([
    ['gzip', 1, gzipSync],
    ['zstd', 4, zstdCompressSync],
  ] as const)(
    'compressed with %s is decoded; a codec that Node cannot read is named',
    (_, codec, compress) => {
      const plain = stored(encodeRecordBatch(some(50), 7), 0)
      expect(values(read(packed(plain, codec, compress)))).toEqual(values(read(plain)))
      expect(() => read(packed(plain, 3, compress))).toThrow(
        'lz4; set compression.type=uncompressed on the topic',
      )
    },
  )

  test('of a transaction counts only when that was committed, and control records are not delivered', () => {
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
    expect(found).toMatchObject({ next: 8, offsetGap: undefined })
    // Read from after the first batch, the control record alone ends the transaction.
    expect(read(set.subarray(batch(0, 0x10, 7n, 2).length), 2, aborted).records.length).toBe(3)
  })
})
