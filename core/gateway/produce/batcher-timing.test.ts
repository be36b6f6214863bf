import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { NewRecord, RecordPosition } from '../../log/log.ts'
import { createShouldLinger } from './adaptive-linger.ts'
import { createBatcher } from './batcher.ts'
import type { BatcherLimits } from './batcher-limits.ts'

// With a clock of its own, so that the exact millisecond can be asked about. batcher.test.ts has the real log.

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
})
afterEach(() => {
  vi.useRealTimers()
})

const one = (value = 'v', partition?: number, key?: string): NewRecord[] => [
  { partition, key: key === undefined ? null : Buffer.from(key), value: Buffer.from(value) },
]

/** A batcher whose appends end when the test says so. */
function setUp(limits: Partial<BatcherLimits> = {}) {
  const appends: {
    topic: string
    values: string[]
    signal: AbortSignal | undefined
    confirm: () => Promise<unknown>
    fail: (error: unknown) => Promise<unknown>
  }[] = []
  const reported: unknown[] = []
  const times: number[] = []
  let offset = 0
  const batcher = createBatcher({
    log: {
      append(topic, records, signal) {
        const { promise, resolve, reject } = Promise.withResolvers<RecordPosition[]>()
        appends.push({
          topic,
          values: records.map(({ value }) => String(value)),
          signal,
          confirm: () => {
            resolve(
              records.map(({ partition = 0 }) => ({ partition, offset: offset++, timestamp: 1 })),
            )
            return flushTimers()
          },
          fail: (error) => {
            reject(error)
            return flushTimers()
          },
        })
        return promise
      },
    },
    onAppend: ({ ms, ...append }) => {
      times.push(ms)
      reported.push(append)
    },
    onError: (error) => reported.push(error),
    limits: { lingerMs: 6, deadlineMs: 1_000, inFlight: 2, ...limits },
  })
  const add = (records: NewRecord[], topic = 't') => {
    const outcome: { positions?: RecordPosition[]; error?: { message: string; sent?: boolean } } =
      {}
    void batcher.add(topic, records).then(
      (positions) => Object.assign(outcome, { positions }),
      (error) => Object.assign(outcome, { error }),
    )
    return outcome
  }
  return { appends, reported, times, batcher, add }
}
const flushTimers = () => vi.advanceTimersByTimeAsync(0)
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)

test('a request without records needs no append', async () => {
  const { add, appends } = setUp()
  const none = add([])
  await flushTimers()
  expect(none).toEqual({ positions: [] })
  expect(appends).toEqual([])
})

test('what comes during an append goes in a second one exactly when the oldest has waited the linger', async () => {
  const { add, appends } = setUp()
  add(one('a', 0))
  await pass(2)
  add(one('b', 1))
  await pass(3)
  add(one('c', 2))
  await pass(2)
  expect(appends).toHaveLength(1)
  await pass(1)
  expect(appends.map(({ values }) => values)).toEqual([['a'], ['b', 'c']])
})

test('the end of an append sends what waits at once, and its requests get their own positions', async () => {
  const { add, appends, reported } = setUp()
  const first = add([...one('a', 0), ...one('b', 0)])
  const [second, third] = [add([...one('c', 0, 'key'), ...one('d', 0)]), add(one('e', 0))]
  await flushTimers()
  await appends[0]?.confirm()
  expect(appends[1]?.values).toEqual(['c', 'd', 'e'])
  expect(second).toEqual({})
  await appends[1]?.confirm()
  const offsets = [first, second, third].map(({ positions }) =>
    positions?.map(({ offset }) => offset),
  )
  expect(offsets).toEqual([[0, 1], [2, 3], [4]])
  expect(reported).toEqual([
    { requests: 1, records: 2, bytes: 2 },
    { requests: 2, records: 3, bytes: 6 },
  ])
})

test('a full batch goes in the second append without waiting, and never is there a third', async () => {
  const { add, appends } = setUp({ batchRecords: 2 })
  for (const partition of [0, 1, 2, 3, 4]) add(one(`${partition}`, partition))
  await flushTimers()
  expect(appends.map(({ values }) => values)).toEqual([['0'], ['1', '2']])
  await pass(500)
  expect(appends).toHaveLength(2)
  await appends[1]?.confirm()
  expect(appends[2]?.values).toEqual(['3', '4'])
})

test('a request for a partition whose append is under way waits for its end, whatever the topic beside it does', async () => {
  const { add, appends } = setUp()
  add(one('a', 0))
  add(one('b', 0))
  await pass(20)
  expect(appends).toHaveLength(1)
  add(one('other', 0), 'u')
  await pass(20)
  expect(appends.map(({ topic, values }) => [topic, values])).toEqual([
    ['t', ['a']],
    ['u', ['other']],
  ])
})

