import { createRequire } from 'node:module'
import { expect, test } from 'vitest'
import { TOPICS } from '../../contract/log/topics.ts'
import { kafkaEnv } from '../../tests/lib/kafka.ts'
import { readConfig } from '../config.ts'
import { createKafkaTopics } from './kafka/kafka-log.ts'
import { readUntil, text } from './log.suite.ts'
import { createTopics, openLog } from './open.ts'

const kafkajs = createRequire(import.meta.url)('kafkajs')

const NO_DATABASE = 'postgres://127.0.0.1:1/nowhere'

test('openLog names missing topics and the command that creates them, and finds them once they exist', async () => {
  const { log: config } = readConfig(kafkaEnv())
  const missing = openLog(config, NO_DATABASE)
  await expect(missing).rejects.toThrow(/^Kafka has no topic \S+\.events\.raw\.$/)
  await expect(missing).rejects.toMatchObject({
    hint: expect.stringContaining('npm run sluice -- migrate'),
  })
  expect(await createTopics(config)).toHaveLength(2)
  expect(await createTopics(config)).toEqual([])
  const log = await openLog(config, NO_DATABASE)
  expect(await log.offsets(TOPICS.raw.name)).toHaveLength(6)
  expect(await log.offsets(TOPICS.deadLetters.name)).toHaveLength(3)
  await log.close()
})

test('records of other producers in a codec that Node cannot read are readable, because Kafka decompresses them', async () => {
  const { log: config } = readConfig(kafkaEnv())
  if (config.kind !== 'kafka') throw new Error('no Kafka')
  await createTopics(config)
  kafkajs.CompressionCodecs[SNAPPY] = () => ({
    compress: async ({ buffer }: { buffer: Buffer }) => literal(buffer),
  })
  const producer = new kafkajs.Kafka({ brokers: config.brokers, logLevel: 0 }).producer()
  await producer.connect()
  const message = { key: 'key', value: 'from elsewhere', partition: 0 }
  const topic = `${config.prefix}${TOPICS.raw.name}`
  await producer.send({ topic, compression: SNAPPY, messages: [message] })
  await producer.disconnect()
  const log = await openLog(config, NO_DATABASE)
  const found = await readUntil({ log, topic: TOPICS.raw.name }, new Map([[0, 0]]), 1)
  expect(found.map(text)).toEqual(['from elsewhere'])
  await log.close()
})

test('a topic is created without an optional setting that Kafka refuses', async () => {
  const { log: config } = readConfig(kafkaEnv())
  if (config.kind !== 'kafka') throw new Error('no Kafka')
  const make = (name: string, more: object) =>
    createKafkaTopics(config, [{ name, partitions: 1, ...more }])
  const settings = { 'compression.type': 'not one of them' }
  await expect(make('needed', { config: settings })).rejects.toThrow(
    'Kafka responded INVALID_CONFIG',
  )
  expect(await make('wished', { optionalConfig: settings })).toEqual([`${config.prefix}wished`])
})

const SNAPPY = 2
/** Snappy's format for uncompressed bytes, at most 127 of them. */
function literal(bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from([bytes.length, 60 << 2, bytes.length - 1]), bytes])
}

test('openLog refuses a topic with another number of partitions, where keys would map to other partitions', async () => {
  const { log: config } = readConfig(kafkaEnv())
  if (config.kind !== 'kafka') throw new Error('no Kafka')
  await createKafkaTopics(config, [{ name: TOPICS.raw.name, partitions: 12 }])
  await expect(openLog(config, NO_DATABASE)).rejects.toThrow('has 12 partitions')
})

test('the Kafka settings of the environment are checked before anything starts', () => {
  const kafka = { SLUICE_LOG_DRIVER: 'kafka', KAFKA_BROKERS: 'a:9092, b:9092' }
  expect(readConfig({}).log).toEqual({ kind: 'postgres' })
  expect(readConfig({ KAFKA_BROKERS: 'a:9092' }).log).toEqual({ kind: 'postgres' })
  expect(
    readConfig({ ...kafka, SLUICE_KAFKA_USERNAME: 'u', SLUICE_KAFKA_TLS: 'true' }).log,
  ).toMatchObject({
    brokers: ['a:9092', 'b:9092'],
    username: 'u',
    mechanism: 'plain',
    tls: true,
  })
  expect(() => readConfig({ SLUICE_LOG_DRIVER: 'kafka' })).toThrow('KAFKA_BROKERS is not set.')
  expect(() => readConfig({ ...kafka, KAFKA_BROKERS: 'a' })).toThrow('"a"')
  expect(() => readConfig({ ...kafka, SLUICE_LOG_DRIVER: 'redpanda' })).toThrow('SLUICE_LOG_DRIVER')
  expect(() => readConfig({ ...kafka, SLUICE_KAFKA_TLS: '/no/such/file' })).toThrow(
    'SLUICE_KAFKA_TLS',
  )
  expect(() => readConfig({ ...kafka, SLUICE_KAFKA_MECHANISM: 'gssapi' })).toThrow(
    'SLUICE_KAFKA_MECHANISM',
  )
})
