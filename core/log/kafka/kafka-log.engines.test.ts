import { randomUUID } from 'node:crypto'
import { inject } from 'vitest'
import { logSuite } from '../log.suite.ts'
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
