import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { type CoreProcess, startCore } from '../../tests/lib/core-process.ts'
import { createTestDatabase } from '../../tests/lib/database.ts'
import { startFlood } from '../../tests/lib/flood.ts'
import { NO_DISCREPANCIES, recount } from '../../tests/lib/recount.ts'
import { mulberry32 } from '../../tools/demo/traffic.ts'
import { findFreeServicePort } from '../../tools/process/ports.ts'
import { createDatabase } from '../db/database.ts'
import { createKey } from '../identity/api-keys.ts'
import { createTenant } from '../identity/tenants.ts'
import { createPostgresLog } from '../log/postgres/postgres-log.ts'

const EVENTS = 10_000
const SEED = Date.now() % 1_000_000

async function setUp() {
  const database = await createTestDatabase()
  onTestFinished(() => database.drop())
  const db = createDatabase(database.url, { max: 1 })
  await createTenant(db, { tenant: 'crash', eventsPerMinute: 1e9 })
  const { key } = await createKey(db, {
    tenant: 'crash',
    name: 'flood',
    scopes: ['ingest'],
    eventsPerMinute: 1e9,
  })
  await db.destroy()
  const log = await createPostgresLog({ url: database.url })
  onTestFinished(() => log.close())
  const port = await findFreeServicePort()
  const processes: CoreProcess[] = []
  onTestFinished(() => {
    for (const { process } of processes) process.kill('SIGKILL')
  })
  const start = async (role: 'collector' | 'worker') => {
    const started = await startCore({
      roles: [role],
      databaseUrl: database.url,
      env: { SLUICE_COLLECTOR_PORT: String(port) },
    })
    processes.push(started)
    return started
  }
  return { databaseUrl: database.url, log, key, url: `http://127.0.0.1:${port}`, start }
}

test('a collector that is killed under load loses no event that it accepted, and one that is stopped answers all it has begun', async () => {
  const { databaseUrl, log, key, url, start } = await setUp()
  let collector = await start('collector')
  await start('worker')
  const flood = startFlood({
    url,
    key,
    events: EVENTS,
    senders: 8,
    batchMax: 50,
    random: mulberry32(SEED),
  })
  for (const signal of ['SIGKILL', 'SIGTERM', 'SIGKILL'] as const) {
    const before = flood.accepted
    await expect.poll(() => flood.accepted).toBeGreaterThan(before + EVENTS / 10)
    const code = await collector.stop(signal)
    if (signal === 'SIGTERM') expect(code).toBe(0)
    await sleep(100)
    collector = await start('collector')
  }
  await flood.done
  expect(flood.unexpected).toEqual([])
  const { discrepancies } = await recount({ databaseUrl, log }, 'crash', EVENTS)
  expect(discrepancies, `seed ${SEED}`).toEqual(NO_DISCREPANCIES)
})
