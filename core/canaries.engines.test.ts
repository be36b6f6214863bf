import { afterAll, beforeAll, expect, test } from 'vitest'
import { composeEdge } from '../edge/entry/compose.ts'
import { abortOnTimeout } from '../edge/lib/timeout.ts'
import { type ServedEdge, serveEdge } from '../edge/node/serve-edge.ts'
import { createTestDatabase, type TestDatabase } from '../tests/lib/database.ts'
import { startTestRedis, type TestRedis } from '../tests/lib/redis-server.ts'
import { startTcpProxy, type TcpProxy } from '../tests/lib/tcp-proxy.ts'
import { createDatabase, type Database } from './db/database.ts'
import { edgeUser } from './gateway/users.ts'
import { listKeys } from './identity/api-keys.ts'
import { findKeyRecord } from './identity/key-directory.ts'
import { DEFAULT_SIGN_IN } from './identity/sign-in/sign-in-settings.ts'
import { createTenant, listTenants } from './identity/tenants.ts'
import { createLifecycle, type Lifecycle } from './lifecycle.ts'
import { createLogger } from './logger.ts'
import { type RolesOptions, type RunningRoles, startRoles } from './roles.ts'

/** An edge, the gateway, a worker and the api, each of which can be stopped without the others. */

const PASSWORD = 'a-password-for-tests'
const stops: (() => unknown)[] = []
let database: TestDatabase
let db: Database
let redis: TestRedis
let edge: ServedEdge
/** In front of Postgres for the api alone, of the gateway, and of the edge. */
let toPostgres: TcpProxy
let toGateway: TcpProxy
let toEdge: TcpProxy
let api: RunningRoles
let worker: Lifecycle

async function start(
  role: 'api' | 'gateway' | 'worker',
  options: Partial<RolesOptions> = {},
): Promise<RunningRoles & { lifecycle: Lifecycle }> {
  const lifecycle = createLifecycle()
  stops.push(() => lifecycle.stop())
  const running = await startRoles({
    ...{ roles: [role], databaseUrl: database.url, log: { kind: 'postgres' }, lifecycle },
    ...{ gatewayUsers: [edgeUser(PASSWORD)], host: '127.0.0.1', port: 0 },
    ...{ dashboardFolder: '/nowhere', retentionDays: undefined, signIn: DEFAULT_SIGN_IN },
    logger: createLogger('fatal', 2),
    ...options,
  })
  return { ...running, lifecycle }
}

async function proxy(to: number): Promise<TcpProxy> {
  const started = await startTcpProxy(to)
  stops.push(() => started.close().catch(() => {}))
  return started
}

const portOf = (url: string | undefined) => Number(new URL(url ?? '').port)
const through = ({ port }: TcpProxy) => `http://127.0.0.1:${port}`

beforeAll(async () => {
  database = await createTestDatabase()
  db = createDatabase(database.url, { max: 2 })
  await createTenant(db, { tenant: 'default' })
  redis = await startTestRedis()
  toPostgres = await proxy(portOf(database.url))
  const gateway = await start('gateway')
  toGateway = await proxy(portOf(gateway.served?.url))
  const app = composeEdge(
    {
      SLUICE_GATEWAY_URL: `${through(toGateway)}/gateway`,
      SLUICE_GATEWAY_USERNAME: 'sluice',
      SLUICE_GATEWAY_PASSWORD: PASSWORD,
    },
    { timeout: abortOnTimeout, edgeNameOf: () => 'test', addressOf: () => '127.0.0.1' },
  )
  edge = await serveEdge((request, env) => app.fetch(request, env), { host: '127.0.0.1', port: 0 })
  stops.push(() => edge.close())
  toEdge = await proxy(portOf(edge.url))
  worker = (await start('worker')).lifecycle
  api = await start('api', {
    databaseUrl: database.url.replace(/:\d+\//, `:${toPostgres.port}/`),
    redisUrl: redis.url,
    canaries: {
      ...{ intervalMs: 200, visibleMsMax: 2_000, edges: [through(toEdge)] },
      ...{ targetSeconds: 5, objectivePercent: 99 },
    },
  })
})
afterAll(async () => {
  for (const stop of stops.reverse()) await stop()
  await db?.destroy()
  await redis?.remove()
  await database?.drop()
})

async function freshness(): Promise<string> {
  const response = await fetch(`${api.served?.url}/readyz`)
  return ((await response.json()) as { freshness: string }).freshness
}

const untilIs = (state: string) =>
  expect.poll(freshness, { timeout: 20_000, interval: 100 }).toBe(state)

async function metrics(): Promise<string[]> {
  return (await (await fetch(`${api.served?.url}/metrics`)).text()).split('\n')
}

test('canaries are measured, and their tenant and its key are in no list', async () => {
  await untilIs('ok')
  await expect.poll(metrics).toContain('sluice_pipeline_component_up{component="worker"} 1')
  await expect
    .poll(async () => (await metrics()).join('\n'))
    .toMatch(/sluice_freshness_seconds\{window="1h",quantile="0.99"\} \d/)
  expect((await metrics()).join('\n')).toMatch(
    /sluice_freshness_error_budget_left\{objective="99",target_seconds="5"\} 1/,
  )
  expect((await listTenants(db)).map(({ tenant }) => tenant)).toEqual(['default'])
  expect(await listKeys(db)).toEqual([])
  const { rows } = await database.pool.query(
    `SELECT (SELECT array_agg(DISTINCT slug) FROM outcome_minute JOIN tenant USING (tenant_id)) AS tenants,
            encode(key_sha256, 'hex') AS hash FROM api_key`,
  )
  expect([rows.length, rows[0].tenants]).toEqual([1, ['-canaries']])
  // It may send canaries and do nothing else.
  const key = await findKeyRecord(db, rows[0].hash)
  expect(key).toMatchObject({ scopes: ['ingest'], allowed_events: ['canary'] })
})

test('the worker is named when it is stopped, and no component once it runs again', async () => {
  await worker.stop()
  await untilIs('failing: worker')
  expect(await metrics()).toContain('sluice_pipeline_component_up{component="worker"} 0')
  expect(await metrics()).toContain('sluice_pipeline_component_up{component="log"} 1')
  await start('worker')
  await untilIs('ok')
})

test('the edge is named when nothing listens there', async () => {
  const listen = await toEdge.refuse()
  await untilIs('failing: edge')
  await listen()
  await untilIs('ok')
})

test('the gateway is named when the edge does not reach it', async () => {
  const listen = await toGateway.refuse()
  await untilIs('failing: gateway')
  await listen()
  await untilIs('ok')
})

test('the log is named when it takes no records', async () => {
  await database.pool.query(
    `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused'; END $$;
     CREATE TRIGGER refuse BEFORE INSERT ON log_chunk FOR EACH ROW EXECUTE FUNCTION refuse()`,
  )
  await untilIs('failing: log')
  await database.pool.query('DROP TRIGGER refuse ON log_chunk')
  await untilIs('ok')
})

test('Redis is named when it is stopped, though canaries pass', async () => {
  await redis.kill()
  await untilIs('failing: redis')
  await redis.start()
  await untilIs('ok')
})

test('Postgres is named when core does not reach it', async () => {
  const listen = await toPostgres.refuse()
  await untilIs('failing: postgres')
  expect(await metrics()).toContain('sluice_pipeline_component_up{component="postgres"} 0')
  await listen()
  await untilIs('ok')
})
