import { expect, test, vi } from 'vitest'
import { BATCHER_LIMITS } from './batcher-limits.ts'
import { createProduceQueue, type PendingRequest } from './produce-queue.ts'

const limits = {
  ...BATCHER_LIMITS,
  batchRecords: 4,
  batchBytes: 40,
  queueRecords: 6,
  queueBytes: 60,
}

function request(fields: Partial<PendingRequest> & { count?: number } = {}): PendingRequest {
  const { count = 1, ...more } = fields
  return {
    topic: 't',
    records: Array(count).fill({ key: null, value: Buffer.from('v') }),
    bytes: 10 * count,
    orderingKeys: [],
    since: 0,
    state: 'waiting',
    open: new Set(),
    resolve() {},
    reject() {},
    ...more,
  }
}
function queueOf(...requests: PendingRequest[]) {
  const queue = createProduceQueue(limits)
  for (const each of requests) queue.add(each)
  return queue
}

test('a queue is full beyond its records and its bytes, not at them, and an empty one takes anything', () => {
  const queue = queueOf(request({ count: 2 }))
  expect(queue).toMatchObject({ records: 2, bytes: 20 })
  expect(queue.isFullFor(4, 40)).toBe(false)
  expect(queue.isFullFor(5, 1)).toBe(true)
  expect(queue.isFullFor(1, 41)).toBe(true)
  expect(queueOf().isFullFor(1_000, 1_000_000)).toBe(false)
})

test.each([
  ['one record too few', { count: 3, bytes: 39 }, false],
  ['exactly its records', { count: 4, bytes: 4 }, true],
  ['exactly its bytes', { count: 1, bytes: 40 }, true],
])('a queue with %s for a batch says whether one is full', (_, fields, full) => {
  expect(queueOf(request(fields)).holdsFullBatch()).toBe(full)
})

test('a batch holds at most its records and its bytes, exactly those included', () => {
  const three = [request({ count: 2 }), request({ count: 2 }), request()]
  const queue = queueOf(...three)
  expect(queue.take([])).toMatchObject({
    topic: 't',
    records: 4,
    bytes: 40,
    requests: three.slice(0, 2),
  })
  expect(queue).toMatchObject({ records: 1, bytes: 10 })
  expect(queue.take([])).toMatchObject({ records: 1, bytes: 10, requests: [three[2]] })
  expect(queue).toMatchObject({ records: 0, bytes: 0 })
  expect(queue.take([])).toBeUndefined()
  const large = queueOf(request({ bytes: 21 }), request({ bytes: 20 }))
  expect(large.take([])).toMatchObject({ records: 1, bytes: 21 })
})

test('the records of a batch are limited where its bytes are few', () => {
  const queue = queueOf(...[3, 2, 1].map((count) => request({ count, bytes: 1 })))
  expect(queue.take([])).toMatchObject({ records: 4, bytes: 2 })
  expect(queue.take([])).toMatchObject({ records: 2, bytes: 1 })
})

test('a batch is of one topic, and a request larger than a batch goes alone', () => {
  const queue = queueOf(request({ count: 9 }), request({ topic: 'u' }), request())
  expect(queue.take([])).toMatchObject({ topic: 't', records: 9 })
  expect(queue.take([])).toMatchObject({ topic: 'u', records: 1 })
  expect(queue.take([])).toMatchObject({ topic: 't', records: 1 })
})

test('no request overtakes an earlier one on a partition that is busy or waited for', () => {
  const [a, both, b, c] = [
    request({ orderingKeys: ['t/0'] }),
    request({ orderingKeys: ['t/0', 't/1'] }),
    request({ orderingKeys: ['t/1'] }),
    request({ orderingKeys: ['t/2'] }),
  ]
  const queue = queueOf(a, both, b, c)
  const batch = queue.take(['t/0'])
  expect(batch?.requests).toEqual([c])
  expect([...(batch?.orderingKeys ?? [])]).toEqual(['t/2'])
  expect(queue.take(['t/0'])).toBeUndefined()
  expect(queue.take([])?.requests).toEqual([a, both, b])
})

test('a request that was sent is in no other batch, and one that was removed is in none', () => {
  const [gone, next] = [request({ since: 5, count: 2 }), request({ since: 7 })]
  const queue = queueOf(gone, next)
  expect(queue.oldest()).toBe(5)
  queue.remove(gone)
  gone.state = 'completed'
  expect(queue).toMatchObject({ records: 1, bytes: 10 })
  expect(gone.records).toEqual([])
  expect(queue.oldest()).toBe(7)
  expect(queue.take([])?.requests).toEqual([next])
  expect(next.state).toBe('sent')
  expect(queue.take([])).toBeUndefined()
  vi.spyOn(performance, 'now').mockReturnValue(99)
  expect(queue.oldest()).toBe(99)
  vi.restoreAllMocks()
})
