import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createDatabase, type Database } from '../../core/db/database.ts'
import { createKey, revokeKey } from '../../core/identity/api-keys.ts'
import { createTenant } from '../../core/identity/tenants.ts'
import { ROOT } from '../../core/lib/paths.ts'
import { type RunningEdge, startEdge } from '../../edge/testing/runtimes.ts'
import type { StubGateway } from '../../edge/testing/stub-gateway.ts'
import { startCore } from '../lib/core-process.ts'
import { createTestDatabase, type TestDatabase } from '../lib/database.ts'
import { startTestRedis, type TestRedis } from '../lib/redis-server.ts'

/** Core with a Redis, and an edge that reaches that Redis through core alone. */

let database: TestDatabase
let db: Database
let core: { url: string; stop(): Promise<void> }
let edge: RunningEdge
const secrets = { SLUICE_GATEWAY_PASSWORD: 'a-password', SLUICE_REDIS_TOKEN: 'a-token' }

function spawnCore(env: Record<string, string>): ChildProcess {
  return spawn(process.execPath, ['core/main.ts'], {
    cwd: ROOT,
    env: {
      PATH: process.env.PATH,
      PORT: '0',
      SLUICE_CANARY_SECONDS: '0',
      DATABASE_URL: database.url,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

/** Of this file alone: core writes keys whose names all cores share. */
let redis: TestRedis
beforeAll(async () => {
  redis = await startTestRedis()
  database = await createTestDatabase()
  db = createDatabase(database.url)
  await createTenant(db, { tenant: 'acme' })
  const child = spawnCore({
    REDIS_URL: redis.url,
    SLUICE_REDIS_BRIDGE_URL: redis.bridgeUrl,
    ...secrets,
  })
  const exited = once(child, 'exit')
  const url = await new Promise<string>((resolve, reject) => {
    exited.then(() => reject(new Error('core ended')), reject)
    createInterface({ input: child.stdout as Readable }).on('line', (line) => {
      const { msg, url } = JSON.parse(line)
      if (msg === 'ready') resolve(url)
    })
  })
  core = {
    url,
    async stop() {
      child.kill('SIGTERM')
      await exited
    },
  }
  const gateway = {
    url: `${url}/gateway`,
    username: 'sluice',
    password: secrets.SLUICE_GATEWAY_PASSWORD,
  }
  edge = await startEdge('workerd', gateway as StubGateway, {
    SLUICE_REDIS_REST_URL: `${url}/redis`,
    SLUICE_REDIS_TOKEN: secrets.SLUICE_REDIS_TOKEN,
    SLUICE_REDIS_TIMEOUT_MS: '10000',
    SLUICE_REDIS_FAILURE_POLICY: 'fail-closed',
  })
})
afterAll(async () => {
  await edge?.stop()
  await core?.stop()
  await db?.destroy()
  await database?.drop()
  await redis?.remove()
})

const send = (key: string, body: unknown, headers = {}) =>
  fetch(`${edge.url}/v1/events`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, ...headers },
    body: JSON.stringify(body),
  })

test('an event passes with its rate limit, idempotency lock and cached result in Redis', async () => {
  const { key } = await createKey(db, {
    tenant: 'acme',
    name: 'both',
    scopes: ['ingest', 'read'],
    eventsPerMinute: 3,
  })
  const once = { 'idempotency-key': 'k' }
  const first = await send(key, { event: 'seen' }, once)
  expect([first.status, first.headers.get('sluice-degraded')]).toEqual([202, null])
  const again = await send(key, { event: 'seen' }, once)
  expect([again.status, again.headers.get('idempotency-replayed')]).toEqual([202, 'true'])
  expect((await send(key, [{ event: 'a' }, { event: 'b' }])).status).toBe(202)
  expect((await send(key, { event: 'c' })).status).toBe(429)

  const query = `{ metrics(name: "seen", interval: TOTAL, startTime: "2026-01-01T00:00:00Z", endTime: "2099-01-01T00:00:00Z") { value } }`
  const ask = async () => {
    const response = await fetch(`${core.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
      body: JSON.stringify({ query }),
    })
    return response.json()
  }
  await expect.poll(async () => (await ask()).data.metrics[0]?.value).toBe(1)
  await expect.poll(async () => (await ask()).extensions.cache.ageMs).toBeGreaterThan(0)
  const client = new Redis(redis.url)
  expect(await client.keys('sluice:{answers}:*')).not.toEqual([])
  client.disconnect()
})

test('a key revoked with the CLI is refused at the edge within its deadline', async () => {
  const { key, keyId } = await createKey(db, { tenant: 'acme', name: 'x', scopes: ['ingest'] })
  expect((await send(key, { event: 'a' })).status).toBe(202)
  await revokeKey(db, keyId)
  await expect
    .poll(async () => (await send(key, { event: 'a' })).status, { timeout: 25_000, interval: 500 })
    .toBe(401)
})

test('core reports the state of Redis, and refuses /redis without the token', async () => {
  const metrics = await (await fetch(`${core.url}/metrics`)).text()
  expect(metrics).toContain('sluice_up{part="redis"} 1')
  for (const authorization of ['', 'Bearer another', `Bearer ${secrets.SLUICE_GATEWAY_PASSWORD}`]) {
    const headers = { authorization }
    const answer = await fetch(`${core.url}/redis`, { method: 'POST', headers, body: '["PING"]' })
    expect([answer.status, await answer.json()]).toEqual([401, { error: 'Unauthorized' }])
  }
})

test.each([
  [
    'no token for its edges',
    () => ({ SLUICE_REDIS_BRIDGE_URL: redis.bridgeUrl }),
    'SLUICE_REDIS_TOKEN is not set',
  ],
  ['no user for edges', () => secrets, 'SLUICE_REDIS_BRIDGE_URL is not set'],
  [
    'its own user for edges',
    () => ({ ...secrets, SLUICE_REDIS_BRIDGE_URL: `${redis.url}/0` }),
    'SLUICE_REDIS_BRIDGE_URL and REDIS_URL name the same user (default)',
  ],
])('core with a Redis but %s does not start, and says why', async (_, env, message) => {
  const child = spawnCore({
    REDIS_URL: redis.url,
    SLUICE_GATEWAY_PASSWORD: secrets.SLUICE_GATEWAY_PASSWORD,
    ...env(),
  })
  let output = ''
  child.stdout?.on('data', (chunk) => {
    output += chunk
  })
  const [code] = await once(child, 'exit')
  expect(code).toBe(1)
  expect(output).toContain(message)
})

test("a collector warns at its start when it has core's own rights in Redis, and not when it has those of an edge", async () => {
  for (const [env, warns] of [
    [{}, true],
    [{ SLUICE_REDIS_BRIDGE_URL: redis.bridgeUrl }, false],
  ] as const) {
    const collector = await startCore({
      roles: ['collector'],
      databaseUrl: database.url,
      env: { REDIS_URL: redis.url, SLUICE_COLLECTOR_PORT: '0', ...env },
    })
    expect(await collector.stop()).toBe(0)
    expect(collector.output().includes("the collector has core's own rights in Redis")).toBe(warns)
  }
})
