import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
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

test('a collector is asked on its own port, core on the other one and whatever its workers do', async () => {
  const bodies: Record<string, object> = {}
  const serve = async () => {
    const server = createServer(({ url = '' }, response) => {
      const { port } = server.address() as AddressInfo
      response.end(JSON.stringify(bodies[`${port}${url}`] ?? {}))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    return (server.address() as AddressInfo).port
  }
  const [core, collector] = [await serve(), await serve()]
  const env = { PORT: String(core), SLUICE_COLLECTOR_PORT: String(collector) }
  const states = async (status: string, checks: Record<string, string>) => {
    bodies[`${collector}/healthz`] = { status }
    bodies[`${core}/readyz`] = { checks }
    return Promise.all([['collector'], ['api'], ['gateway']].map((roles) => run(roles, env)))
  }
  expect(await states('ok', { postgres: 'ok', worker: 'no worker runs' })).toEqual([0, 0, 0])
  expect(await states('failing', { postgres: 'ok' })).toEqual([1, 0, 0])
  expect(await states('ok', { postgres: 'ok', log: 'failed' })).toEqual([0, 1, 1])
})

const check = (databaseUrl: string) => run(['worker'], { DATABASE_URL: databaseUrl })

async function run(roles: readonly string[], env: Record<string, string>): Promise<number> {
  const child = spawn(process.execPath, ['core/health-check.ts', ...roles], {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: 'ignore',
  })
  const [code] = await once(child, 'exit')
  return code
}
