import { createRequire } from 'node:module'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { TOPICS } from '../../../contract/log/topics.ts'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { openTestKafka } from '../../../tests/lib/kafka.ts'
import { rawRecord } from '../../../tests/lib/records.ts'
import type { Log } from '../../log/log.ts'
import { createWorker } from '../worker.ts'

/** What Kafka's own tools do, by the library in full. */
const { Kafka } = createRequire(import.meta.url)('kafkajs')

const quiet = { info() {}, warn() {}, error() {} }
/** How often `applied_through` is advanced. */
const LOOKS = { timeout: 30_000 }

let database: TestDatabase
let log: Log
let env: Record<string, string>
let stop: AbortController
let running: Promise<void>
const closers: (() => unknown)[] = []

beforeEach(async () => {
  database = await createTestDatabase()
  await database.pool.query("INSERT INTO tenant (slug) VALUES ('default')")
  ;({ log, env } = await openTestKafka(database.url))
  stop = new AbortController()
  running = createWorker({ databaseUrl: database.url, log, logger: quiet }).run(stop.signal)
})
afterEach(async () => {
  stop.abort()
  await running
  for (const close of closers.splice(0).reverse()) await close()
  await log.close()
  await database.drop()
})

/** By partition, up to when it is known to be applied; 0 where that is unknown. */
async function marks(): Promise<number[]> {
  const { rows } = await database.pool.query(
    `SELECT coalesce(extract(epoch FROM applied_through) * 1000, 0)::float8 AS at
       FROM log_lease WHERE topic = $1 ORDER BY partition`,
    [TOPICS.raw.name],
  )
  return rows.map(({ at }) => at)
}
async function stored(): Promise<number> {
  const { rows } = await database.pool.query('SELECT count(*)::int AS events FROM event')
  return rows[0].events
}

test('records behind an open transaction of another producer do not count as applied', async () => {
  const brokers = (env.KAFKA_BROKERS as string).split(',')
  const producer = new Kafka({ brokers, logLevel: 0 }).producer({
    transactionalId: `${env.SLUICE_KAFKA_TOPIC_PREFIX}another`,
    idempotent: true,
    maxInFlightRequests: 1,
  })
  await producer.connect()
  closers.push(() => producer.disconnect())
  const transaction = await producer.transaction()
  const { key, value } = rawRecord({ name: 'in it' })
  const topic = `${env.SLUICE_KAFKA_TOPIC_PREFIX}${TOPICS.raw.name}`
  await transaction.send({ topic, messages: [{ partition: 1, key, value }] })
  await log.append(TOPICS.raw.name, [{ ...rawRecord({ name: 'behind it' }), partition: 1 }])
  const appendedMs = Date.now()
  const later = async () => (await marks()).map((at) => at > appendedMs)
  const all = Array.from({ length: TOPICS.raw.partitions }, () => true)
  await expect.poll(async () => (await later()).toSpliced(1, 1), LOOKS).toEqual(all.slice(1))
  expect([(await later())[1], await stored()]).toEqual([false, 0])

  await transaction.commit()
  await expect.poll(stored).toBe(2)
  await expect.poll(later, LOOKS).toEqual(all)
})
