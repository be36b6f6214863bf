import { afterEach, beforeEach, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../tests/lib/database.ts'
import { type HeardNotifications, hearNotifications } from '../../tests/lib/notifications.ts'
import { createNotifier, type NotifierOptions } from './notifier.ts'

const channel = 'test_numbers'

let database: TestDatabase
let heard: HeardNotifications
let errors: unknown[]

beforeEach(async () => {
  database = await createTestDatabase()
  heard = await hearNotifications(database.url, [channel])
  errors = []
})
afterEach(async () => {
  await heard.close()
  await database.drop()
})

const execute = (sql: string, values: unknown[]) => database.pool.query(sql, values)

/** Notifies of numbers, all of a flush in one payload. */
function createNumbers(options: Partial<NotifierOptions<number[]>> = {}) {
  return createNotifier<number[]>({
    execute,
    merge: (numbers, more) => [...numbers, ...more],
    encode: (numbers) => [{ channel, payload: numbers.join() }],
    intervalMs: 1,
    onError: (error) => errors.push(error),
    ...options,
  })
}

test('what is committed while a flush is under way is notified by the next one, all of it together', async () => {
  const first = Promise.withResolvers<void>()
  const notifier = createNumbers({
    async execute(sql, values) {
      await first.promise
      return execute(sql, values)
    },
  })
  for (let n = 0; n < 50; n++) notifier.notify([n])
  first.resolve()
  const rest = Array.from({ length: 49 }, (_, i) => i + 1).join()
  await expect.poll(() => heard.payloads(channel)).toEqual(['0', rest])
  await notifier.stop()
})

test('changes of a flush that failed are notified by a later one, none is lost, and each failure is reported', async () => {
  let failures = 3
  const notifier = createNumbers({
    execute: (sql, values) => (failures-- > 0 ? execute('SELECT 1 / 0', []) : execute(sql, values)),
  })
  notifier.notify([1])
  await expect.poll(() => errors.length).toBeGreaterThan(0)
  notifier.notify([2])
  const numbers = async () => (await heard.payloads(channel)).join().split(',').sort()
  await expect.poll(numbers).toEqual(['1', '2'])
  expect(errors).toHaveLength(3)
  await notifier.stop()
})

test('what is committed while a flush fails is notified together with what that flush held', async () => {
  const failing = Promise.withResolvers<never>()
  let flushes = 0
  const notifier = createNumbers({
    execute: (sql, values) => (flushes++ === 0 ? failing.promise : execute(sql, values)),
  })
  for (const n of [1, 2, 3]) notifier.notify([n])
  failing.reject(new Error('Postgres is gone'))
  const numbers = async () => (await heard.payloads(channel)).map((all) => all.split(',').sort())
  await expect.poll(numbers).toEqual([['1', '2', '3']])
  await notifier.stop()
})

test('a stop flushes what is left before the next flush is due', async () => {
  const notifier = createNumbers({ intervalMs: 3_600_000 })
  notifier.notify([1])
  await expect.poll(() => heard.payloads(channel)).toEqual(['1'])
  notifier.notify([2])
  await notifier.stop()
  expect(await heard.payloads(channel)).toEqual(['1', '2'])
})

test('a stop retries a flush that fails, and ends although Postgres never answers', async () => {
  let failures = 1
  const retried = createNumbers({
    execute: (sql, values) => (failures-- > 0 ? execute('SELECT 1 / 0', []) : execute(sql, values)),
  })
  retried.notify([1])
  await retried.stop()
  expect(await heard.payloads(channel)).toEqual(['1'])
  const silent = createNumbers({ execute: () => new Promise(() => {}) })
  silent.notify([2])
  await silent.stop()
  expect(errors.map(String)).toEqual([
    'error: division by zero',
    expect.stringContaining('did not answer within 2000 ms'),
  ])
})

test('a flush does not wait for the disk, and leaves the connection as it was', async () => {
  const client = await database.pool.connect()
  const settings: string[] = []
  const notifier = createNumbers({
    async execute(sql, values) {
      const { rows } = await client.query(
        `SELECT current_setting('synchronous_commit') AS setting, sent.* FROM (${sql}) AS sent`,
        values,
      )
      settings.push(rows[0].set_config)
      const after = await client.query('SHOW synchronous_commit')
      settings.push(after.rows[0].synchronous_commit)
    },
  })
  notifier.notify([1])
  await expect.poll(() => heard.payloads(channel)).toEqual(['1'])
  await notifier.stop()
  client.release()
  expect(settings).toEqual(['off', 'on'])
})
