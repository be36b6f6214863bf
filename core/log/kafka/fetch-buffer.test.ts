import { expect, test } from 'vitest'
import type { LogRecord } from '../log.ts'
import { createFetchBuffer, type FetchedPartition } from './fetch-buffer.ts'

const never = new AbortController().signal
const nextTurn = () => new Promise((resolve) => setImmediate(resolve))

/** So many records of a partition from an offset on. */
function fetched(partition: number, from: number, count: number, bytes: number): FetchedPartition {
  const records = Array.from(
    { length: count },
    (_, i): LogRecord => ({
      partition,
      offset: from + i,
      timestamp: 0,
      key: null,
      value: Buffer.alloc(0),
    }),
  )
  return { partition, records, next: from + count, bytes }
}

test.each([
  ['bytes', { recordsMax: 100, bytesMax: 1_000 }],
  ['records', { recordsMax: 4, bytesMax: 1e9 }],
])(
  'a buffer that is full of %s is fetched into again once they were taken, any number of times',
  async (_, limits) => {
    const start = [0, 1].map((partition) => [partition, 0] as const)
    const buffer = createFetchBuffer(new Map(start), limits)
    for (let round = 0; round < 5; round++) {
      let hasSpace = false
      buffer.add([0, 1].map((partition) => fetched(partition, round * 2, 2, 500)))
      void buffer.untilSpace(never).then(() => {
        hasSpace = true
      })
      await nextTurn()
      expect(hasSpace).toBe(false)
      expect(buffer.take()?.recordCount).toBe(4)
      await nextTurn()
      expect(hasSpace).toBe(true)
    }
    expect([0, 1].map((partition) => buffer.nextOf(partition))).toEqual([10, 10])
  },
)
