import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { createDatabase } from '../../core/db/database.ts'
import { createKey } from '../../core/identity/api-keys.ts'
import { findFreePort } from '../../tools/process/ports.ts'
import { isAlive } from '../../tools/process/processes.ts'
import { startCore } from '../lib/core-process.ts'
import { createTestDatabase, type TestDatabase } from '../lib/database.ts'

let database: TestDatabase
let key: string
beforeAll(async () => {
  database = await createTestDatabase()
  await database.pool.query("INSERT INTO tenant (slug) VALUES ('default')")
  const db = createDatabase(database.url, { max: 1 })
  key = (await createKey(db, { tenant: 'default', name: 'writer', scopes: ['ingest'] })).key
  await db.destroy()
})
afterAll(() => database.drop())

const start = (port: number) =>
  startCore({
    roles: ['collector'],
    databaseUrl: database.url,
    env: {
      SLUICE_COLLECTOR_PORT: String(port),
      SLUICE_COLLECTOR_PROCESSES: '2',
      REDIS_URL: inject('redisUrl'),
    },
  })

/** Linux alone has it; so does every machine that runs engines. */
const childrenOf = (pid: number) =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number)

test('several collectors share a port, one that is killed is started again, and all stop in order', async () => {
  const port = await findFreePort()
  const core = await start(port)
  const post = async () => {
    const response = await fetch(`http://127.0.0.1:${port}/v1/events`, {
      method: 'POST',
      // A connection of its own each time, so that it may come to any of them.
      headers: { Authorization: `Bearer ${key}`, Connection: 'close' },
      body: '{"event":"a"}',
    })
    await response.text()
    return response.status
  }
  // Each process says so, and the one that started them when both have.
  await expect.poll(() => core.output().match(/"msg":"ready"/g)?.length).toBe(3)
  expect(await post()).toBe(202)
  const [victim] = childrenOf(core.pid)
  process.kill(victim as number, 'SIGKILL')
  await expect.poll(() => core.output()).toContain('a collector ended, restarting it')
  await expect.poll(() => childrenOf(core.pid).filter((pid) => pid !== victim).length).toBe(2)
  for (let i = 0; i < 10; i++) await expect.poll(post).toBe(202)
  // One that ends again soon after its start waits longer each time.
  const [again] = childrenOf(core.pid).slice(-1)
  process.kill(again as number, 'SIGKILL')
  const delays = () => [...core.output().matchAll(/"delayMs":(\d+)/g)].map(([, ms]) => Number(ms))
  await expect.poll(delays).toEqual([200, 400])
  await expect.poll(() => childrenOf(core.pid).length).toBe(2)
  await expect.poll(post).toBe(202)
  const code = await core.stop()
  expect(code, core.output()).toBe(0)
})

test('a collector that does not respond to SIGTERM is killed after 9 s, so that core ends', async () => {
  const core = await start(await findFreePort())
  await expect.poll(() => core.output().match(/"msg":"ready"/g)?.length).toBe(3)
  const [frozen] = childrenOf(core.pid)
  process.kill(frozen as number, 'SIGSTOP')
  const began = performance.now()
  await core.stop()
  expect(performance.now() - began).toBeGreaterThan(8_500)
  expect(isAlive(frozen as number)).toBe(false)
}, 30_000)

test('collectors whose port is in use end the program instead of starting again and again', async () => {
  const holder = createServer()
  const port = await new Promise<number>((resolve) => {
    holder.listen(0, '127.0.0.1', () => resolve((holder.address() as { port: number }).port))
  })
  const failure = await start(port).catch(String)
  expect(failure).toContain('ended before it listened')
  expect(failure).toContain('The lines above show why. Correct it and start again.')
  holder.close()
})
