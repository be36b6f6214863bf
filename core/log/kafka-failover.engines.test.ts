import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Engines, startEngines } from '../engines/engines.ts'
import { brokersSeenBy } from '../engines/kafka-metadata.ts'
import { freeze } from '../testing/freeze.ts'
import { createKafkaLog, createKafkaTopics, type KafkaOptions } from './kafka.ts'
import { record } from './log.suite.ts'
import type { Log } from './log.ts'

const { Kafka } = createRequire(import.meta.url)('kafkajs')

const topic = 'events'
/** Kafka itself takes nine seconds to call a broker dead. */
const patient = { timeout: 60_000, interval: 100 }
let home: string
let engines: Engines
let options: KafkaOptions
let log: Log
let count = 0

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'sluice-kafka-'))
  engines = await startEngines({ home, kafka: { brokers: 3, topics: false } })
})
afterAll(async () => {
  await Promise.all(engines.kafka?.nodes.map((node) => node.kill()) ?? [])
  await engines.stop()
  rmSync(home, { recursive: true, force: true })
})

/** Nobody reads from this log, as in a gateway: what it knows of the brokers it has to find out by itself. */
describe('a log that only appends and asks for bounds, when a leader', () => {
  beforeEach(async () => {
    options = { brokers: engines.kafka?.brokers ?? [], prefix: `${count++}.` }
    await allAreThere()
    await createKafkaTopics(options, [{ name: topic, partitions: 3 }])
    log = await createKafkaLog(options)
    await log.append(
      topic,
      [0, 1, 2].map((partition) => record('before', partition)),
    )
    await log.bounds(topic)
    await log.offsetsAt(topic, 0)
  })
  afterEach(() => log.close())

  test('falls silent: the partition is appended to and read of again while it still is', async () => {
    const thaw = freeze(engines.kafka?.pids[(await leaderOf(0)) - 1] as number)
    try {
      await worksAgain(0)
    } finally {
      thaw()
    }
  })

  test('is gone: the partition is appended to and read of again while it still is', async () => {
    const node = engines.kafka?.nodes[(await leaderOf(0)) - 1]
    await node?.kill()
    try {
      await worksAgain(0)
    } finally {
      await node?.start()
    }
  })

  async function worksAgain(partition: number): Promise<void> {
    const [appended, bounds, offsets] = [
      () => log.append(topic, [record('after', partition)]),
      () => log.bounds(topic),
      () => log.offsetsAt(topic, 0),
    ].map((work) => () => work().then(() => 'done', String))
    await Promise.all(
      [appended, bounds, offsets].map((each) => expect.poll(each as never, patient).toBe('done')),
    )
  }
})

/** A topic is copied to those that there are when it is made. */
async function allAreThere(): Promise<void> {
  for (const { broker } of engines.ports.kafka)
    await expect.poll(() => brokersSeenBy(broker), patient).toHaveLength(3)
}

async function leaderOf(partition: number): Promise<number> {
  const admin = new Kafka({ brokers: options.brokers, logLevel: 0 }).admin()
  await admin.connect()
  try {
    const { topics } = await admin.fetchTopicMetadata({ topics: [`${options.prefix}${topic}`] })
    return topics[0].partitions.find(
      (each: { partitionId: number }) => each.partitionId === partition,
    ).leader
  } finally {
    await admin.disconnect()
  }
}
