import { afterAll, beforeAll, expect, test } from 'vitest'
import { tenantViewer } from '../../identity/viewer.ts'
import { LIVE_LIMITS, QUERY_LIMITS } from '../../queries/limits.ts'
import { createQueryFixture, type QueryFixture } from '../graphql/testing/fixture.ts'
import { createCoreApp } from './app.ts'
import { createMetrics } from './metrics.ts'
import { type Served, serveApp } from './serve.ts'

let fixture: QueryFixture
let core: Served
let headers: Record<string, string>
const errors: unknown[] = []
beforeAll(async () => {
  fixture = await createQueryFixture()
  const { db, log, graphql } = fixture
  const app = createCoreApp({
    db,
    log,
    logger: { error: (line) => errors.push(line) },
    metrics: createMetrics({ db, log }),
    api: { graphql, dashboardFolder: '/nowhere' },
  })
  core = await serveApp(app, { port: 0 })
  headers = { 'content-type': 'application/json', ...(await fixture.keyOf('default')) }
  await fixture.store('default', [{ occurredAt: '2026-11-10T10:00:00Z', actor: 'ann' }])
})
afterAll(async () => {
  await core.close(0)
  await fixture.close()
})

/** Connections of queries that execute a statement on events, and all of them. */
async function connections(): Promise<{ running: number; all: number }> {
  const { rows } = await fixture.database.pool.query(`
    SELECT count(*) FILTER (WHERE state = 'active' AND query LIKE '%FROM event e%')::int AS running, count(*)::int AS all
      FROM pg_stat_activity
     WHERE application_name = 'sluice api' AND datname = current_database() AND pid <> pg_backend_pid()`)
  return rows[0]
}

/** Nobody can read events until it is called: queries run for as long as a test wants. */
async function blockEvents(): Promise<() => Promise<void>> {
  const client = await fixture.database.pool.connect()
  await client.query('BEGIN; LOCK TABLE event IN ACCESS EXCLUSIVE MODE')
  return async () => {
    await client.query('ROLLBACK')
    client.release()
  }
}

/** Half of the connections that are not kept for the operator. */
const OF_ONE_TENANT = Math.floor((QUERY_LIMITS.connectionsMax - 1) / 2)

const QUERY = `{ metrics(name: "*", startTime: "2026-11-10T00:00:00Z", endTime: "2026-11-11T00:00:00Z",
  interval: DAY, aggregate: UNIQUES) { value } }`
const PATH =
  '/v1/metrics/*?start=2026-11-10T00:00:00Z&end=2026-11-11T00:00:00Z&interval=day&aggregate=uniques'
/** A statement that nobody cancels ends by itself after ten seconds. */
const BEFORE_TIMEOUT = { timeout: 7_000 }

/** In a transaction of several statements. */
const TOTALS = `{ totals(startTime: "2026-11-10T00:00:00Z", endTime: "2026-11-11T00:00:00Z") { uniqueActors } }`

const post = (query: string, signal?: AbortSignal) =>
  fetch(`${core.url}/graphql`, { method: 'POST', headers, body: JSON.stringify({ query }), signal })
const get = (path: string, signal?: AbortSignal) => fetch(core.url + path, { headers, signal })

test.each([
  ['a statement', post, QUERY, { data: { metrics: [{ value: 1 }] } }],
  ['a transaction', post, TOTALS, { data: { totals: { uniqueActors: 1 } } }],
  ['a request to REST', get, PATH, { data: [{ value: 1 }] }],
] as const)(
  '%s of a client that leaves is cancelled in Postgres, and its connection is not lost',
  async (_, send, query, result) => {
    // More than there are connections: a lost one would keep a later query waiting.
    for (let i = 0; i < QUERY_LIMITS.connectionsMax + 1; i++) {
      const unblock = await blockEvents()
      const client = new AbortController()
      const response = send(query, client.signal).catch((error: Error) => error.name)
      await expect.poll(async () => (await connections()).running).toBe(1)
      client.abort()
      expect(await response).toBe('AbortError')
      await expect.poll(async () => (await connections()).running, BEFORE_TIMEOUT).toBe(0)
      await unblock()
    }
    expect(await (await send(query)).json()).toMatchObject(result)
    expect((await connections()).all).toBeLessThanOrEqual(QUERY_LIMITS.connectionsMax)
    expect(errors).toEqual([])
  },
)

test('a query that waits for a connection is not started once its client has left', async () => {
  const unblock = await blockEvents()
  const running = Array.from({ length: QUERY_LIMITS.connectionsMax }, () => post(QUERY))
  await expect.poll(async () => (await connections()).running).toBeGreaterThan(0)
  const client = new AbortController()
  const left = post(QUERY.replace('UNIQUES', 'P99'), client.signal).catch(() => 'left')
  await expect.poll(async () => (await connections()).running).toBe(OF_ONE_TENANT)
  client.abort()
  expect(await left).toBe('left')
  await unblock()
  for (const response of running) expect((await response).status).toBe(200)
  const { rows } = await fixture.database.pool.query(
    "SELECT FROM pg_stat_activity WHERE query LIKE '%WITHIN GROUP%' AND pid <> pg_backend_pid()",
  )
  expect(rows).toEqual([])
})

test('the statements of a live subscription are cancelled when the last subscriber leaves', async () => {
  const viewer = await tenantViewer(fixture.db, { kind: 'SESSION' }, 'default')
  const unblock = await blockEvents()
  const running = async () => {
    const { rows } = await fixture.database.pool.query(
      `SELECT FROM pg_stat_activity WHERE application_name = 'sluice api' AND datname = current_database()
          AND wait_event_type = 'Lock'`,
    )
    return rows.length
  }
  const subscription = fixture.live.subscribe(viewer, async () => true)
  await expect.poll(running).toBeGreaterThan(0)
  await subscription.return?.()
  await expect.poll(running, { timeout: LIVE_LIMITS.refreshDeadlineMs * 0.8 }).toBe(0)
  await unblock()
})
