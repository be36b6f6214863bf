import { afterAll, beforeAll, expect, test } from 'vitest'
import { createDatabase } from '../../../db/database.ts'
import { createKey } from '../../../identity/api-keys.ts'
import type { SecurityEvent } from '../../../lib/security-log.ts'
import { METRIC_LIMITS } from '../../../metrics/metric-limits.ts'
import { createGraphQL, type GraphQLServer } from '../server.ts'
import { createQueryFixture, type QueryFixture } from '../testing/fixture.ts'

let fixture: QueryFixture
let graphql: GraphQLServer
let close: () => Promise<void>
const keys: Record<string, { keyId: string; key: string }> = {}
const recorded: SecurityEvent[] = []
beforeAll(async () => {
  fixture = await createQueryFixture()
  for (const tenant of ['default', 'other'])
    keys[tenant] = await createKey(fixture.db, { tenant, name: 'a', scopes: ['admin'] })
  const { database, live, log } = fixture
  const identityDb = createDatabase(database.url, { max: 1 })
  const db = createDatabase(database.url, { role: 'sluice_read' })
  const metricsDb = createDatabase(database.url, { max: 2 })
  graphql = createGraphQL({
    ...{ db, identityDb, metricsDb, live, log },
    logger: { error() {} },
    securityLog: { record: (event) => recorded.push(event), close() {} },
  })
  close = async () => {
    await metricsDb.destroy()
    await identityDb.destroy()
    await db.destroy()
    await fixture.close()
  }
})
afterAll(() => close?.())

async function execute(tenant: string, query: string) {
  const response = await graphql.fetch(
    new Request('http://localhost/graphql', {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${keys[tenant]?.key}`,
      },
      body: JSON.stringify({ query }),
    }),
    { requestId: 'r-1', address: '203.0.113.9' },
  )
  const { data, errors } = (await response.json()) as {
    data?: Record<string, unknown>
    errors?: { extensions: Record<string, unknown> }[]
  }
  return {
    status: response.status,
    headers: response.headers,
    data,
    error: errors?.[0]?.extensions,
  }
}
const declare = (name: string, events = 'order') =>
  `mutation { declareMetric(definition: { name: "${name}", events: ["${events}"] }) { version } }`

test('who declared or retired a metric is in the security log, and a definition that was active already is not', async () => {
  await execute('other', declare('sales'))
  await execute('other', declare('sales'))
  await execute('other', declare('sales', 'refund'))
  await execute('other', 'mutation { retireMetric(name: "sales") }')
  await execute('other', 'mutation { retireMetric(name: "sales") }')
  const from = {
    outcome: 'allowed',
    actor: `key ${keys.other?.keyId}`,
    tenant: 'other',
    address: '203.0.113.9',
    requestId: 'r-1',
  }
  expect(recorded).toEqual([
    { name: 'metric-declared', ...from, detail: 'sales, version 1' },
    { name: 'metric-declared', ...from, detail: 'sales, version 2' },
    { name: 'metric-retired', ...from, detail: 'sales, version 2' },
  ])
})

test('a request changes one metric at most, however its fields are written', async () => {
  const { status, error } = await execute(
    'other',
    'mutation { a: retireMetric(name: "a") ...F } fragment F on Mutation { b: retireMetric(name: "b") }',
  )
  expect([status, error]).toMatchObject([
    422,
    { code: 'QUERY_TOO_LARGE', limit: 'mutation fields' },
  ])
})

test('a tenant changes a limited number of metrics a minute, and learns when to try again', async () => {
  const { changesPerMinuteMax } = METRIC_LIMITS
  const statuses = []
  for (let i = 0; i < changesPerMinuteMax; i++)
    statuses.push((await execute('default', declare(`metric-${i}`))).status)
  expect(new Set(statuses)).toEqual(new Set([200]))
  const refused = await execute('default', declare('one-more'))
  expect(refused.error).toMatchObject({ code: 'TOO_MANY_ATTEMPTS', retryAfterSeconds: 6 })
  expect(refused.headers.get('retry-after')).toBe('6')
  const retiring = await execute('default', 'mutation { retireMetric(name: "metric-0") }')
  expect(retiring.error).toMatchObject({ code: 'TOO_MANY_ATTEMPTS' })
  // What is declared already costs nothing, and other tenants have limits of their own.
  expect((await execute('default', declare('metric-0'))).data).toEqual({
    declareMetric: { version: 1 },
  })
  expect((await execute('other', declare('theirs'))).error).toBeUndefined()
})

test('keys are looked up while activations wait for a batch', async () => {
  const client = await fixture.database.pool.connect()
  try {
    await client.query('BEGIN; LOCK TABLE log_position IN ROW EXCLUSIVE MODE')
    let ended = 0
    const waiting = Array.from({ length: 4 }, async (_, i) => {
      const result = await execute('other', declare(`waiting-${i}`))
      ended++
      return result
    })
    const locks = async () =>
      (
        await fixture.database.pool.query(
          "SELECT count(*)::int AS n FROM pg_locks WHERE relation = 'log_position'::regclass AND NOT granted",
        )
      ).rows[0].n
    await expect.poll(locks, { interval: 20 }).toBe(1)
    expect((await execute('default', '{ viewer { kind } }')).status).toBe(200)
    expect([ended, await locks()]).toEqual([0, 1])
    await client.query('COMMIT')
    for (const { error } of await Promise.all(waiting)) expect(error).toBeUndefined()
  } finally {
    await client.query('ROLLBACK')
    client.release()
  }
})
