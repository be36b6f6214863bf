import { expect, test } from 'vitest'
import type { PartitionOffsets } from '../../log/log.ts'
import { createHighWatermarks } from './high-watermarks.ts'

/** A log whose replies the test gives, in the order of the reads. */
function watchedLog() {
  const reads: (PromiseWithResolvers<PartitionOffsets[]> & { topic: string })[] = []
  const highWatermarks = createHighWatermarks({
    offsets(topic) {
      const read = { topic, ...Promise.withResolvers<PartitionOffsets[]>() }
      reads.push(read)
      return read.promise
    },
  })
  /** What a caller gets: the end of partition 0, or the error's message. */
  const endOf = (topic: string) =>
    highWatermarks.read(topic).then(
      (offsets) => offsets.get(0)?.lastStableOffset,
      ({ message }: Error) => message,
    )
  const reply = (read: number, end: number) =>
    reads[read]?.resolve([
      { partition: 0, logStartOffset: 0, lastStableOffset: end, logEndOffset: end },
    ])
  return { reads, endOf, reply }
}

test('no caller gets offsets of a read that began before it asked, and those who wait share the next read', async () => {
  const { reads, endOf, reply } = watchedLog()
  const first = endOf('a')
  const during = [endOf('a'), endOf('a'), endOf('a')]
  expect(reads).toHaveLength(1)
  reply(0, 1)
  expect(await first).toBe(1)
  await expect.poll(() => reads.length).toBe(2)
  const later = [endOf('a'), endOf('a')]
  reply(1, 2)
  expect(await Promise.all(during)).toEqual([2, 2, 2])
  await expect.poll(() => reads.length).toBe(3)
  reply(2, 3)
  expect(await Promise.all(later)).toEqual([3, 3])
  const idle = endOf('a')
  reply(3, 4)
  expect([await idle, reads.length]).toEqual([4, 4])
})

test('a read that fails fails nobody who asked after it began', async () => {
  const { reads, endOf, reply } = watchedLog()
  const first = endOf('a')
  const next = endOf('a')
  reads[0]?.reject(new Error('away'))
  expect(await first).toBe('away')
  await expect.poll(() => reads.length).toBe(2)
  reply(1, 7)
  expect(await next).toBe(7)
})

test('a topic is read while another one is', async () => {
  const { reads, endOf, reply } = watchedLog()
  const both = [endOf('a'), endOf('b')]
  expect(reads.map(({ topic }) => topic)).toEqual(['a', 'b'])
  reply(1, 2)
  reply(0, 1)
  expect(await Promise.all(both)).toEqual([1, 2])
})
