import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { freeze } from '../../../tests/lib/freeze.ts'
import { type Engines, startEngines } from '../../../tools/engines/engines.ts'
import { collect, readUntil, record, text } from '../log.suite.ts'
import { type Log, OffsetOutOfRangeError } from '../log.ts'
import { KafkaUnreachableError, RecordTooLargeError } from './errors.ts'
import { createKafkaLog, createKafkaTopics, type KafkaOptions } from './kafka-log.ts'

/** kafkajs' admin client, in the place of Kafka's own tools. */
const { Kafka } = createRequire(import.meta.url)('kafkajs')

const topic = 'events'
let home: string
let engines: Engines
let options: KafkaOptions
let log: Log
let errors: unknown[]
let count = 0

async function startKafka(brokers: number): Promise<void> {
  home = mkdtempSync(join(tmpdir(), 'sluice-kafka-'))
  engines = await startEngines({ home, kafka: { brokers, topics: false } })
}
async function stopKafka(): Promise<void> {
  await Promise.all(engines.kafka?.nodes.map((node) => node.kill()) ?? [])
  await engines.stop()
  rmSync(home, { recursive: true, force: true })
}
async function openLog(appendMsMax = 1_500, config: Record<string, string> = {}): Promise<void> {
  errors = []
  options = { brokers: engines.kafka?.brokers ?? [], prefix: `${count++}.` }
  await createKafkaTopics(options, [{ name: topic, partitions: 3, config }])
  log = await createKafkaLog({
    ...options,
    appendMsMax,
    onError: (error) => errors.push(error),
  })
}
const pid = (node = 0) => engines.kafka?.pids[node] as number
const append = (value: string, partition = 0) => log.append(topic, [record(value, partition)])
const end = async (partition = 0) =>
  (await log.offsets(topic))[partition]?.lastStableOffset as number
const works = (value: string, partition?: number) =>
  append(value, partition).then(
    () => true,
    () => false,
  )
async function withAdmin<T>(work: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = new Kafka({ brokers: options.brokers, logLevel: 0 }).admin()
  await admin.connect()
  try {
    return await work(admin)
  } finally {
    await admin.disconnect()
  }
}
interface Admin {
  deleteTopicRecords(of: { topic: string; partitions: object[] }): Promise<void>
  fetchTopicOffsets(topic: string): Promise<unknown>
  deleteTopics(of: { topics: string[] }): Promise<void>
  fetchOffsets(of: {
    groupId: string
    topics: string[]
  }): Promise<{ partitions: { partition: number; offset: string }[] }[]>
}

