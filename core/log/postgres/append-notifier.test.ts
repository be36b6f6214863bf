import { afterEach, beforeEach, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { type HeardNotifications, hearNotifications } from '../../../tests/lib/notifications.ts'
import { CHANNELS } from '../../db/channels.ts'
import { record } from '../log.suite.ts'
import type { Log } from '../log.ts'
import { encodeChunk } from './chunk.ts'
import { createPostgresLog } from './postgres-log.ts'

const topic = 'events.raw'

let database: TestDatabase
let log: Log
let heard: HeardNotifications

beforeEach(async () => {
  database = await createTestDatabase()
  log = await createPostgresLog({ url: database.url })
  heard = await hearNotifications(database.url, [CHANNELS.log])
})
afterEach(async () => {
  await log.close()
  await heard.close()
  await database.drop()
})

const notified = () => heard.payloads(CHANNELS.log)

test('readers are notified of every partition that has grown, in fewer notifications than there are commits', async () => {
  const appends = Array.from({ length: 200 }, (_, i) => log.append(topic, [record('a', i % 6)]))
  await Promise.all(appends)
  await log.append('events.dlq', [record('b', 2)])
  await expect.poll(async () => (await notified()).at(-1)).toContain('events.dlq 2')
  const payloads = await notified()
  expect(payloads.length).toBeLessThan(200)
  const of = (name: string) =>
    payloads
      .filter((payload) => payload.startsWith(`${name} `))
      .flatMap((payload) => payload.slice(name.length + 1).split(','))
  expect(new Set(of(topic))).toEqual(new Set(['0', '1', '2', '3', '4', '5']))
  expect(of('events.dlq')).toEqual(['2'])
})

test('the transaction of an append notifies nobody, so that no other commit waits for it', async () => {
  const body = encodeChunk([record('a', 0)], Date.now())
  await database.pool.query("SELECT * FROM log_append($1, '{0}', '{1}', ARRAY[$2::bytea])", [
    topic,
    body,
  ])
  expect(await notified()).toEqual([])
})

test('a log that closes notifies of its last append', async () => {
  const another = await createPostgresLog({ url: database.url })
  for (let i = 0; i < 20; i++) await another.append(topic, [record('a', 0)])
  await another.append(topic, [record('b', 5)])
  await another.close()
  expect((await notified()).at(-1)).toMatch(/\b5$/)
})
