import { expect, test } from 'vitest'
import { createReader, createWriter } from './codec.ts'

test('every type is written big-endian and read back, whatever the size of the buffer', () => {
  for (const bytesExpected of [1, 2, 7, 256]) {
    const writer = createWriter(bytesExpected)
    writer.int8(-2)
    writer.int16(-300)
    writer.int32(70_000)
    writer.int64(-(2 ** 40))
    writer.string('ä')
    writer.string(null)
    writer.string('')
    writer.compactString('€')
    writer.compactString('')
    writer.array([1, 2], writer.int8)
    const bytes = writer.done()
    expect(bytes.toString('hex')).toBe(
      `fe${'fed4'}${'00011170'}${'ffffff0000000000'}${'0002c3a4'}${'ffff'}${'0000'}${'04e282ac'}${'01'}${'000000020102'}`,
    )
    const reader = createReader(bytes)
    expect([reader.int8(), reader.int16(), reader.int32(), reader.int64()]).toEqual([
      -2,
      -300,
      70_000,
      -(2 ** 40),
    ])
    expect([reader.string(), reader.string(), reader.string()]).toEqual(['ä', '', ''])
    expect([reader.compactString(), reader.compactString()]).toEqual(['€', ''])
    expect(reader.array(reader.int8)).toEqual([1, 2])
    expect(() => reader.int8()).toThrow(RangeError)
  }
})

test.each([
  [0, '00'],
  [127, '7f'],
  [128, '8001'],
  [16_383, 'ff7f'],
  [16_384, '808001'],
  [2 ** 31, '8080808008'],
  [2 ** 32 - 1, 'ffffffff0f'],
])('the unsigned varint of %d is %s', (value, hex) => {
  const writer = createWriter(1)
  writer.uvarint(value)
  expect(writer.done().toString('hex')).toBe(hex)
  const reader = createReader(Buffer.from(`${hex}05`, 'hex'))
  expect([reader.uvarint(), reader.int8()]).toEqual([value, 5])
})

test('bytes and ids are views of what came, null bytes are empty, and a compact null is an empty text', () => {
  const id = '00112233445566778899aabbccddeeff'
  const reader = createReader(Buffer.from(`00000002abcdffffffff${id}00000000000000000708`, 'hex'))
  expect(reader.bytes().toString('hex')).toBe('abcd')
  expect(reader.bytes()).toHaveLength(0)
  expect(reader.uuid()).toBe(id)
  expect(reader.compactString()).toBe('')
  expect(reader.bigint()).toBe(7n)
  expect(reader.int8()).toBe(8)
})

test('a text longer than twice the buffer is written whole', () => {
  for (const write of ['string', 'compactString'] as const) {
    const writer = createWriter(4)
    writer[write]('x'.repeat(500))
    const reader = createReader(writer.done())
    expect(reader[write]()).toBe('x'.repeat(500))
  }
})
