import { randomUUID } from 'node:crypto'
import { createRequire } from 'node:module'
import { expect, inject, test } from 'vitest'
import { logSuite, readUntil, record, text } from '../log.suite.ts'
import { UnknownTopicError } from '../log.ts'
import { createKafkaLog, createKafkaTopics } from './kafka-log.ts'

const { Kafka } = createRequire(import.meta.url)('kafkajs')

logSuite('Kafka', async () => {
  const options = { brokers: inject('kafkaBrokers'), prefix: `${randomUUID()}.` }
  await createKafkaTopics(options, [
    { name: 'events', partitions: 6, config: { 'max.message.bytes': '2097152' } },
  ])
  const log = await createKafkaLog(options)
  return {
    log,
    another: () => createKafkaLog(options),
    topic: 'events',
    partitions: 6,
    close: () => log.close(),
  }
})

test('the identity of a topic is that of its cluster and its own, and a topic that was recreated has another one', async () => {
  const options = { brokers: inject('kafkaBrokers'), prefix: `${randomUUID()}.` }
  const create = () => createKafkaTopics(options, [{ name: 'events', partitions: 1 }])
  await create()
  const log = await createKafkaLog(options)
  const again = await createKafkaLog(options)
  const admin = new Kafka({ brokers: inject('kafkaBrokers'), logLevel: 0 }).admin()
  try {
    const identity = await log.identity('events')
    expect(identity).toMatch(/^kafka \S+ [0-9a-f]{32}$/)
    expect(await again.identity('events')).toBe(identity)
    await admin.connect()
    await admin.deleteTopics({ topics: [`${options.prefix}events`] })
    await expect
      .poll(() => log.identity('events').catch((error) => error))
      .toBeInstanceOf(UnknownTopicError)
    await create()
    await expect
      .poll(() => again.identity('events').catch(String))
      .toMatch(/^kafka \S+ [0-9a-f]{32}$/)
    expect(await again.identity('events')).not.toBe(identity)
    await again.append('events', [record('of the new topic', 0)])
    // Whoever checked the identity before the topic was recreated reads nothing of the new one.
    const signal = AbortSignal.timeout(10_000)
    const position = { from: new Map([[0, 0]]), signal, maxRecords: 1, minIntervalMs: 0 }
    const read = again.batches('events', { ...position, identity })[Symbol.asyncIterator]()
    await expect(read.next()).rejects.toThrow('was recreated')
  } finally {
    await admin.disconnect()
    await Promise.all([log.close(), again.close()])
  }
})

test('a topic whose broker stamps the time is read, with that time', async () => {
  const options = { brokers: inject('kafkaBrokers'), prefix: `${randomUUID()}.` }
  const config = { 'message.timestamp.type': 'LogAppendTime' }
  await createKafkaTopics(options, [{ name: 'stamped', partitions: 1, config }])
  const log = await createKafkaLog(options)
  try {
    const before = Date.now()
    await log.append('stamped', [record('a', 0), record('b', 0), record('c', 0)])
    const read = await readUntil({ log, topic: 'stamped' }, new Map([[0, 0]]), 3)
    expect(read.map(text)).toEqual(['a', 'b', 'c'])
    for (const { timestamp } of read) expect(timestamp).toBeGreaterThanOrEqual(before)
  } finally {
    await log.close()
  }
})