test('in dense traffic an append begins the linger after the last one began, and not before', async () => {
  const { add, appends } = setUp({ inFlight: 1 })
  for (let i = 0; i < 40; i++) {
    add(one('x'))
    add(one('y'))
    await flushTimers()
    await appends.at(-1)?.confirm()
    await appends.at(-1)?.confirm()
    await pass(1)
  }
  const before = appends.length
  // 80 requests in 40 ms, and an append each 6 ms once the traffic counts as dense.
  expect(before).toBeLessThan(30)
  const gaps: number[] = []
  let last = performance.now()
  for (let i = 0, count = appends.length; i < 40; i++) {
    add(one('x'))
    add(one('y'))
    await flushTimers()
    if (appends.length > count) {
      gaps.push(performance.now() - last)
      last = performance.now()
      count = appends.length
    }
    await appends.at(-1)?.confirm()
    await pass(1)
  }
  expect(new Set(gaps.slice(1))).toEqual(new Set([6]))
})

test('a request past its deadline is refused; one that waited has left the queue and is never sent', async () => {
  const { add, appends } = setUp({ deadlineMs: 100, inFlight: 1 })
  const [sent, queued] = [add(one('sent')), add(one('queued'))]
  await pass(99)
  expect([sent, queued]).toEqual([{}, {}])
  await pass(1)
  expect(sent.error).toMatchObject({ name: 'ProduceTimeoutError', sent: true })
  expect(queued.error).toMatchObject({ name: 'ProduceTimeoutError', sent: false })
  expect(sent.error?.message).toBe('the log did not confirm within 100 ms')
  await appends[0]?.confirm()
  expect(sent.positions).toBeUndefined()
  expect(appends).toHaveLength(1)
})

test('each request has its own deadline, whatever became of the ones before it', async () => {
  const { add, appends } = setUp({ deadlineMs: 100, inFlight: 1 })
  const answered = add(one('answered'))
  await appends[0]?.confirm()
  await pass(30)
  const first = add(one('first'))
  await pass(50)
  const second = add(one('second'))
  await pass(49)
  expect([first, second]).toEqual([{}, {}])
  await pass(1)
  expect([first.error?.sent, second]).toEqual([true, {}])
  await pass(49)
  expect(second).toEqual({})
  await pass(1)
  expect(second.error?.sent).toBe(false)
  expect(answered.positions).toHaveLength(1)
})

test('an append that never ends is given up after two deadlines, its signal aborts, and the next one goes', async () => {
  const { add, appends, reported } = setUp({ deadlineMs: 100, inFlight: 1 })
  add(one('deaf'))
  await pass(150)
  add(one('next'))
  await pass(49)
  expect(appends[0]?.signal?.aborted).toBe(false)
  await pass(1)
  expect(appends[0]?.signal?.aborted).toBe(true)
  expect(appends[1]?.values).toEqual(['next'])
  expect(reported).toMatchObject([{ name: 'TimeoutError' }])
})

test('a log that fails refuses every request of the append, and says that they may have been sent', async () => {
  const { add, appends, reported } = setUp({ inFlight: 1 })
  add(one('first'))
  const both = [add(one('a')), add(one('b'))]
  await flushTimers()
  await appends[0]?.confirm()
  const error = new Error('disk full')
  await appends[1]?.fail(error)
  for (const { error: refused } of both)
    expect(refused).toMatchObject({ name: 'ProduceTimeoutError', sent: true, cause: error })
  expect(appends[1]?.signal?.aborted).toBe(false)
  expect(reported.slice(1)).toEqual([error])
})

test('of a batch that is too large only the request at fault is refused, and one past its deadline is left out', async () => {
  const { add, appends } = setUp({ inFlight: 1, deadlineMs: 100 })
  add(one('first'))
  const old = add(one('old'))
  await pass(60)
  const [bad, good] = [add(one('bad')), add(one('good'))]
  await appends[0]?.confirm()
  expect(appends[1]?.values).toEqual(['old', 'bad', 'good'])
  await pass(45)
  expect(old.error).toMatchObject({ sent: true })
  const tooLarge = new RangeError('too large')
  await appends[1]?.fail(tooLarge)
  // The half of `old` alone has nobody who waits.
  expect(appends[2]?.values).toEqual(['bad', 'good'])
  await appends[2]?.fail(tooLarge)
  expect(appends[3]?.values).toEqual(['bad'])
  await appends[3]?.fail(tooLarge)
  expect(bad.error).toMatchObject({ name: 'KafkaRestError', code: 'RECORD_TOO_LARGE' })
  await appends[4]?.confirm()
  expect(good.positions).toHaveLength(1)
  expect(appends).toHaveLength(5)
})

