import { randomUUID } from 'node:crypto'
import { expect, inject, test } from 'vitest'
import { logSuite, readUntil, record, text } from '../log.suite.ts'
import { createKafkaLog, createKafkaTopics } from './kafka-log.ts'

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
