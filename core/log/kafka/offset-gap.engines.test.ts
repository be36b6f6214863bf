import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, inject, test } from 'vitest'
import { TOPICS } from '../../../contract/log/topics.ts'
import { type CoreProcess, startCore } from '../../../tests/lib/core-process.ts'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { openTestKafka, type TestKafka } from '../../../tests/lib/kafka.ts'
import { countTotals, rawRecord } from '../../../tests/lib/records.ts'
import { ROOT } from '../../lib/paths.ts'

const { Kafka } = createRequire(import.meta.url)('kafkajs')

const [HOLED, WHOLE] = [3, 1]
let database: TestDatabase
let kafka: TestKafka
let core: CoreProcess

beforeEach(async () => {
  database = await createTestDatabase()
  await database.pool.query("INSERT INTO tenant (slug) VALUES ('default')")
  kafka = await openTestKafka(database.url)
  core = await start()
})
afterEach(async () => {
  await core.stop()
  await kafka.log.close()
  await database.drop()
})

const start = () =>
  startCore({ roles: ['api', 'worker'], databaseUrl: database.url, env: kafka.env })

async function append(count: number, partition: number): Promise<void> {
  await kafka.log.append(
    TOPICS.raw.name,
    Array.from({ length: count }, () => ({ ...rawRecord(), partition })),
  )
}

/** Drops records as retention does, at a given moment. */
async function drop(partition: number, offset: number): Promise<void> {
  const admin = new Kafka({ brokers: inject('kafkaBrokers'), logLevel: 0 }).admin()
  await admin.connect()
  const topic = `${kafka.env.SLUICE_KAFKA_TOPIC_PREFIX}${TOPICS.raw.name}`
  // Otherwise kafkajs does not know the leader.
  await admin.fetchTopicOffsets(topic)
  await admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: `${offset}` }] })
  await admin.disconnect()
}

async function sluice(...args: string[]): Promise<string> {
  const child = spawn(process.execPath, [join(ROOT, 'cli/bin.mjs'), ...args], {
    env: { ...process.env, ...kafka.env, DATABASE_URL: database.url, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      output += chunk
    })
  await new Promise((resolve) => child.once('close', resolve))
  return output
}

const patient = { timeout: 30_000 }
const stored = async () => (await countTotals(database.pool)).stored
const metrics = async () => (await fetch(`${core.url}/metrics`)).text()
const lost = (records: number) =>
  `sluice_offset_gap_records_total{topic="${TOPICS.raw.name}",partition="${HOLED}"} ${records}`

test('records that Kafka dropped before a worker read them raise an alarm with their number, and are skipped on request', async () => {
  await append(5, HOLED)
  await append(5, WHOLE)
  await expect.poll(stored, patient).toBe(10)
  expect(await metrics()).toContain('sluice_offset_gaps_open 0')

  await core.stop()
  await append(10, HOLED)
  await append(10, WHOLE)
  await drop(HOLED, 12)
  core = await start()

  await expect.poll(metrics, patient).toContain(lost(7))
  expect(await metrics()).toContain('sluice_offset_gaps_open 1')
  expect(core.output()).toContain('7 records from offset 5 were dropped before they were read')
  // The other partitions are not held up.
  await append(5, WHOLE)
  await expect.poll(stored, patient).toBe(25)
  expect(await sluice('offsets', 'list')).toContain(
    `Partition ${HOLED}: 7 records from offset 5 on were deleted`,
  )

  expect(await sluice('offsets', 'skip')).toContain(`Partition ${HOLED} continues at 12:`)
  await append(2, HOLED)
  // Three records that were left, and two new ones.
  await expect.poll(stored, patient).toBe(30)
  expect(await countTotals(database.pool)).toMatchObject({ dead: 0, wrongRollups: 0, double: 0 })
  expect(await sluice('offsets', 'list')).toContain('No offsets are missing.')
  await expect.poll(metrics, patient).toContain('sluice_offset_gaps_open 0')
  expect(await metrics()).toContain(lost(7))
})

test('on Kafka a gap larger than a batch loses what is gone and nothing that the log still holds', async () => {
  await append(1, HOLED)
  await expect.poll(stored, patient).toBe(1)
  await core.stop()
  for (let i = 0; i < 3; i++) await append(2_500, HOLED)
  await drop(HOLED, 6_501)
  core = await start()
  await expect.poll(metrics, patient).toContain(lost(6_500))
  expect(await sluice('offsets', 'skip')).toContain(`Partition ${HOLED} continues at 6,501:`)
  await expect.poll(stored, patient).toBe(1_001)
})
