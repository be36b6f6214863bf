import fc from 'fast-check'
import { expect, test } from 'vitest'
import { CorruptLogError } from '../log.ts'
import { decodeChunk, encodeChunk } from './chunk.ts'

const records = [
  { key: Buffer.from('k'), value: Buffer.from('value') },
  { key: null, value: Buffer.alloc(0) },
  { key: Buffer.alloc(0), value: Buffer.from([0, 255, 128]) },
]
const at = { topic: 't', partition: 4, baseOffset: 70, recordCount: 3 }

test('records are decoded byte for byte, with their offsets and the time of the append', () => {
  expect(decodeChunk(encodeChunk(records, 1234.5), at)).toEqual(
    records.map((record, i) => ({ ...record, partition: 4, offset: 70 + i, timestamp: 1234.5 })),
  )
})

test('headers are decoded with their records, and chunks without headers take no space for them', () => {
  const bytes = fc.uint8Array({ maxLength: 20 }).map((array) => Buffer.from(array))
  const headers = fc.array(fc.record({ key: fc.string({ unit: 'binary' }), value: bytes }), {
    maxLength: 3,
  })
  const any = fc.array(fc.record({ key: fc.option(bytes), value: bytes, headers }), {
    minLength: 1,
    maxLength: 20,
  })
  fc.assert(
    fc.property(any, (some) => {
      const chunk = encodeChunk(some, 5)
      const decoded = decodeChunk(chunk, { ...at, recordCount: some.length })
      expect(decoded.map((record) => record.headers ?? [])).toEqual(
        some.map((record) => record.headers),
      )
      for (let cut = 0; cut < chunk.length; cut += 1 + (cut >> 2))
        expect(() =>
          decodeChunk(chunk.subarray(0, cut), { ...at, recordCount: some.length }),
        ).toThrow(CorruptLogError)
    }),
  )
  expect(
    encodeChunk(
      records.map((record) => ({ ...record, headers: [] })),
      1,
    ),
  ).toEqual(encodeChunk(records, 1))
})

const flight = (i: number) => ({
  key: Buffer.from(`tenant:${i}`),
  value: Buffer.from(`{"v":1,"event":{"event_id":"${i}","name":"flight","properties":{"n":${i}}}}`),
})

test('records that are like each other take a fraction of their bytes, and come back as they were', () => {
  for (const count of [4, 500, 5_000]) {
    const some = Array.from({ length: count }, (_, i) => flight(i))
    const chunk = encodeChunk(some, 1234.5)
    const bytes = some.reduce((sum, { key, value }) => sum + key.length + value.length, 0)
    expect(chunk.length).toBeLessThan(bytes / 2)
    const decoded = decodeChunk(chunk, { ...at, recordCount: count })
    expect(decoded.map(({ key, value, timestamp }) => ({ key, value, timestamp }))).toEqual(
      some.map((record) => ({ ...record, timestamp: 1234.5 })),
    )
  }
})

test('a deflated chunk that was changed is a CorruptLogError, and one that claims other lengths takes no memory', () => {
  const some = Array.from({ length: 20 }, (_, i) => flight(i))
  const chunk = encodeChunk(some, 1)
  const decode = (changed: Buffer) => decodeChunk(changed, { ...at, recordCount: 20 })
  for (const cut of [1, 9, 12, 13, 14, chunk.length - 1])
    expect(() => decode(chunk.subarray(0, cut)), `${cut}`).toThrow(CorruptLogError)
  const length = chunk.readUInt32BE(9)
  for (const claimed of [0, 1, length - 1, length + 1, 0xffff_ffff]) {
    const changed = Buffer.from(chunk)
    changed.writeUInt32BE(claimed, 9)
    expect(() => decode(changed), `${claimed}`).toThrow(CorruptLogError)
  }
  // Zeros in a thousandth of their bytes.
  const bomb = encodeChunk([{ key: null, value: Buffer.alloc(4 * 1024 * 1024) }], 1)
  expect(bomb.length).toBeLessThan(64 * 1024)
  bomb.writeUInt32BE(1_000, 9)
  expect(() => decodeChunk(bomb, { ...at, recordCount: 1 })).toThrow(CorruptLogError)
})

