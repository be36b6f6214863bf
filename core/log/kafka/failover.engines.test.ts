import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { TOPICS } from '../../../contract/log/topics.ts'
import { freeze } from '../../../tests/lib/freeze.ts'
import { type Engines, startEngines } from '../../../tools/engines/engines.ts'
import { brokersSeenBy } from '../../../tools/engines/kafka-metadata.ts'
import { readConfig } from '../../config.ts'
import { record } from '../log.suite.ts'
import type { Log } from '../log.ts'
import { createTopics } from '../open.ts'
import { createKafkaLog, createKafkaTopics, type KafkaOptions } from './kafka-log.ts'

const { Kafka } = createRequire(import.meta.url)('kafkajs')

const topic = 'events'
/** Kafka itself takes nine seconds to declare a broker dead. */
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

/** This log has no reader, as in a gateway: it has to find new leaders by itself. */
describe('a log that only appends and reads offsets, when a leader', () => {
  beforeEach(async () => {
    options = { brokers: engines.kafka?.brokers ?? [], prefix: `${count++}.` }
    await allAreThere()
    await createKafkaTopics(options, [{ name: topic, partitions: 3 }])
    log = await createKafkaLog(options)
    await log.append(
      topic,
      [0, 1, 2].map((partition) => record('before', partition)),
    )
    await log.offsets(topic)
    await log.offsetsAt(topic, 0)
  })
  afterEach(() => log.close())

  test('freezes, appends to its partition and reads its offsets again while the leader is still frozen', async () => {
    const thaw = freeze(engines.kafka?.pids[(await leaderOf(0)) - 1] as number)
    try {
      await worksAgain(0)
    } finally {
      thaw()
    }
  })

  test('is gone, appends to its partition and reads its offsets again while the leader is still gone', async () => {
    const node = engines.kafka?.nodes[(await leaderOf(0)) - 1]
    await node?.kill()
    try {
      await worksAgain(0)
    } finally {
      await node?.start()
    }
  })

  test('has the only replica, rejects the append and does not send it a second time', async () => {
    const leader = await leaderOf(0)
    const [from] = await log.offsets(topic)
    const followers = (engines.kafka?.pids ?? []).filter((_, i) => i !== leader - 1)
    const thaws = followers.map((pid) => freeze(pid as number))
    try {
      await expect(log.append(topic, [record('unsure', 0)])).rejects.toThrow()
    } finally {
      for (const thaw of thaws) thaw()
    }
    await worksAgain(0)
    // The outcome was unknown, so the sender decides; it was written all the same.
    const values = await valuesOf(0, from?.lastStableOffset ?? 0)
    expect(values.filter((value) => value === 'unsure')).toEqual(['unsure'])
  })

  /** Reads from there on, up to a record that was appended later. */
  async function valuesOf(partition: number, from: number): Promise<string[]> {
    const values: string[] = []
    const reading = { from: new Map([[partition, from]]), maxRecords: 100, minIntervalMs: 0 }
    const stop = AbortSignal.timeout(patient.timeout)
    for await (const { partitions } of log.batches(topic, { ...reading, signal: stop })) {
      for (const { value } of partitions.flatMap(({ records }) => records))
        values.push(value.toString())
      if (values.includes('after')) break
    }
    return values
  }

  async function worksAgain(partition: number): Promise<void> {
    const [appended, bounds, offsets] = [
      () => log.append(topic, [record('after', partition)]),
      () => log.offsets(topic),
      () => log.offsetsAt(topic, 0),
    ].map((work) => () => work().then(() => 'done', String))
    await Promise.all(
      [appended, bounds, offsets].map((each) => expect.poll(each as never, patient).toBe('done')),
    )
  }
})

describe('topics created on three brokers', () => {
  test('have three replicas, and an append needs two of them', async () => {
    const brokers = engines.kafka?.brokers ?? []
    await allAreThere()
    const { log: config } = readConfig({
      SLUICE_LOG_DRIVER: 'kafka',
      KAFKA_BROKERS: brokers.join(','),
    })
    await createTopics(config)
    await withAdmin(brokers, async (admin) => {
      const { topics } = await admin.fetchTopicMetadata({ topics: [TOPICS.raw.name] })
      for (const { replicas } of topics[0]?.partitions ?? []) expect(replicas).toHaveLength(3)
      const name = 'min.insync.replicas'
      const { resources } = await admin.describeConfigs({
        includeSynonyms: false,
        resources: [{ type: TOPIC, name: TOPICS.raw.name, configNames: [name] }],
      })
      expect(resources[0]?.configEntries).toMatchObject([
        { configName: name, configValue: '2', configSource: SET_ON_THE_TOPIC },
      ])
    })
  })

  test('are not created while a configured broker is down, because they would lack its replica for ever', async () => {
    const brokers = engines.kafka?.brokers ?? []
    const topics = [{ name: topic, partitions: 3 }]
    const make = (msMax?: number) =>
      createKafkaTopics({ brokers, prefix: 'few.' }, topics, msMax).then(String, String)
    await engines.kafka?.nodes[2]?.kill()
    try {
      const [port] = engines.ports.kafka
      await expect.poll(() => brokersSeenBy(port?.broker ?? 0), patient).toHaveLength(2)
      expect(await make(1_000)).toContain('only 2 of the 3 configured Kafka brokers are up')
    } finally {
      await engines.kafka?.nodes[2]?.start()
    }
    await expect.poll(() => make(), patient).toBe('few.events')
  })
})

const TOPIC = 2
const SET_ON_THE_TOPIC = 1

/** A topic is replicated to the brokers that are up when it is created. */
async function allAreThere(): Promise<void> {
  for (const { broker } of engines.ports.kafka)
    await expect.poll(() => brokersSeenBy(broker), patient).toHaveLength(3)
}

async function leaderOf(partition: number): Promise<number> {
  const named = `${options.prefix}${topic}`
  return withAdmin(options.brokers, async (admin) => {
    const { topics } = await admin.fetchTopicMetadata({ topics: [named] })
    const found = topics[0]?.partitions.find(({ partitionId }) => partitionId === partition)
    return found?.leader ?? 0
  })
}

async function withAdmin<T>(
  brokers: readonly string[],
  work: (admin: Admin) => Promise<T>,
): Promise<T> {
  const admin = new Kafka({ brokers, logLevel: 0 }).admin()
  await admin.connect()
  try {
    return await work(admin)
  } finally {
    await admin.disconnect()
  }
}
interface Admin {
  fetchTopicMetadata(of: { topics: string[] }): Promise<{
    topics: { partitions: { partitionId: number; leader: number; replicas: number[] }[] }[]
  }>
  describeConfigs(of: { includeSynonyms: boolean; resources: object[] }): Promise<{
    resources: { configEntries: object[] }[]
  }>
}
