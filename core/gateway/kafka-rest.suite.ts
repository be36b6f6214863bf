import { Kafka } from '@upstash/kafka'
import { Hono } from 'hono'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { LIMITS } from '../../contract/limits.ts'
import type { ConsumedMessage } from '../../contract/log/kafka-rest.ts'
import { type Served, serveApp } from '../api/http/serve.ts'
import { createDatabase, type Database } from '../db/database.ts'
import type { Log } from '../log/log.ts'
import { createKafkaRest, type KafkaRest } from './kafka-rest.ts'

const user = { name: 'sluice', password: 'a secret', scope: 'all' } as const
const raw = 'events.raw'
const dlq = 'events.dlq'

/** @upstash/kafka against our REST API, over every log driver. */
export function kafkaRestSuite(
  name: string,
  make: () => Promise<{ log: Log; databaseUrl: string; close(): Promise<void> }>,
): void {
  let at: Awaited<ReturnType<typeof make>>
  let db: Database
  let pool: pg.Pool
  let gateways: { rest: KafkaRest; served: Served }[]
  let kafka: Kafka

  /** Another process, on the same log and the same Postgres. */
  async function open(): Promise<Kafka> {
    const rest = createKafkaRest({
      log: at.log,
      db,
      users: [user],
    })
    const served = await serveApp(new Hono().route('/gateway', rest.app), { port: 0 })
    gateways.push({ rest, served })
    return new Kafka({
      url: `${served.url}/gateway`,
      username: user.name,
      password: user.password,
    })
  }
  beforeEach(async () => {
    at = await make()
    db = createDatabase(at.databaseUrl, { max: 4 })
    pool = new pg.Pool({ connectionString: at.databaseUrl, max: 2 })
    gateways = []
    kafka = await open()
  })
  afterEach(async () => {
    for (const { rest, served } of gateways) {
      await rest.close()
      await served.close(100)
    }
    await Promise.all([db.destroy(), pool.end()])
    await at.close()
  })

  async function ask(path: string, body?: unknown, headers: Record<string, string> = {}) {
    const response = await fetch(`${gateways[0]?.served.url}/gateway/${path}`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(`${user.name}:${user.password}`)}`, ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    return { status: response.status, json: await response.json() }
  }
  const put = (...values: string[]) =>
    kafka
      .producer()
      .produceMany(
        values.map((value, i) => ({ topic: raw, value, partition: i % 6, key: `k${i}` })),
      )
  const valuesOf = (messages: ConsumedMessage[]) => messages.map(({ value }) => value).sort()
  const asConsumer = (more: object = {}) => ({
    consumerGroupId: 'group',
    instanceId: 'one',
    topics: [raw],
    timeout: 0,
    autoOffsetReset: 'earliest' as const,
    ...more,
  })
  const consume = async (more: object = {}, by = kafka) =>
    (await by.consumer().consume(asConsumer(more))) as ConsumedMessage[]
  const positionsOfWorker = async () =>
    (await pool.query('SELECT * FROM log_position ORDER BY 1, 2')).rows
  /** As if so much time had passed for all consumers. */
  const pass = (seconds: number) =>
    pool.query(
      `WITH i AS (UPDATE rest_instance SET expires_at = expires_at - $1 * interval '1 s')
       UPDATE rest_position SET commits_at = commits_at - $1 * interval '1 s'`,
      [seconds],
    )

  describe(`@upstash/kafka over the ${name} log`, () => {
    test('fetches from an offset what it produced: keys, headers, partition and time', async () => {
      const before = Date.now()
      const headers = [
        { key: 'trace', value: 'ä' },
        { key: 'trace', value: '' },
      ]
      const sent = await kafka.producer().produceMany([
        { topic: raw, value: 'first', key: 'clé', partition: 3, headers },
        { topic: raw, value: { second: 2 }, partition: 3 },
      ])
      const found = await kafka
        .consumer()
        .fetch({ topic: raw, partition: 3, offset: 0, timeout: 0 })
      expect(found).toEqual([
        { ...sent[0], key: 'clé', value: 'first', headers },
        { ...sent[1], key: '', value: '{"second":2}', headers: [] },
      ])
      expect(found[0]?.timestamp).toBeGreaterThanOrEqual(before - 1)
      expect(
        await kafka.consumer().fetch({ topic: raw, partition: 3, offset: 1, timeout: 0 }),
      ).toEqual(found.slice(1))
    })

    test('fetches from several topics and partitions, one by one and in one request', async () => {
      await put('a', 'b', 'c')
      await kafka.producer().produce(dlq, 'd', { partition: 2 })
      const request = {
        topic: raw,
        partition: 1,
        offset: 0,
        topicPartitionOffsets: [
          { topic: raw, partition: 2, offset: 0 },
          { topic: dlq, partition: 2, offset: 0 },
          { topic: raw, partition: 4, offset: 0 },
        ],
        timeout: 0,
      }
      for (const parallel of [true, false])
        expect(valuesOf(await kafka.consumer().fetch(request, { parallel }))).toEqual([
          'b',
          'c',
          'd',
        ])
    })

    test('waits for records that are not there yet, at most for the timeout', async () => {
      const position = { topic: raw, partition: 0, offset: 0 }
      const began = performance.now()
      expect(await kafka.consumer().fetch({ ...position, timeout: 300 })).toEqual([])
      expect(performance.now() - began).toBeGreaterThan(290)
      const late = kafka.consumer().fetch({ ...position, timeout: 20_000 })
      const again = performance.now()
      await put('now')
      expect(valuesOf(await late)).toEqual(['now'])
      expect(performance.now() - again).toBeLessThan(15_000)
    })

    test('receives records that another gateway appended', async () => {
      const other = await open()
      const late = other.consumer().fetch({ topic: raw, partition: 0, offset: 0, timeout: 20_000 })
      await put('elsewhere')
      expect(valuesOf(await late)).toEqual(['elsewhere'])
    })

    test('gets responses of limited size, whatever is in the log', async () => {
      const many = Array.from({ length: 1_500 }, (_, i) => ({
        topic: raw,
        value: `${i}`,
        partition: 0,
      }))
      await kafka.producer().produceMany(many)
      const first = await kafka
        .consumer()
        .fetch({ topic: raw, partition: 0, offset: 0, timeout: 0 })
      expect(first).toHaveLength(LIMITS.gatewayReadRecordsMax)
      const large = Array.from({ length: 4 }, () => ({
        topic: raw,
        value: 'x'.repeat(600_000),
        partition: 1,
      }))
      for (const each of large) await kafka.producer().produceMany([each])
      const second = await kafka
        .consumer()
        .fetch({ topic: raw, partition: 1, offset: 0, timeout: 0 })
      // At most a megabyte, or one record.
      expect(second.length).toBeGreaterThan(0)
      expect(second.length).toBeLessThanOrEqual(2)
    })

    test('fetches the largest accepted record whole, with others before and after it', async () => {
      const value = 'ß'.repeat((LIMITS.recordBytesMax - 10) / 2)
      await put('before')
      await kafka.producer().produceMany([{ topic: raw, value, key: 'k', partition: 0 }])
      await put('behind')
      const seen: string[] = []
      while (seen.length < 3) {
        const position = { topic: raw, partition: 0, offset: seen.length, timeout: 5_000 }
        const found = await kafka.consumer().fetch(position)
        expect(found.length).toBeGreaterThan(0)
        seen.push(...found.map((each) => (each.value === value ? 'largest' : each.value)))
      }
      expect(seen).toEqual(['before', 'largest', 'behind'])
    })

    test('reads offsets by time, and the ends of the log by name', async () => {
      await put('a')
      await new Promise((resolve) => setTimeout(resolve, 20))
      const between = Date.now()
      await new Promise((resolve) => setTimeout(resolve, 20))
      await put('b')
      const topicPartitions = [
        { topic: raw, partition: 0 },
        { topic: raw, partition: 5 },
        { topic: dlq, partition: 1 },
      ]
      const at = async (timestamp: number | 'earliest' | 'latest') =>
        (await kafka.admin().topicPartitionOffsets({ timestamp, topicPartitions })).map(
          ({ offset }) => offset,
        )
      expect(await at('earliest')).toEqual([0, 0, 0])
      expect(await at('latest')).toEqual([2, 0, 0])
      expect(await at(between)).toEqual([1, 0, 0])
      expect(await at(Date.now() + 60_000)).toEqual([2, 0, 0])
      expect(
        await kafka.admin().topicPartitionOffsets({
          timestamp: 'latest',
          topicPartition: { topic: raw, partition: 0 },
        }),
      ).toEqual([{ topic: raw, partition: 0, offset: 2 }])
    })

    test('lists topics with their number of partitions', async () => {
      expect(await kafka.admin().topics()).toEqual({ [raw]: 6, [dlq]: 3 })
    })
  })

  describe(`a consumer group over the ${name} log`, () => {
    test('is handed each record once, request after request', async () => {
      await put('a', 'b', 'c')
      expect(valuesOf(await consume())).toEqual(['a', 'b', 'c'])
      expect(await consume()).toEqual([])
      await put('d')
      expect(valuesOf(await consume())).toEqual(['d'])
    })

    test('reads several topics', async () => {
      await put('a')
      await kafka.producer().produce(dlq, 'b', { partition: 1 })
      const found = await consume({ topics: [raw, dlq] })
      expect(found.map(({ topic, value }) => [topic, value]).sort()).toEqual([
        [dlq, 'b'],
        [raw, 'a'],
      ])
    })

    test('begins at the end by default, and then misses nothing between two requests', async () => {
      await put('before')
      expect(await consume({ autoOffsetReset: undefined })).toEqual([])
      await put('between')
      expect(valuesOf(await consume({ autoOffsetReset: undefined }))).toEqual(['between'])
    })

    test('waits for records, and hands them out at once when they come', async () => {
      const late = consume({ timeout: 20_000 })
      await put('now')
      const began = performance.now()
      expect(valuesOf(await late)).toEqual(['now'])
      expect(performance.now() - began).toBeLessThan(15_000)
    })

    test('commits handed-out records at the next request or after the auto-commit interval', async () => {
      const of = [{ topic: raw, partition: 0 }]
      const committed = () =>
        kafka
          .consumer()
          .committed({ consumerGroupId: 'group', instanceId: 'one', topicPartitions: of })
      await put('a')
      await consume()
      expect(await committed()).toEqual([])
      await consume()
      expect(await committed()).toEqual([{ topic: raw, partition: 0, offset: 1 }])
      await put('b')
      await consume()
      expect(await committed()).toEqual([{ topic: raw, partition: 0, offset: 1 }])
      await pass(6)
      expect(await committed()).toEqual([{ topic: raw, partition: 0, offset: 2 }])
    })

    test('without auto-commit, hands uncommitted records out again when their instance is gone', async () => {
      await put('a')
      const manual = { autoCommit: false }
      expect(valuesOf(await consume(manual))).toEqual(['a'])
      expect(await consume(manual)).toEqual([])
      await pass(121)
      expect(valuesOf(await consume(manual))).toEqual(['a'])
      await kafka.consumer().commit({ consumerGroupId: 'group', instanceId: 'one' })
      await pass(121)
      expect(await consume(manual)).toEqual([])
    })

    test('with auto-commit, hands an instance that polls seldom nothing twice', async () => {
      await put('a')
      expect(valuesOf(await consume())).toEqual(['a'])
      await pass(600)
      expect(await consume()).toEqual([])
    })

    test('commits one or several named offsets, and returns them', async () => {
      await put('a', 'b', 'c')
      await consume({ autoCommit: false })
      const who = { consumerGroupId: 'group', instanceId: 'one' }
      await kafka.consumer().commit({ ...who, offset: { topic: raw, partition: 0, offset: 1 } })
      await kafka.consumer().commit({
        ...who,
        offset: [
          { topic: raw, partition: 1, offset: 1 },
          { topic: raw, partition: 5, offset: 0 },
        ],
      })
      const topicPartitions = [1, 0, 2, 5].map((partition) => ({ topic: raw, partition }))
      expect(await kafka.admin().committedOffsets({ ...who, topicPartitions })).toEqual([
        { topic: raw, partition: 1, offset: 1 },
        { topic: raw, partition: 0, offset: 1 },
        { topic: raw, partition: 5, offset: 0 },
      ])
    })

    test('a named offset stays committed, whatever was handed out with auto-commit before', async () => {
      await put('a')
      expect(valuesOf(await consume())).toEqual(['a'])
      const who = { consumerGroupId: 'group', instanceId: 'one' }
      await kafka.consumer().commit({ ...who, offset: { topic: raw, partition: 0, offset: 0 } })
      await pass(6)
      const topicPartitions = [{ topic: raw, partition: 0 }]
      expect(await kafka.admin().committedOffsets({ ...who, topicPartitions })).toEqual([
        { topic: raw, partition: 0, offset: 0 },
      ])
    })

    test('does not share positions with another group', async () => {
      await put('a')
      expect(valuesOf(await consume())).toEqual(['a'])
      expect(valuesOf(await consume({ consumerGroupId: 'other' }))).toEqual(['a'])
    })

    test('keeps its state in Postgres, so that any gateway can serve the next request', async () => {
      const other = await open()
      await put('a')
      expect(valuesOf(await consume())).toEqual(['a'])
      await put('b')
      expect(valuesOf(await consume({}, other))).toEqual(['b'])
      expect(await consume()).toEqual([])
    })

    test('shares the partitions between two instances, and reassigns those of an instance that leaves', async () => {
      await put('0', '1', '2', '3', '4', '5')
      const one = { instanceId: 'one', autoCommit: false }
      const two = { instanceId: 'two', autoCommit: false }
      await consume(one)
      // The second instance takes over its half, with the records that are not committed yet.
      expect(valuesOf(await consume(two))).toEqual(['1', '3', '5'])
      expect(await kafka.admin().consumers()).toEqual([
        {
          name: 'group',
          instances: [
            { name: 'one', topics: [{ topic: raw, partitions: [0, 2, 4] }] },
            { name: 'two', topics: [{ topic: raw, partitions: [1, 3, 5] }] },
          ],
        },
      ])
      await kafka.consumer().commit({ consumerGroupId: 'group', instanceId: 'two' })
      await kafka.admin().removeConsumerInstance('group', 'one')
      expect(valuesOf(await consume(two))).toEqual(['0', '2', '4'])
      await kafka.admin().removeConsumerInstance('group', 'two')
      expect(await kafka.admin().consumers()).toEqual([])
    })

    test('does not hand out records of a partition that the instance lost while it read, nor accept its commit there', async () => {
      const manual = { autoCommit: false }
      await consume(manual)
      await kafka.consumer().commit({ consumerGroupId: 'group', instanceId: 'one' })
      const late = consume({ ...manual, timeout: 10_000 })
      const other = consume({ ...manual, timeout: 10_000, instanceId: 'two' })
      await expect.poll(async () => (await kafka.admin().consumers())[0]?.instances.length).toBe(2)
      await put('0', '1')
      expect([valuesOf(await late), valuesOf(await other)]).toEqual([['0'], ['1']])
      const { status, json } = await ask('commit/group/one', {
        topic: raw,
        partition: 1,
        offset: 1,
      })
      expect([status, json.error]).toEqual([409, expect.stringContaining('PARTITION_NOT_ASSIGNED')])
    })

    test('never hands the same record to two concurrent requests, of one instance or of several', async () => {
      const others = [kafka, await open()]
      const values = Array.from({ length: 300 }, (_, i) => `${i}`)
      const seen: string[] = []
      let done = false
      const readers = Array.from({ length: 8 }, async (_, i) => {
        while (!done)
          seen.push(
            ...valuesOf(
              await consume({ instanceId: `i${i % 2}`, timeout: 50 }, others[i % 2] as Kafka),
            ),
          )
      })
      // All instances join before the first record, so that no partition is reassigned with records on their way.
      await expect.poll(async () => (await kafka.admin().consumers())[0]?.instances.length).toBe(2)
      for (let i = 0; i < values.length; i += 10) await put(...values.slice(i, i + 10))
      await expect
        .poll(() => seen.length, { timeout: 20_000 })
        .toBeGreaterThanOrEqual(values.length)
      done = true
      await Promise.all(readers)
      expect(seen.sort()).toEqual(values.sort())
    })

    test('never moves the worker’s positions, not even under the worker’s group name', async () => {
      const before = await positionsOfWorker()
      await put('a', 'b')
      await consume({ consumerGroupId: 'sluice' })
      const who = { consumerGroupId: 'sluice', instanceId: 'one' }
      await kafka.consumer().commit(who)
      await kafka.consumer().commit({ ...who, offset: { topic: raw, partition: 0, offset: 99 } })
      await kafka.admin().removeConsumerInstance('sluice', 'one')
      await ask('delete-consumer/sluice')
      expect(await positionsOfWorker()).toEqual(before)
      expect(before.every((row) => Number(row.next_offset) === 0)).toBe(true)
    })

    test('resets a position that the log does not hold as the request says, or reports it', async () => {
      await put('a')
      await consume({ autoCommit: false })
      await ask('commit/group/one', { topic: raw, partition: 0, offset: 77 })
      await pass(121)
      const none = { 'Kafka-Auto-Offset-Reset': 'none' }
      const outOfRange = await ask('consume/group/one', { topic: raw, timeout: 0 }, none)
      expect([outOfRange.status, outOfRange.json.error]).toEqual([
        409,
        expect.stringContaining('OFFSET_OUT_OF_RANGE: events.raw/0 holds offsets 0 to 1, not 77'),
      ])
      expect(valuesOf(await consume({ autoCommit: false }))).toEqual(['a'])
      const noOffset = await ask('consume/other/one', { topic: raw, timeout: 0 }, none)
      expect([noOffset.status, noOffset.json.error]).toEqual([
        409,
        expect.stringContaining('NO_OFFSET'),
      ])
      const fetched = await ask('fetch', { topic: raw, partition: 0, offset: 2, timeout: 0 })
      expect([fetched.status, fetched.json.error]).toEqual([
        409,
        expect.stringContaining('OFFSET_OUT_OF_RANGE'),
      ])
    })

    test('is deleted with its positions once no instance reads, and not before', async () => {
      await put('a')
      await consume()
      expect(await ask('delete-consumer/group')).toMatchObject({ status: 409 })
      await kafka.admin().removeConsumerInstance('group', 'one')
      // Its auto-commit was applied when it left.
      expect(await consume()).toEqual([])
      await kafka.admin().removeConsumerInstance('group', 'one')
      expect(await ask('delete-consumer/group')).toEqual({
        status: 200,
        json: { result: 'Success', status: 200 },
      })
      expect(valuesOf(await consume())).toEqual(['a'])
    })
  })
}
