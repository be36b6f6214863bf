import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import type { Log, NewRecord, RecordPosition } from '../../log/log.ts'
import { createPostgresLog } from '../../log/postgres/postgres-log.ts'
import { type Batcher, createBatcher } from './batcher.ts'
import type { BatcherLimits } from './batcher-limits.ts'
import { ProduceTimeoutError } from './produce-timeout-error.ts'

const topic = 'events.raw'

let database: TestDatabase
let log: Log
/** The real log behind a valve: while it is shut, appends wait. */
let valve: ReturnType<typeof createValve>
let batcher: Batcher
let errors: unknown[]

function start(limits: Partial<BatcherLimits> = {}) {
  errors = []
  batcher = createBatcher({
    log: { append: valve.append },
    onError: (error) => errors.push(error),
    limits,
  })
}
beforeEach(async () => {
  database = await createTestDatabase()
  log = await createPostgresLog({ url: database.url })
  valve = createValve(log)
  start()
})
afterEach(async () => {
  valve.open()
  await batcher.close()
  await log.close()
  await database.drop()
})

const one = (value: string, partition = 0): NewRecord[] => [
  { partition, key: Buffer.from('k'), value: Buffer.from(value) },
]
const sizes = () => valve.appends.map((records) => records.length)

describe('batching', () => {
  test('an idle batcher appends a request at once and alone', async () => {
    await batcher.add(topic, one('a'))
    await batcher.add(topic, one('b'))
    expect(sizes()).toEqual([1, 1])
  })

  test('requests that come during an append share the next one, in their order', async () => {
    valve.shut()
    const first = batcher.add(topic, one('first'))
    const rest = Array.from({ length: 100 }, (_, i) => batcher.add(topic, one(`${i}`)))
    await expect.poll(sizes).toEqual([1])
    valve.open()
    const positions = (await Promise.all([first, ...rest])).flat()
    expect(sizes()).toEqual([1, 100])
    expect(positions.map((position) => position.offset)).toEqual(positions.map((_, i) => i))
  })

  test('records of another partition wait at most the linger for a second append', async () => {
    valve.shut()
    const waiting = [batcher.add(topic, one('slow', 0))]
    for (let i = 0; i < 10; i++) waiting.push(batcher.add(topic, one(`${i}`, 1)))
    await expect.poll(sizes).toEqual([1, 10])
    valve.open()
    await Promise.all(waiting)
  })

  test('never more than two appends are under way', async () => {
    valve.shut()
    const waiting = Array.from({ length: 6 }, (_, p) => batcher.add(topic, one('v', p)))
    await expect.poll(() => valve.waiting()).toBe(2)
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(valve.waiting()).toBe(2)
    valve.open()
    await Promise.all(waiting)
  })

  test('a full batch does not wait for the linger, and none is larger than allowed', async () => {
    await batcher.close()
    start({ batchRecords: 10, lingerMs: 500 })
    valve.shut()
    const waiting = Array.from({ length: 35 }, (_, i) =>
      batcher.add(topic, one(`${i}`, i === 0 ? 0 : 1)),
    )
    await expect.poll(sizes).toEqual([1, 10])
    valve.open()
    await Promise.all(waiting)
    expect(Math.max(...sizes())).toBe(10)
  })

  test('dense traffic goes in few appends, and its last request does not wait for more', async () => {
    await batcher.close()
    start({ lingerMs: 50 })
    const results: Promise<RecordPosition[]>[] = []
    for (let i = 0; i < 200; i += 2) {
      results.push(batcher.add(topic, one(`${i}`, i % 6)), batcher.add(topic, one('v', 5)))
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    const began = performance.now()
    await Promise.all(results)
    expect(performance.now() - began).toBeLessThan(10_000)
    expect(sizes().length).toBeLessThan(80)
  })

  test('a sender that waits for each response never lingers', async () => {
    await batcher.close()
    start({ lingerMs: 500 })
    const began = performance.now()
    for (let i = 0; i < 50; i++) await batcher.add(topic, one(`${i}`))
    expect(performance.now() - began).toBeLessThan(20_000)
    expect(sizes()).toEqual(Array(50).fill(1))
  })

  test('a request larger than a batch is appended alone', async () => {
    await batcher.close()
    start({ batchRecords: 10 })
    const positions = await batcher.add(
      topic,
      Array.from({ length: 25 }, (_, i) => one(`${i}`)[0] as NewRecord),
    )
    expect(positions).toHaveLength(25)
  })
})

describe('ordering', () => {
  test('concurrent appends never share a partition, and no request overtakes an earlier one', async () => {
    valve.shut()
    const a = batcher.add(topic, one('a', 0))
    const both = batcher.add(topic, [...one('b', 0), ...one('b', 1)])
    // Partition 1 is free, but the request before it waits for 0 and 1.
    const c = batcher.add(topic, one('c', 1))
    const d = batcher.add(topic, one('d', 2))
    await expect.poll(() => valve.waiting()).toBe(2)
    expect(valve.appends.map((records) => records.map(({ value }) => String(value)))).toEqual([
      ['a'],
      ['d'],
    ])
    valve.open()
    const [, bs, cs] = await Promise.all([a, both, c, d])
    expect(cs[0]?.offset).toBeGreaterThan(bs[1]?.offset as number)
  })

  test('the records of one key stay in order under load, whatever the batches', async () => {
    const keys = Array.from({ length: 12 }, (_, k) => k)
    const sent = keys.map(() => [] as Promise<RecordPosition[]>[])
    for (let i = 0; i < 50; i++) {
      for (const k of keys) sent[k]?.push(batcher.add(topic, one(`${k}:${i}`, k % 6)))
      if (i % 7 === 0) await new Promise((resolve) => setTimeout(resolve, 1))
    }
    for (const each of sent) {
      const offsets = (await Promise.all(each)).map(([position]) => position?.offset as number)
      expect(offsets).toEqual([...offsets].sort((a, b) => a - b))
    }
    expect(sizes().length).toBeLessThan(300)
  })
})

describe('errors', () => {
  test('a rejected append fails each of its requests, and no other', async () => {
    valve.shut()
    const first = batcher.add(topic, one('a'))
    const second = batcher.add(topic, one('b'))
    await expect.poll(() => valve.waiting()).toBe(1)
    valve.fail(new Error('disk full'))
    await expect(first).rejects.toMatchObject({ name: 'ProduceTimeoutError', sent: true })
    valve.open()
    expect(await second).toMatchObject([{ offset: 0 }])
    expect(errors).toHaveLength(1)
  })

  test('only the request that is too large for the log is refused; the others of its batch are appended', async () => {
    valve.refuseAbove(100)
    valve.shut()
    const first = batcher.add(topic, one('first'))
    const values = Array.from({ length: 9 }, (_, i) => (i === 5 ? 'x'.repeat(101) : `${i}`))
    const appends = values.map((value) => batcher.add(topic, one(value)))
    await expect.poll(sizes).toEqual([1])
    valve.open()
    await first
    const results = await Promise.allSettled(appends)
    expect(results[5]).toMatchObject({
      reason: { name: 'KafkaRestError', code: 'RECORD_TOO_LARGE', status: 413 },
    })
    const offsets = results.flatMap((each) => (each.status === 'fulfilled' ? each.value : []))
    expect(offsets.map(({ offset }) => offset)).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
    expect(errors).toEqual([expect.any(RangeError)])
    expect(sizes().length).toBeLessThan(12)
  })

  test('a request past its deadline is rejected, and leaves the queue if it was not sent yet', async () => {
    await batcher.close()
    start({ deadlineMs: 150 })
    valve.shut()
    const results = await Promise.allSettled([
      batcher.add(topic, one('sent')),
      batcher.add(topic, one('queued')),
    ])
    expect(results).toMatchObject([{ reason: { sent: true } }, { reason: { sent: false } }])
    valve.open()
    await batcher.add(topic, one('later'))
    expect(valve.appends.flat().map(({ value }) => String(value))).not.toContain('queued')
  })

  test('a log that never results blocks no request for longer than the deadline', async () => {
    await batcher.close()
    const deaf = createBatcher({
      log: { append: () => new Promise(() => {}) },
      limits: { deadlineMs: 100 },
    })
    for (let round = 0; round < 2; round++) {
      const began = performance.now()
      const results = await Promise.allSettled(
        [0, 1, 2, 3].map((p) => deaf.add(topic, one('v', p))),
      )
      expect(results.every(({ status }) => status === 'rejected')).toBe(true)
      expect(performance.now() - began).toBeLessThan(5_000)
    }
    await deaf.close()
  })

  test('a request to a full queue is refused at once, by records and by bytes', async () => {
    for (const limits of [{ queueRecords: 5 }, { queueBytes: 10 }]) {
      await batcher.close()
      start(limits)
      valve.shut()
      const first = batcher.add(topic, one('1'))
      const fitting = Array.from({ length: 5 }, () => batcher.add(topic, one('1')))
      const began = performance.now()
      await expect(batcher.add(topic, one('1'))).rejects.toThrow(ProduceTimeoutError)
      expect(performance.now() - began).toBeLessThan(2_000)
      valve.open()
      expect(await Promise.all([first, ...fitting])).toHaveLength(6)
    }
  })

  test('close drains the accepted requests and refuses new ones', async () => {
    valve.shut()
    const taken = Array.from({ length: 20 }, (_, i) => batcher.add(topic, one(`${i}`, i % 6)))
    const closing = batcher.close()
    await expect(batcher.add(topic, one('late'))).rejects.toMatchObject({ sent: false })
    valve.open()
    await closing
    expect((await Promise.all(taken)).flat()).toHaveLength(20)
    await batcher.close()
  })
})

function createValve(log: Log) {
  const held = new Set<{ resolve: () => void; reject: (error: Error) => void }>()
  const appends: NewRecord[][] = []
  let isShut = false
  let bytesMax = Number.POSITIVE_INFINITY
  return {
    appends,
    append: async (topic: string, records: readonly NewRecord[]): Promise<RecordPosition[]> => {
      appends.push([...records])
      if (isShut) {
        const { promise, resolve, reject } = Promise.withResolvers<void>()
        const turn = { resolve, reject }
        held.add(turn)
        await promise.finally(() => held.delete(turn))
      }
      if (records.some(({ value }) => value.length > bytesMax)) throw new RangeError('too large')
      return log.append(topic, records)
    },
    /** As a Kafka topic with a lower limit than the gateway's does. */
    refuseAbove(bytes: number) {
      bytesMax = bytes
    },
    waiting: () => held.size,
    shut() {
      isShut = true
    },
    open() {
      isShut = false
      for (const turn of held) turn.resolve()
    },
    /** Fails the appends that wait now. */
    fail(error: Error) {
      for (const turn of held) turn.reject(error)
    },
  }
}
