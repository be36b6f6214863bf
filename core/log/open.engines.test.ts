import { expect, test } from 'vitest'
import { TOPICS } from '../../contract/topics.ts'
import { readConfig } from '../config.ts'
import { kafkaEnv } from '../testing/kafka.ts'
import { createKafkaTopics } from './kafka.ts'
import { makeTopics, openLog } from './open.ts'

const NO_DATABASE = 'postgres://127.0.0.1:1/nowhere'

test('topics that are not there are named with what makes them; made once, they are found', async () => {
  const { log: config } = readConfig(kafkaEnv())
  const missing = openLog(config, NO_DATABASE)
  await expect(missing).rejects.toThrow(/^Kafka has no topic \S+\.events\.raw\.$/)
  await expect(missing).rejects.toMatchObject({
    hint: expect.stringContaining('npx sluice migrate'),
  })
  expect(await makeTopics(config)).toHaveLength(2)
  expect(await makeTopics(config)).toEqual([])
  const log = await openLog(config, NO_DATABASE)
  expect(await log.bounds(TOPICS.raw.name)).toHaveLength(6)
  expect(await log.bounds(TOPICS.deadLetters.name)).toHaveLength(3)
  await log.close()
})

test('a topic with another number of partitions is refused: keys would be led elsewhere', async () => {
  const { log: config } = readConfig(kafkaEnv())
  if (config.kind !== 'kafka') throw new Error('no Kafka')
  await createKafkaTopics(config, [{ name: TOPICS.raw.name, partitions: 12 }])
  await expect(openLog(config, NO_DATABASE)).rejects.toThrow('has 12 partitions')
})

test('what the environment says of Kafka is checked before anything starts', () => {
  const kafka = { LOG: 'kafka', KAFKA_BROKERS: 'a:9092, b:9092' }
  expect(readConfig({}).log).toEqual({ kind: 'postgres' })
  expect(readConfig({ KAFKA_BROKERS: 'a:9092' }).log).toEqual({ kind: 'postgres' })
  expect(readConfig({ ...kafka, KAFKA_USERNAME: 'u', KAFKA_TLS: 'true' }).log).toMatchObject({
    brokers: ['a:9092', 'b:9092'],
    username: 'u',
    mechanism: 'plain',
    tls: true,
  })
  expect(() => readConfig({ LOG: 'kafka' })).toThrow('KAFKA_BROKERS is not set.')
  expect(() => readConfig({ ...kafka, KAFKA_BROKERS: 'a' })).toThrow('"a" is no broker')
  expect(() => readConfig({ ...kafka, LOG: 'redpanda' })).toThrow('LOG has no meaning here.')
  expect(() => readConfig({ ...kafka, KAFKA_TLS: '/no/such/file' })).toThrow('KAFKA_TLS')
  expect(() => readConfig({ ...kafka, KAFKA_MECHANISM: 'gssapi' })).toThrow('KAFKA_MECHANISM')
})
