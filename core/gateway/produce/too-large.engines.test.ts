import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { TOPICS } from '../../../contract/log/topics.ts'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { createDatabase, type Database } from '../../db/database.ts'
import { createKafkaLog, createKafkaTopics } from '../../log/kafka/kafka-log.ts'
import type { Log } from '../../log/log.ts'
import { createKafkaRest, type KafkaRest } from '../kafka-rest.ts'

/** Topics created without the setting that docs/deployment.md asks for. */
const BYTES_MAX = 50_000
let database: TestDatabase
let db: Database
let log: Log
let gateway: KafkaRest
const errors: unknown[] = []

beforeAll(async () => {
  database = await createTestDatabase()
  db = createDatabase(database.url, { max: 1 })
  const kafka = { brokers: inject('kafkaBrokers'), prefix: `${randomUUID()}.` }
  const config = { 'max.message.bytes': `${BYTES_MAX}` }
  await createKafkaTopics(
    kafka,
    Object.values(TOPICS).map((topic) => ({ ...topic, config })),
  )
  log = await createKafkaLog(kafka)
  gateway = createKafkaRest({
    log,
    db,
    users: [{ name: 'sluice', password: 'a secret', scope: 'all' }],
    onError: (error) => errors.push(error),
  })
})
afterAll(async () => {
  await gateway.close()
  await log.close()
  await db.destroy()
  await database.drop()
})

const produce = async (value: string) =>
  gateway.app.request('/produce/events.raw', {
    method: 'POST',
    headers: { authorization: `Basic ${btoa('sluice:a secret')}` },
    body: JSON.stringify({ key: 'k', value }),
  })

test('a record too large for the topic is answered 413, and no other request of its batch fails', async () => {
  const large = 'x'.repeat(BYTES_MAX + 1)
  const answers = await Promise.all(
    Array.from({ length: 30 }, (_, i) => produce(i === 20 ? large : `${i}`)),
  )
  expect(answers.map(({ status }) => status)).toEqual(answers.map((_, i) => (i === 20 ? 413 : 200)))
  expect(await answers[20]?.json()).toMatchObject({ status: 413 })
  // Reported to the operator, who can raise it.
  expect(errors.map(String)).toEqual([
    expect.stringContaining("raise the topic's max.message.bytes"),
  ])
})
