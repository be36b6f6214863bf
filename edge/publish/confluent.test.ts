import { expect, it } from 'vitest'
import type { ProduceRecord } from '../../contract/log/kafka-rest.ts'
import { createConfluentClient } from './confluent.ts'
import type { KafkaRestRequest } from './publisher.ts'

const TOPIC = 'events.raw'
const client = createConfluentClient({ url: 'http://proxy.test' })
const at = (...partitions: number[]): ProduceRecord[] =>
  partitions.map((partition) => ({ topic: TOPIC, partition, value: '{}' }))

/** The offsets, or the error, that the client makes of a response. */
function offsetsOf(partitions: number[], offsets: object[]) {
  return client(at(...partitions), async <T>(_: KafkaRestRequest, read: (of: unknown) => T) =>
    read({ offsets }),
  ).catch(({ name, isRetryable }) => (isRetryable === undefined ? name : { name, isRetryable }))
}

it.each<[string, object]>([
  ['no error code', {}],
  ['null as error code', { error_code: null, error: null }],
  ['0 as error code', { error_code: 0 }],
])('a record with %s is in the log', async (_, code) => {
  expect(
    await offsetsOf(
      [4, 2],
      [
        { partition: 4, offset: 7, ...code },
        { partition: 2, offset: 0, ...code },
      ],
    ),
  ).toEqual([
    { partition: 4, offset: 7 },
    { partition: 2, offset: 0 },
  ])
})

it.each<[number[], boolean]>([
  [[2], true],
  [[50003, 2], true],
  [[1], false],
  [[50002], false],
  [[2, 50002], false],
  [[1, 50003], false],
])('a response with the error codes %j may succeed at once: %s', async (codes, isRetryable) => {
  const failed = codes.map((error_code) => ({ partition: null, offset: null, error_code }))
  const offsets = [{ partition: 0, offset: 3, error_code: null }, ...failed]
  const partitions = offsets.map(() => 0)
  expect(await offsetsOf(partitions, offsets)).toEqual({ name: 'ProduceError', isRetryable })
})

it('offsets by partition are counted on in the order of the records', async () => {
  const offsets = [
    { partition: 5, offset: 40 },
    { partition: 1, offset: 9 },
  ]
  expect(await offsetsOf([1, 5, 1, 5, 5], offsets)).toEqual([
    { partition: 1, offset: 9 },
    { partition: 5, offset: 40 },
    { partition: 1, offset: 10 },
    { partition: 5, offset: 41 },
    { partition: 5, offset: 42 },
  ])
})

it.each<[string, number[], object[]]>([
  ['too few partitions', [1, 5], [{ partition: 1, offset: 0 }]],
  [
    'another partition',
    [1, 5],
    [
      { partition: 1, offset: 0 },
      { partition: 4, offset: 0 },
    ],
  ],
  [
    'a partition twice',
    [1, 5, 5],
    [
      { partition: 5, offset: 0 },
      { partition: 5, offset: 1 },
    ],
  ],
  [
    'a partition too many',
    [1],
    [
      { partition: 1, offset: 0 },
      { partition: 2, offset: 0 },
    ],
  ],
  ['a negative offset', [1], [{ partition: 1, offset: -1 }]],
  ['a fraction as offset', [1], [{ partition: 1, offset: 0.5 }]],
  ['no offset', [1], [{ partition: 1 }]],
  ['no partition', [1], [{ offset: 1 }]],
])('a response with %s breaks the protocol', async (_, partitions, offsets) => {
  expect(await offsetsOf(partitions, offsets)).toBe('ProtocolError')
})
