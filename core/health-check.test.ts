import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { hostname } from 'node:os'
import { expect, onTestFinished, test } from 'vitest'
import { createTestDatabase } from '../tests/lib/database.ts'
import { ROOT } from './lib/paths.ts'

test('a worker is healthy by its own heartbeat, not by that of a machine whose name starts like its own', async () => {
  const database = await createTestDatabase()
  onTestFinished(() => database.drop())
  const beat = (worker: string, age = '0 s') =>
    database.pool.query(
      'INSERT INTO worker_heartbeat (worker_id, beat_at) VALUES ($1, now() - $2::interval)',
      [worker, age],
    )
  expect(await check(database.url)).toBe(1)
  await beat(`${hostname()}-2-0a1b2c3d`)
  await beat(`other-${hostname()}-0a1b2c3d`)
  await beat(`${hostname()}-4e5f6a7b`, '5 min')
  expect(await check(database.url)).toBe(1)
  await beat(`${hostname()}-8c9d0e1f`)
  expect(await check(database.url)).toBe(0)
})

async function check(databaseUrl: string): Promise<number> {
  const child = spawn(process.execPath, ['core/health-check.ts', 'worker'], {
    cwd: ROOT,
    env: { ...process.env, DATABASE_URL: databaseUrl },
    stdio: 'ignore',
  })
  const [code] = await once(child, 'exit')
  return code
}
