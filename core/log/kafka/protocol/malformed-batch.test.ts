import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { crc32c } from './crc32c.ts'
import {
  batchBytesMax,
  decodeRecordSet,
  encodeRecordBatch,
  recordBytesMax,
} from './record-batch.ts'

// Batches whose checksum is right and whose content is not: nothing of them may be delivered, or passed over.

/** Zigzag varint, as Kafka's documentation describes it. */
function varint(value: number): Buffer {
  let rest = value >= 0 ? BigInt(value) * 2n : BigInt(-value) * 2n - 1n
  const bytes: number[] = []
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128)
  return Buffer.from([...bytes, Number(rest)])
}
const sized = (text: string | null) =>
  text === null ? varint(-1) : Buffer.concat([varint(Buffer.byteLength(text)), Buffer.from(text)])

interface Parts {
  offset?: number
  deltaMs?: number
  key?: Buffer
  value?: Buffer
  headers?: Buffer
  /** Instead of what it is. */
  length?: number
}
function record({
  offset = 0,
  deltaMs = 0,
  key = sized(null),
  value = sized('v'),
  ...more
}: Parts = {}): Buffer {
  const { headers = varint(0), length } = more
  const body = Buffer.concat([
    Buffer.from([0]),
    varint(deltaMs),
    varint(offset),
    key,
    value,
    headers,
  ])
  return Buffer.concat([varint(length ?? body.length), body])
}
interface Envelope {
  base?: number
  last?: number
  count?: number
  attributes?: number
  producer?: bigint
  timestamp?: bigint
  compress?: (bytes: Buffer) => Buffer
}
function batch(records: Buffer[], envelope: Envelope = {}): Buffer {
  const { base = 10, last = records.length - 1, count = records.length, attributes = 0 } = envelope
  const body = Buffer.concat(records)
  const bytes = Buffer.concat([Buffer.alloc(61), envelope.compress?.(body) ?? body])
  bytes.writeBigInt64BE(BigInt(base), 0)
  bytes.writeInt32BE(bytes.length - 12, 8)
  bytes.writeInt8(2, 16)
  bytes.writeInt16BE(attributes, 21)
  bytes.writeInt32BE(last, 23)
  bytes.writeBigInt64BE(envelope.timestamp ?? 1_000n, 27)
  bytes.writeBigInt64BE(envelope.producer ?? -1n, 43)
  bytes.writeInt32BE(count, 57)
  bytes.writeUInt32BE(crc32c(bytes, 21), 17)
  return bytes
}
type Aborted = { producerId: bigint; firstOffset: number }[]
const read = (bytes: Buffer, from = 10, aborted: Aborted = []) =>
  decodeRecordSet({ bytes, topic: 't', partition: 3, from, aborted })
const offsets = (...args: Parameters<typeof read>) =>
  read(...args).records.map(({ offset }) => offset)

test('a batch built by hand is read as it was built', () => {
  const headers = Buffer.concat([varint(2), sized('k€'), sized('v'), sized('none'), sized(null)])
  expect(
    read(
      batch([
        record({ deltaMs: -300, key: sized('key'), headers }),
        record({ offset: 1, value: sized(null) }),
      ]),
    ),
  ).toEqual({
    records: [
      {
        ...{
          partition: 3,
          offset: 10,
          timestamp: 700,
          key: Buffer.from('key'),
          value: Buffer.from('v'),
        },
        headers: [
          { key: 'k€', value: Buffer.from('v') },
          { key: 'none', value: Buffer.alloc(0) },
        ],
      },
      { partition: 3, offset: 11, timestamp: 1_000, key: null, value: Buffer.alloc(0) },
    ],
    bytes: expect.any(Number),
    next: 12,
    offsetGap: undefined,
  })
})

test.each([
  0,
  63,
  64,
  -64,
  -65,
  8_191,
  8_192,
  1_048_576,
  2 ** 31,
  -(2 ** 31),
  2 ** 45,
  -(2 ** 45) - 1,
])('a record %d ms after the batch has that time', (deltaMs) => {
  const timestamp = 2n ** 46n
  expect(read(batch([record({ deltaMs })], { timestamp })).records[0]?.timestamp).toBe(
    Number(timestamp) + deltaMs,
  )
})