test('closing sends what waits without lingering, refuses what comes, and ends when nothing is under way', async () => {
  const { add, appends, batcher } = setUp()
  add(one('a', 0))
  add(one('b', 1))
  await flushTimers()
  expect(appends).toHaveLength(1)
  let ended = 0
  for (const closing of [batcher.close(), batcher.close()]) void closing.then(() => ended++)
  await flushTimers()
  expect(appends).toHaveLength(2)
  expect(add(one('late'))).toEqual({})
  const late = add(one('late'))
  await flushTimers()
  expect(late.error).toMatchObject({ sent: false, message: 'the gateway is closing' })
  await appends[0]?.confirm()
  expect(ended).toBe(0)
  await appends[1]?.confirm()
  expect(ended).toBe(2)
})

test('closing ends too when the last request that waits gives up', async () => {
  const { add, appends, batcher } = setUp({ inFlight: 1, deadlineMs: 100 })
  add(one('a', 0))
  await pass(50)
  const waiting = add(one('b', 0))
  let ended = false
  void batcher.close().then(() => {
    ended = true
  })
  await pass(100)
  expect(waiting.error).toMatchObject({ sent: false })
  expect([appends.length, ended]).toEqual([1, false])
  await appends[0]?.confirm()
  expect([appends.length, ended]).toEqual([1, true])
})

test('the queue refuses what does not fit beside what waits, counted with keys', async () => {
  const { add } = setUp({ inFlight: 1, queueBytes: 10 })
  add(one('a'))
  const waits = add(one('12345', undefined, '123'))
  const [over, fits] = [add(one('1', undefined, '12')), add(one('1', undefined, '1'))]
  await flushTimers()
  expect(over.error).toMatchObject({ sent: false, message: 'too many records wait for the log' })
  expect([waits, fits]).toEqual([{}, {}])
})

test('a sender that waits for each response never lingers, however fast it is', async () => {
  const { add, appends, times } = setUp()
  for (let i = 0; i < 60; i++) {
    add(one(`${i}`))
    await pass(1)
    expect(appends).toHaveLength(i + 1)
    await appends[i]?.confirm()
  }
  expect(new Set(times)).toEqual(new Set([1]))
})

test('records without a partition have no order to keep, so their appends overlap', async () => {
  const { add, appends } = setUp()
  add(one('a'))
  add(one('b'))
  await pass(6)
  expect(appends.map(({ values }) => values)).toEqual([['a'], ['b']])
})

test('what was given up or confirmed takes no room in the queue, and its deadline passes without a trace', async () => {
  const { add, appends } = setUp({ inFlight: 1, queueRecords: 2, deadlineMs: 100 })
  add(one('a'))
  add(one('given up'))
  add(one('given up'))
  await pass(100)
  await appends[0]?.confirm()
  expect(appends).toHaveLength(1)
  for (let round = 1; round < 3; round++) {
    const sent = add(one('sent'))
    const [first, second, over] = [add(one('1')), add(one('2')), add(one('3'))]
    await flushTimers()
    expect(over.error).toMatchObject({ message: 'too many records wait for the log' })
    expect([first, second]).toEqual([{}, {}])
    await appends.at(-1)?.confirm()
    await appends.at(-1)?.confirm()
    expect([sent, first, second].map(({ positions }) => positions?.length)).toEqual([1, 1, 1])
    await pass(300)
  }
})

test('traffic is dense when requests come within a third of the linger and overlap, and after a pause it is not', async () => {
  const shouldLinger = createShouldLinger(30)
  const next = async (gapMs: number, overlaps: boolean) => {
    await pass(gapMs)
    return shouldLinger(overlaps)
  }
  const many = async (count: number, gapMs: number, overlaps: (i: number) => boolean) => {
    let last = false
    for (let i = 0; i < count; i++) last = await next(gapMs, overlaps(i))
    return last
  }
  expect(await many(60, 5, () => false)).toBe(false)
  expect(await many(60, 11, () => true)).toBe(false)
  expect(await many(60, 9, () => true)).toBe(true)
  // One request in twenty overlaps: chance.
  expect(await many(59, 5, (i) => i % 20 === 0)).toBe(false)
  expect(await many(60, 5, () => true)).toBe(true)
  // A pause of any length weighs as ten gaps.
  expect(await next(3_600_000, true)).toBe(false)
  let needed = 0
  while (!(await next(5, true))) needed++
  expect(needed).toBe(6)
})