describe('the Kafka log, when a broker is frozen or gone', () => {
  beforeAll(() => startKafka(1))
  afterAll(stopKafka)
  beforeEach(() => openLog())
  afterEach(() => log.close())

  test('appends reject within their deadline while the broker is frozen, and succeed afterwards', async () => {
    await append('before')
    const thaw = freeze(pid())
    try {
      for (let round = 0; round < 2; round++) {
        const began = Date.now()
        const results = await Promise.allSettled(
          Array.from({ length: 4 }, (_, i) => append(`frozen ${round} ${i}`)),
        )
        expect(results.map(({ status }) => status)).toEqual(Array(4).fill('rejected'))
        expect(Date.now() - began).toBeLessThan(10_000)
      }
    } finally {
      thaw()
    }
    await expect.poll(() => works('after'), { timeout: 10_000 }).toBe(true)
    const found = await readUntil({ log, topic }, new Map([[0, 0]]), await end())
    expect(found.map(({ offset }) => offset)).toEqual(found.map((_, i) => i))
    expect(found.map(text)).toContain('after')
  })

  test('a reader waits while the broker is frozen, does not spin, and reads on afterwards', async () => {
    await append('before')
    const stop = new AbortController()
    const seen: string[] = []
    const reading = collect({ log, topic }, new Map([[0, 0]]), stop.signal, 2, (records) =>
      seen.push(...records.map(text)),
    )
    await expect.poll(() => seen).toEqual(['before'])
    const thaw = freeze(pid())
    // Longer than a silent connection is kept.
    await sleep(6_000)
    thaw()
    await expect.poll(() => works('after'), { timeout: 10_000 }).toBe(true)
    expect((await reading).map(text)).toEqual(['before', 'after'])
    expect(errors.length).toBeLessThan(10)
  })

  test('close resolves within a few seconds while the broker is frozen', async () => {
    await append('v')
    const reading = collect({ log, topic }, new Map([[0, 1]]), AbortSignal.any([]), 1)
    const thaw = freeze(pid())
    try {
      const pending = append('v').catch(() => 'rejected')
      const began = Date.now()
      await log.close()
      expect(Date.now() - began).toBeLessThan(15_000)
      expect(await pending).toBe('rejected')
      expect(await reading).toEqual([])
    } finally {
      thaw()
    }
  })

  test('every acknowledged record survives a SIGKILL of the broker', async () => {
    const stop = new AbortController()
    const acknowledged: string[] = []
    let appending = true
    const busy = (async () => {
      for (let i = 0; appending; i++)
        await append(`${i}`, i % 3).then(
          () => acknowledged.push(`${i}`),
          () => sleep(20),
        )
    })()
    const seen: string[] = []
    const from = new Map([0, 1, 2].map((p) => [p, 0]))
    const reading = collect(
      { log, topic },
      from,
      stop.signal,
      Number.POSITIVE_INFINITY,
      (records) => seen.push(...records.map(text)),
    )
    await expect.poll(() => acknowledged.length).toBeGreaterThan(100)
    await engines.kafka?.nodes[0]?.kill()
    const atKill = acknowledged.length
    await sleep(1_000)
    expect(acknowledged.length).toBeLessThanOrEqual(atKill + 1)
    await engines.kafka?.nodes[0]?.start()
    await expect.poll(() => acknowledged.length, { timeout: 20_000 }).toBeGreaterThan(atKill + 100)
    appending = false
    await busy
    const total = (await log.offsets(topic)).reduce(
      (sum, { lastStableOffset: next }) => sum + next,
      0,
    )
    await expect.poll(() => seen.length, { timeout: 10_000 }).toBe(total)
    stop.abort()
    await reading
    expect(acknowledged.filter((value) => !seen.includes(value))).toEqual([])
  })

  test('without a reachable broker the log does not open, and the error names the addresses and the reason', async () => {
    const began = Date.now()
    const nowhere = createKafkaLog({ brokers: ['127.0.0.1:1', '127.0.0.1:2'], startMsMax: 1_500 })
    await expect(nowhere).rejects.toThrow(KafkaUnreachableError)
    await expect(nowhere).rejects.toThrow('no Kafka broker answers at 127.0.0.1:1, 127.0.0.1:2')
    await expect(nowhere).rejects.toThrow('ECONNREFUSED')
    expect(Date.now() - began).toBeLessThan(10_000)
    await expect(createKafkaLog({ brokers: ['kafka'] })).rejects.toThrow(
      'invalid broker address "kafka", expected host:port',
    )
  })

  test('one reachable broker of several is enough to open the log', async () => {
    const brokers = ['127.0.0.1:1', ...options.brokers]
    const other = await createKafkaLog({ ...options, brokers })
    expect((await other.append(topic, [record('v', 0)]))[0]?.offset).toBe(0)
    await other.close()
  })
})