describe('a batch is corrupt', () => {
  const endless = Buffer.alloc(12, 0xff)
  test.each([
    ['with an offset twice', [record(), record()], {}, 'offsets out of order'],
    [
      'with an offset after its last one',
      [record({ offset: 1 })],
      { last: 0 },
      'offsets out of order',
    ],
    [
      'with an offset that goes back',
      [record(), record({ offset: 1 }), record({ offset: 0 })],
      {},
      'offsets out of order',
    ],
    [
      'with a record longer than the batch',
      [record({ length: 40 })],
      {},
      'a record of the wrong length',
    ],
    [
      'with a record shorter than its value',
      [record({ length: 5 })],
      {},
      'a record of the wrong length',
    ],
    ['with fewer than no headers', [record({ headers: varint(-1) })], {}, '-1 headers'],
    ['with more headers than bytes', [record({ headers: varint(2) })], {}, '2 headers'],
    [
      'with headers beyond their record',
      [
        record({ headers: Buffer.concat([varint(1), sized('k'), sized('v')]), length: 9 }),
        record({ offset: 1 }),
      ],
      {},
      'headers beyond',
    ],
    ['with a key of length -2', [record({ key: varint(-2) })], {}, 'a length of -2'],
    [
      'with a value longer than the batch',
      [record({ value: Buffer.concat([varint(99), Buffer.from('v')]) })],
      {},
      'a length of 99',
    ],
    [
      'with fewer records than it counts',
      [record()],
      { count: 2, last: 1 },
      /corrupt|varint|length|order/,
    ],
    [
      'with a number that never ends',
      [Buffer.concat([varint(30), Buffer.from([0]), endless])],
      {},
      'a varint without an end',
    ],
    [
      'with a number that the batch cuts off',
      [Buffer.concat([varint(3), Buffer.from([0, 0x80])])],
      {},
      'a varint without an end',
    ],
    ['in an unknown codec', [record()], { attributes: 5 }, 'it is compressed with codec 5'],
    ['in Snappy', [record()], { attributes: 2 }, 'it is compressed with snappy'],
    ['in gzip that is none', [record()], { attributes: 1 }, 'gzip cannot read it'],
  ] as const)('%s', (_, records, envelope, message) => {
    expect(() => read(batch([...records], envelope))).toThrow(message)
    expect(() => read(batch([...records], envelope))).toThrow('t/3 at offset 10')
  })

  test('of another version, and one of no size', () => {
    const old = batch([record()])
    old.writeInt8(1, 16)
    expect(() => read(old)).toThrow('a record batch of version 1')
    for (const length of [48, 0, -12]) {
      const small = batch([record()])
      small.writeInt32BE(length, 8)
      expect(() => read(small)).toThrow('a record batch of no size')
    }
    const empty = batch([], { last: 0, count: 0 })
    // 61 bytes are a whole batch, of which compaction left no record.
    expect(read(empty)).toMatchObject({
      records: [],
      next: 10,
      offsetGap: { expected: 10, available: 11 },
    })
  })
})

test('records before the wanted one are passed over, their headers unread', () => {
  const odd = record({ headers: Buffer.concat([varint(1), sized('k'), sized('v')]) })
  const bytes = batch([odd, record({ offset: 1 }), record({ offset: 2 })])
  expect(offsets(bytes, 11)).toEqual([11, 12])
  expect(offsets(bytes, 12)).toEqual([12])
  expect(read(bytes, 13)).toMatchObject({ records: [], next: 13 })
})

test('a gap after a batch ends the set, and what follows waits for its acceptance', () => {
  const set = Buffer.concat([
    batch([record()]),
    batch([record()], { base: 12 }),
    batch([record()], { base: 13 }),
  ])
  expect(read(set, 10)).toMatchObject({ next: 11, offsetGap: undefined })
  expect(offsets(set, 10)).toEqual([10])
  expect(read(set, 11)).toMatchObject({ records: [], offsetGap: { expected: 11, available: 12 } })
  expect(offsets(set, 12)).toEqual([12, 13])
  const holed = batch([record(), record({ offset: 3 })], { last: 3 })
  expect(offsets(Buffer.concat([holed, batch([record()], { base: 14 })]), 10)).toEqual([10])
})

