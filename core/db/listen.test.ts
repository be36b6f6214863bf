import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../tests/lib/database.ts'
import { listen } from './listen.ts'

let database: TestDatabase
beforeEach(async () => {
  database = await createTestDatabase()
})
afterEach(() => database.drop())

const NAME = 'sluice test listener'
const connections = async (then = '') =>
  (
    await database.pool.query(
      `SELECT ${then || 'pid'} FROM pg_stat_activity WHERE application_name = $1 AND datname = current_database()`,
      [NAME],
    )
  ).rows.length

function start() {
  const heard: (string | undefined)[] = []
  const errors: unknown[] = []
  const listener = listen({
    url: database.url,
    channel: 'test_channel',
    name: NAME,
    onNotification: (payload) => heard.push(payload),
    onError: (error) => errors.push(error),
  })
  onTestFinished(() => listener.close())
  return { listener, heard, errors }
}
const notify = (payload: string) => database.pool.query(`NOTIFY test_channel, '${payload}'`)

test('a lost connection is opened again, and reported as a time in which notifications may have been missed', async () => {
  const { listener, heard, errors } = start()
  await expect.poll(() => listener.up).toBe(true)
  await notify('first')
  await expect.poll(() => heard).toEqual([undefined, 'first'])
  await connections('pg_terminate_backend(pid)')
  await expect.poll(() => errors.length).toBe(1)
  await expect.poll(() => heard).toEqual([undefined, 'first', undefined])
  await notify('second')
  await expect.poll(() => heard.at(-1)).toBe('second')
  expect(await connections()).toBe(1)
})

test('a listener that is closed, also while it waits to connect again, leaves no timer and no connection', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] })
  onTestFinished(() => void vi.useRealTimers())
  const waiting = start()
  await expect.poll(() => waiting.listener.up).toBe(true)
  await connections('pg_terminate_backend(pid)')
  await expect.poll(() => waiting.errors.length).toBe(1)
  await waiting.listener.close()
  const connected = start()
  await expect.poll(() => connected.listener.up).toBe(true)
  await connected.listener.close()
  await expect.poll(() => connections()).toBe(0)
  await vi.advanceTimersByTimeAsync(30_000)
  expect(await connections()).toBe(0)
  expect([waiting.listener.up, connected.listener.up]).toEqual([false, false])
  expect(connected.errors).toEqual([])
})
