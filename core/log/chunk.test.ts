import { expect, test } from 'vitest'
import { decodeChunk, encodeChunk } from './chunk.ts'

const records = [
  { key: Buffer.from('k'), value: Buffer.from('value') },
  { key: null, value: Buffer.alloc(0) },
  { key: Buffer.alloc(0), value: Buffer.from([0, 255, 128]) },
]
const at = { topic: 't', partition: 4, baseOffset: 70, recordCount: 3 }

test('records come back byte for byte, with their offsets and the time of the append', () => {
  expect(decodeChunk(encodeChunk(records, 1234.5), at)).toEqual(
    records.map((record, i) => ({ ...record, partition: 4, offset: 70 + i, timestamp: 1234.5 })),
  )
})

test('whatever is wrong with the bytes is an error that names the place, never a wrong record', () => {
  const chunk = encodeChunk(records, 1)
  for (let cut = 0; cut < chunk.length; cut++)
    expect(() => decodeChunk(chunk.subarray(0, cut), at)).toThrow('t/4 at offset 70')
  expect(() => decodeChunk(Buffer.concat([chunk, Buffer.from([0])]), at)).toThrow('left over')
  expect(() => decodeChunk(chunk, { ...at, recordCount: 2 })).toThrow('left over')
  const negative = Buffer.from(chunk)
  negative.writeInt32BE(-7, 9)
  expect(() => decodeChunk(negative, at)).toThrow('a length of -7')
})