describe('the Kafka log, when the topic has changed', () => {
  beforeAll(() => startKafka(1))
  afterAll(stopKafka)
  afterEach(() => log.close())
  const named = () => `${options.prefix}${topic}`

  test('records dropped before they were read are an OffsetOutOfRangeError with the number of records, also for a waiting reader', async () => {
    await openLog()
    for (let i = 0; i < 10; i++) await append(`${i}`)
    const dropped = { topic: named(), partitions: [{ partition: 0, offset: '7' }] }
    await withAdmin(async (admin) => {
      // Otherwise kafkajs does not know the leader.
      await admin.fetchTopicOffsets(named())
      await admin.deleteTopicRecords(dropped)
    })
    const failure = readUntil({ log, topic }, new Map([[0, 4]]), 1)
    await expect(failure).rejects.toThrow(OffsetOutOfRangeError)
    await expect(failure).rejects.toMatchObject({ partition: 0, expected: 4, available: 7 })
    await expect(failure).rejects.toThrow(
      '3 records from offset 4 were dropped before they were read',
    )
    expect((await log.offsets(topic))[0]).toEqual({
      partition: 0,
      logStartOffset: 7,
      lastStableOffset: 10,
    })
    expect((await readUntil({ log, topic }, new Map([[0, 7]]), 3)).map(text)).toEqual([
      '7',
      '8',
      '9',
    ])
  })

  test('a recreated topic is an OffsetOutOfRangeError: the offset is beyond its end', async () => {
    await openLog()
    for (let i = 0; i < 10; i++) await append(`${i}`)
    const stop = new AbortController()
    const waiting = collect({ log, topic }, new Map([[0, 10]]), stop.signal, 1)
    waiting.catch(() => {})
    await withAdmin((admin) => admin.deleteTopics({ topics: [named()] }))
    await expect
      .poll(() => createKafkaTopics(options, [{ name: topic, partitions: 3 }]).catch(() => []), {
        timeout: 10_000,
      })
      .toEqual([named()])
    await expect.poll(() => works('new'), { timeout: 10_000 }).toBe(true)
    await expect(waiting).rejects.toThrow()
    await expect(readUntil({ log, topic }, new Map([[0, 10]]), 1)).rejects.toMatchObject({
      name: 'OffsetOutOfRangeError',
      expected: 10,
      available: 1,
    })
  })

  test('a batch too large for the topic is appended in halves, a record too large for it is a RecordTooLargeError', async () => {
    await openLog(5_000, { 'max.message.bytes': '50000' })
    const many = Array.from({ length: 500 }, (_, i) => record(`${i} ${'x'.repeat(1_000)}`, i % 2))
    const positions = await log.append(topic, many)
    const found = await readUntil(
      { log, topic },
      new Map([
        [0, 0],
        [1, 0],
      ]),
      500,
    )
    for (const [i, { partition, offset }] of positions.entries())
      expect(
        text(found.find((each) => each.partition === partition && each.offset === offset)),
      ).toBe(text(many[i]))
    // In their order, too.
    expect(
      found
        .filter(({ partition }) => partition === 0)
        .map((each) => Number.parseInt(text(each), 10)),
    ).toEqual(many.flatMap((_, i) => (i % 2 === 0 ? [i] : [])))
    const large = append('x'.repeat(60_000))
    await expect(large).rejects.toThrow(RecordTooLargeError)
    await expect(large).rejects.toThrow("raise the topic's max.message.bytes")
  })

  test('applied offsets are committed to Kafka, for tools that show lag', async () => {
    await openLog()
    for (let i = 0; i < 10; i++) await append(`${i}`)
    log.applied?.(topic, new Map([[0, 7]]))
    log.applied?.(
      topic,
      new Map([
        [0, 9],
        [1, 0],
      ]),
    )
    const committed = () =>
      withAdmin((admin) =>
        admin.fetchOffsets({ groupId: `${options.prefix}sluice`, topics: [named()] }),
      )
    await expect
      .poll(
        async () =>
          (await committed())[0]?.partitions.find(({ partition }) => partition === 0)?.offset,
        {
          timeout: 10_000,
          interval: 250,
        },
      )
      .toBe('9')
    expect(errors).toEqual([])
  })

  test('an idle log uses less than 5 % of a core', async () => {
    await openLog()
    await append('v')
    const stop = new AbortController()
    const reading = collect({ log, topic }, new Map([[0, 1]]), stop.signal, 1)
    await sleep(500)
    const before = process.cpuUsage()
    await sleep(4_000)
    const { user, system } = process.cpuUsage(before)
    stop.abort()
    await reading
    // Unpatched, kafkajs takes 4 % of a core for each connection; here are four.
    expect((user + system) / 4_000_000).toBeLessThan(0.05)
  })
})

describe('the Kafka log on three brokers', () => {
  beforeAll(() => startKafka(3))
  afterAll(stopKafka)
  beforeEach(() => openLog(4_000, { 'min.insync.replicas': '2' }))
  afterEach(() => log.close())

  test('when a broker is killed another leads within seconds, no acknowledged record is lost and offsets have no gap', async () => {
    const acknowledged = new Map<string, string>()
    let appending = true
    let rejected = 0
    const busy = [0, 1, 2].map(async (partition) => {
      for (let i = 0; appending; i++) {
        const value = `${partition}/${i}`
        await append(value, partition).then(
          ([position]) => acknowledged.set(`${position?.partition}:${position?.offset}`, value),
          () => rejected++,
        )
        await sleep(2)
      }
    })
    const seen = new Map<string, string>()
    const stop = new AbortController()
    const from = new Map([0, 1, 2].map((p) => [p, 0]))
    const reading = collect(
      { log, topic },
      from,
      stop.signal,
      Number.POSITIVE_INFINITY,
      (records) => {
        for (const each of records) seen.set(`${each.partition}:${each.offset}`, text(each))
      },
    )
    // Each broker leads one of the three partitions; Kafka itself takes nine seconds to declare one dead.
    await engines.kafka?.nodes[0]?.kill()
    const led = () =>
      [0, 1, 2].map((p) => [...acknowledged.keys()].filter((at) => at.startsWith(`${p}:`)).length)
    const before = led()
    await expect
      .poll(() => led().every((now, p) => now > (before[p] as number) + 100), { timeout: 40_000 })
      .toBe(true)
    await engines.kafka?.nodes[0]?.start()
    appending = false
    await Promise.all(busy)
    await expect
      .poll(
        async () =>
          (await log.offsets(topic)).reduce((sum, { lastStableOffset: next }) => sum + next, 0),
        {
          timeout: 20_000,
        },
      )
      .toBeGreaterThanOrEqual(acknowledged.size)
    await expect
      .poll(() => [...acknowledged.keys()].filter((at) => !seen.has(at)).length, {
        timeout: 20_000,
      })
      .toBe(0)
    stop.abort()
    await reading
    for (const [at, value] of acknowledged) expect(seen.get(at)).toBe(value)
    expect(rejected).toBeLessThan(100)
  })
})