test('the records of an aborted transaction are left out, from its first offset to its mark', () => {
  const part = (base: number, producer: bigint, attributes = 0x10) =>
    batch([record()], { base, producer, attributes })
  const set = Buffer.concat([
    part(10, 7n),
    part(11, 7n, 0x30),
    part(12, 7n),
    part(13, 8n),
    part(14, 7n, 0x30),
    part(15, 7n),
    part(16, 8n, 0x30),
    part(17, 8n),
    part(18, -1n, 0),
  ])
  // In any order: 7 gave up what began at 12, 8 what began at 13.
  for (const aborted of [
    [
      { producerId: 8n, firstOffset: 13 },
      { producerId: 7n, firstOffset: 12 },
    ],
    [
      { producerId: 7n, firstOffset: 12 },
      { producerId: 8n, firstOffset: 13 },
    ],
  ])
    expect(offsets(set, 10, aborted)).toEqual([10, 15, 17, 18])
  expect(offsets(set, 10)).toEqual([10, 12, 13, 15, 17, 18])
  // The mark alone, with the aborted records before what is read.
  expect(
    offsets(set.subarray(4 * part(10, 7n).length), 14, [{ producerId: 7n, firstOffset: 12 }]),
  ).toEqual([15, 17, 18])
})

test('what is encoded has no producer, no epoch and one time, and fits its bound', () => {
  const records = [
    {
      key: Buffer.from('key'),
      value: Buffer.alloc(70),
      headers: [{ key: '€€', value: Buffer.alloc(200) }],
    },
    { key: null, value: Buffer.alloc(0) },
  ]
  const bytes = encodeRecordBatch(records, 1_795_000_000_123)
  expect([
    bytes.readBigInt64BE(0),
    bytes.readInt32BE(8),
    bytes.readInt32BE(12),
    bytes.readInt8(16),
  ]).toEqual([0n, bytes.length - 12, -1, 2])
  expect([bytes.readInt16BE(21), bytes.readInt32BE(23), bytes.readInt32BE(57)]).toEqual([0, 1, 2])
  expect([bytes.readBigInt64BE(27), bytes.readBigInt64BE(35)]).toEqual([
    1_795_000_000_123n,
    1_795_000_000_123n,
  ])
  expect([bytes.readBigInt64BE(43), bytes.readInt16BE(51), bytes.readInt32BE(53)]).toEqual([
    -1n,
    -1,
    -1,
  ])
  expect(records.map(recordBytesMax)).toEqual([32 + 3 + 70 + 10 + 3 * 2 + 200, 32])
  expect(batchBytesMax(records)).toBe(61 + 321 + 32)
  expect(bytes.length).toBeLessThanOrEqual(batchBytesMax(records))
})

test.each([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])(
  'CRC-32C of %d bytes is that of one byte a step',
  (length) => {
    const bytes = Buffer.from(Array.from({ length: length + 2 }, (_, i) => (i * 37 + 200) & 255))
    let crc = 0xffffffff
    for (const byte of bytes.subarray(1, length + 1)) {
      crc ^= byte
      for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
    }
    expect(crc32c(bytes, 1, length + 1)).toBe((crc ^ 0xffffffff) >>> 0)
  },
)

test('values around the lengths at which a varint grows are encoded so that they are read back', () => {
  for (const length of [0, 1, 63, 64, 8_191, 8_192, 1_048_575, 1_048_576]) {
    const headers = [{ key: 'h'.repeat(Math.min(length, 9_000)), value: Buffer.alloc(length) }]
    for (const each of [
      { key: Buffer.alloc(length), value: Buffer.alloc(0) },
      { key: null, value: Buffer.alloc(length) },
      { key: null, value: Buffer.alloc(1), headers },
    ]) {
      const [found] = read(encodeRecordBatch([each], 5), 0).records
      expect([found?.key?.length, found?.value.length, found?.headers?.length]).toEqual([
        each.key?.length,
        each.value.length,
        each.headers?.length,
      ])
      expect(found?.headers?.[0]?.key).toBe(each.headers?.[0]?.key)
    }
  }
  const many = Array.from({ length: 8_200 }, () => ({ key: null, value: Buffer.from('v') }))
  expect(read(encodeRecordBatch(many, 5), 0)).toMatchObject({ next: 8_200 })
})

test('a compressed batch is read, and its size counted without compression', () => {
  const body = [record({ value: sized('a'.repeat(5_000)) })]
  const found = read(batch(body, { attributes: 1, compress: gzipSync }))
  expect(found).toMatchObject({ next: 11, bytes: 61 + (body[0]?.length ?? 0) })
})

test('decoding ends with the batch that reaches the wanted bytes exactly', () => {
  const one = batch([record()])
  const set = Buffer.concat([one, batch([record()], { base: 11 })])
  const upTo = (bytesMax: number) =>
    decodeRecordSet({ bytes: set, topic: 't', partition: 3, from: 10, aborted: [], bytesMax }).next
  expect([upTo(one.length), upTo(one.length + 1)]).toEqual([11, 12])
})
