import { expect, test } from 'vitest'
import { LIMITS } from '../../../contract/limits.ts'
import { partitionFor } from '../../../contract/log/partitioner.ts'
import { KafkaRestError } from '../kafka-rest-error.ts'
import { readRecords } from './read-records.ts'

const partitions = new Map([
  ['t', 6],
  ['u', 1],
])
const read = (body: unknown, topic?: string) =>
  readRecords(Buffer.from(JSON.stringify(body)), partitions, topic)
function errorOf(body: unknown, topic?: string) {
  try {
    read(body, topic)
  } catch (error) {
    const { code, message } = error as KafkaRestError
    return `${code} ${message}`
  }
}

test('a record names its topic, or the path does; its partition is as named, or by its key, or open', () => {
  const { records, topics } = read(
    [
      { value: 'a', topic: 'u', partition: 0 },
      { value: 'b', key: 'k' },
      { value: 'c' },
      { value: 'd', key: null, partition: null, headers: null },
      { value: 'e', key: 'k', partition: 5 },
      { value: '', key: '' },
    ],
    't',
  )
  expect(topics).toEqual(['u', 't', 't', 't', 't', 't'])
  expect(records).toEqual([
    { partition: 0, key: null, value: Buffer.from('a') },
    {
      partition: partitionFor(Buffer.from('k'), 6),
      key: Buffer.from('k'),
      value: Buffer.from('b'),
    },
    { partition: undefined, key: null, value: Buffer.from('c') },
    { partition: undefined, key: null, value: Buffer.from('d') },
    { partition: 5, key: Buffer.from('k'), value: Buffer.from('e') },
    // An empty key is one: all of its records are on one partition.
    {
      partition: partitionFor(Buffer.alloc(0), 6),
      key: Buffer.alloc(0),
      value: Buffer.alloc(0),
    },
  ])
  expect(read({ value: 'alone' }, 't').records).toHaveLength(1)
})

test('headers are read in their order, an empty list as none, and at most a hundred', () => {
  const many = (count: number) =>
    Array.from({ length: count }, (_, i) => ({ key: `k${i}`, value: `v${i}` }))
  const [record] = read({ value: 'a', headers: many(100) }, 't').records
  expect(record?.headers).toHaveLength(100)
  expect(record?.headers?.[1]).toEqual({ key: 'k1', value: Buffer.from('v1') })
  expect(read({ value: 'a', headers: [] }, 't').records[0]).not.toHaveProperty('headers')
  expect(errorOf({ value: 'a', headers: many(101) }, 't')).toMatch(/^INVALID_REQUEST headers are/)
})

const SURROGATE = '\ud800'
test.each([
  ['no object', 'text', 'INVALID_REQUEST a record is an object'],
  ['null', null, 'INVALID_REQUEST a record is an object'],
  ['a topic that is not text', { topic: 1, value: 'a' }, 'INVALID_REQUEST topic must be a string'],
  ['an unknown topic', { topic: 'x', value: 'a' }, 'UNKNOWN_TOPIC unknown topic'],
  ['no value', {}, 'INVALID_REQUEST value must be a string'],
  ['a key that is not text', { value: 'a', key: 1 }, 'INVALID_REQUEST key must be a string'],
  ['half a character in its value', { value: SURROGATE }, 'INVALID_REQUEST key and value must be'],
  ['half a character in its key', { value: 'a', key: SURROGATE }, 'INVALID_REQUEST key and value'],
  [
    'partition -1',
    { value: 'a', partition: -1 },
    'UNKNOWN_PARTITION partition must be a whole number from 0 to 5',
  ],
  ['partition 6 of 6', { value: 'a', partition: 6 }, 'UNKNOWN_PARTITION'],
  ['half a partition', { value: 'a', partition: 0.5 }, 'UNKNOWN_PARTITION'],
  ['headers that are not a list', { value: 'a', headers: {} }, 'INVALID_REQUEST headers are'],
  ['a header that is null', { value: 'a', headers: [null] }, 'INVALID_REQUEST headers are'],
  [
    'a header without a value',
    { value: 'a', headers: [{ key: 'k' }] },
    'INVALID_REQUEST headers are',
  ],
  [
    'a header without a key',
    { value: 'a', headers: [{ value: 'v' }] },
    'INVALID_REQUEST headers are',
  ],
  [
    'half a character in a header',
    { value: 'a', headers: [{ key: 'k', value: SURROGATE }] },
    'INVALID_REQUEST headers are',
  ],
  [
    'half a character in its name',
    { value: 'a', headers: [{ key: SURROGATE, value: 'v' }] },
    'INVALID_REQUEST headers are',
  ],
])('a record with %s is refused, and named where there are several', (_, record, expected) => {
  expect(errorOf(record, 't')?.startsWith(expected)).toBe(true)
  const [code, message] = [expected.split(' ')[0], expected.slice(expected.indexOf(' ') + 1)]
  expect(errorOf([{ value: 'good' }, record], 't')).toContain(`${code} record 1: `)
  if (message !== code) expect(errorOf([record], 't')).toContain(message)
})

test('a record takes as many bytes as the log does, its key, its headers and the last byte included', () => {
  const value = 'v'.repeat(LIMITS.recordBytesMax - 1)
  expect(read({ value, key: 'k' }, 't').records).toHaveLength(1)
  expect(errorOf({ value, key: 'kk' }, 't')).toMatch(/^RECORD_TOO_LARGE/)
  expect(errorOf({ value, key: 'k', headers: [{ key: 'h', value: '' }] }, 't')).toMatch(
    /^RECORD_TOO_LARGE/,
  )
})

test('a request takes as many records as an append does', () => {
  const many = (count: number) => Array(count).fill({ value: 'a' })
  expect(read(many(LIMITS.logAppendRecordsMax), 't').records).toHaveLength(
    LIMITS.logAppendRecordsMax,
  )
  expect(errorOf(many(LIMITS.logAppendRecordsMax + 1), 't')).toMatch(/^TOO_MANY_ITEMS/)
})

test('a body that is not JSON in UTF-8 is refused', () => {
  for (const body of [Buffer.from('{'), Buffer.from('"\xff"', 'latin1'), Buffer.from('\ufeff{}')])
    expect(() => readRecords(body, partitions, 't')).toThrow(KafkaRestError)
  expect(() => readRecords(Buffer.from('{'), partitions, 't')).toThrow('must be JSON in UTF-8')
})
