import type pg from 'pg'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { type HeardNotifications, hearNotifications } from '../../../tests/lib/notifications.ts'
import { CHANNELS } from '../../db/channels.ts'
import { record } from '../log.suite.ts'
import type { Log } from '../log.ts'
import { createAppendNotifier } from './append-notifier.ts'
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

test('what is appended while a notification is under way is all in the next one, one partition at a time or several', async () => {
  const sent: string[][] = []
  const first = Promise.withResolvers<void>()
  const client = {
    async query({ values }: { values: string[][] }) {
      sent.push(values[1] as string[])
      if (sent.length === 1) await first.promise
    },
  } as unknown as pg.PoolClient
  const notifier = createAppendNotifier({ use: (work) => work(client) }, (error) => {
    throw error
  })
  notifier.notify(new Map([['events.raw', new Set([0])]]))
  for (const partitions of [[1], [2], [3, 4], [1], [5]])
    notifier.notify(new Map([['events.raw', new Set(partitions)]]))
  for (const partition of [7, 8]) notifier.notify(new Map([['events.dlq', new Set([partition])]]))
  first.resolve()
  await notifier.stop()
  expect(sent).toEqual([['events.raw 0'], ['events.raw 1,2,3,4,5', 'events.dlq 7,8']])
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