test('a chunk that was written without compression, as version 0.2 did, is still read', () => {
  const header = Buffer.alloc(9)
  header.writeUInt8(1)
  header.writeDoubleBE(1234.5, 1)
  const value = Buffer.from('{"v":1}'.repeat(100))
  const length = Buffer.alloc(8)
  length.writeInt32BE(-1)
  length.writeInt32BE(value.length, 4)
  const chunk = Buffer.concat([header, length, value])
  expect(decodeChunk(chunk, { ...at, recordCount: 1 })).toMatchObject([{ key: null, value }])
})

test('a chunk that was deflated by an earlier version is still read', () => {
  // Refers to every byte of the dictionary with which it was written.
  const chunk = Buffer.from('gUCTSgAAAAAAAAABYmNgYGAusUpkYGAMVxoNYVqEMAA=', 'base64')
  const [record] = decodeChunk(chunk, { ...at, recordCount: 1 })
  expect(record).toMatchObject({ key: Buffer.from('t:a'), timestamp: 1234.5 })
  expect(String(record?.value)).toBe(
    `"session":"","source":"","value":"schema_version":"","context":{"referrer":"https://www.","properties":{}}"trust":"public","client_occurred_at":"true,"false"{"v":1,"tenant":"","key":"","request_id":"","received_at":"2026-","edge":"","route":"events","client":"","event":{"event_id":"","name":"","occurred_at":"2026-","actor":"","properties":{"`,
  )
})

test('invalid bytes are a CorruptLogError that names the offset, never a wrong record', () => {
  const chunk = encodeChunk(records, 1)
  for (let cut = 0; cut < chunk.length; cut++)
    expect(() => decodeChunk(chunk.subarray(0, cut), at)).toThrow('t/4 at offset 70')
  expect(() => decodeChunk(Buffer.concat([chunk, Buffer.from([0])]), at)).toThrow('left over')
  expect(() => decodeChunk(chunk, { ...at, recordCount: 2 })).toThrow('left over')
  const negative = Buffer.from(chunk)
  negative.writeInt32BE(-7, 9)
  expect(() => decodeChunk(negative, at)).toThrow('a length of -7')
})

test('any records are decoded unchanged, and share the memory of the chunk', () => {
  const bytes = fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array))
  const any = fc.array(fc.record({ key: fc.option(bytes), value: bytes }), { minLength: 1 })
  fc.assert(
    fc.property(any, (some) => {
      const chunk = encodeChunk(some, 5)
      const decoded = decodeChunk(chunk, { ...at, recordCount: some.length })
      expect(decoded.map(({ key, value }) => ({ key, value }))).toEqual(some)
      for (const { value } of decoded) expect(value.buffer).toBe(chunk.buffer)
    }),
  )
})

test('garbage, and chunks with one byte changed, are refused or decoded to the right number of records', () => {
  const chunk = encodeChunk(records, 1)
  const garbage = fc.oneof(
    fc.uint8Array({ maxLength: 100 }).map((array) => Buffer.from(array)),
    fc.record({ at: fc.nat(chunk.length - 1), byte: fc.nat(255) }).map(({ at, byte }) => {
      const changed = Buffer.from(chunk)
      changed[at] = byte
      return changed
    }),
  )
  fc.assert(
    fc.property(garbage, fc.integer({ min: 1, max: 5_000 }), (bytes, recordCount) => {
      try {
        expect(decodeChunk(bytes, { ...at, recordCount })).toHaveLength(recordCount)
      } catch (error) {
        expect(error).toBeInstanceOf(CorruptLogError)
      }
    }),
    { numRuns: 2_000 },
  )
})
