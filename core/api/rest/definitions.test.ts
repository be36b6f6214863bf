import { Hono } from 'hono'
import { requestId } from 'hono/request-id'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createKey } from '../../identity/api-keys.ts'
import { createBackfill } from '../../metrics/backfill.ts'
import { METRIC_LIMITS } from '../../metrics/metric-limits.ts'
import { isBackfilled } from '../../metrics/testing/recount.ts'
import { createQueryFixture, type QueryFixture } from '../graphql/testing/fixture.ts'
import { handleError } from '../http/problem.ts'
import { createRestApp } from './app.ts'

let fixture: QueryFixture
let readKey: Record<string, string>
let adminKey: Record<string, string>
let app: Hono
beforeAll(async () => {
  fixture = await createQueryFixture()
  readKey = await fixture.keyOf('default')
  await fixture.store('default', [
    ...[5, 7, 11].map((total, i) => ({
      id: `order-${i}`,
      name: 'order',
      occurredAt: '2026-11-20T08:10:00Z',
      receivedAt: '2026-11-20T08:10:01Z',
      source: i === 0 ? 'web' : 'app',
      properties: { plan: 'pro', cart: { total } },
    })),
    { id: 'view', name: 'page/view', occurredAt: '2026-11-20T05:00:00Z' },
  ])
  const admin = await createKey(fixture.db, { tenant: 'default', name: 'a', scopes: ['admin'] })
  adminKey = { Authorization: `Bearer ${admin.key}` }
  app = new Hono().use(requestId())
  app.onError(handleError({ error() {} }))
  app.route('/', createRestApp({ graphql: fixture.graphql, secure: false }))
})
afterAll(() => fixture.close())

const PATH = '/v1/metric-definitions'
const request = (method: string, path: string, body?: unknown, headers = adminKey) =>
  app.request(`http://localhost${path}`, {
    method,
    headers: { ...headers, ...(body !== undefined && { 'Content-Type': 'application/json' }) },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
const declare = (body: unknown, headers = adminKey) => request('POST', PATH, body, headers)
const SALES = {
  name: 'sales/all',
  events: ['order'],
  filter: { plan: ['pro'] },
  value: 'cart.total',
  dimensions: ['source'],
}
const METRIC =
  '/v1/metrics/sales%2Fall?start=2026-11-20T00:00:00Z&end=2026-11-21T00:00:00Z&interval=total&aggregate=sum'

test('a metric is declared, counted, queried like a name, changed and removed', async () => {
  const created = await declare(SALES)
  expect(created.status).toBe(201)
  expect(created.headers.get('location')).toBe(`${PATH}/sales%2Fall`)
  expect(await created.json()).toMatchObject({
    data: {
      definition: { ...SALES, version: 1 },
      state: 'backfilling',
      backfill: { days_done: 0, days_total: expect.any(Number), events: 0 },
    },
  })
  const before = await (await request('GET', METRIC, undefined, readKey)).json()
  expect(before.meta).toMatchObject({ final: false, complete_since: expect.any(String) })

  const backfill = createBackfill(fixture.database.pool, new AbortController().signal)
  while ((await backfill.step()) === 'done');
  expect(await isBackfilled(fixture.database.pool)).toBe(true)
  const listed = await (await request('GET', PATH, undefined, readKey)).json()
  expect(listed.data).toMatchObject([
    { definition: { name: 'sales/all' }, state: 'active', backfill: { events: 3 }, series: 2 },
  ])
  const after = await (await request('GET', `${METRIC}&group_by=source`, undefined, readKey)).json()
  expect(after).toMatchObject({
    data: [
      { value: 18, dimensions: { source: 'app' } },
      { value: 5, dimensions: { source: 'web' } },
    ],
    meta: {
      source: 'rollup',
      definition: { metric: 'sales/all', kind: 'metric', version: 1 },
      complete_since: null,
    },
  })

  const changed = await (await declare({ name: 'sales/all', events: 'order' })).json()
  expect(changed.data.definition).toEqual({
    ...{ name: 'sales/all', version: 2, events: ['order'], filter: {} },
    ...{ value: 'value', dimensions: [] },
  })
  expect((await request('DELETE', `${PATH}/sales%2Fall`)).status).toBe(204)
  expect((await request('DELETE', `${PATH}/sales%2Fall`)).status).toBe(404)
  expect((await request('GET', `${PATH}/sales%2Fall`)).status).toBe(404)
  expect((await (await request('GET', METRIC)).json()).data).toEqual([])
})

test('a key that only reads may list metrics and change none, through GraphQL too', async () => {
  expect((await declare(SALES, readKey)).status).toBe(403)
  expect((await request('DELETE', `${PATH}/any`, undefined, readKey)).status).toBe(403)
  expect((await declare(SALES, {})).status).toBe(401)
  const mutation = 'mutation { retireMetric(name: "any") }'
  const read = await fixture.execute(mutation, readKey)
  expect(read.errors?.[0]?.extensions.code).toBe('FORBIDDEN')
  const signedIn = await fixture.execute(mutation, await fixture.session())
  expect(signedIn.errors?.[0]?.extensions.code).toBe('METRIC_NOT_FOUND')
})

const LONG = 'x'.repeat(300)
test.each<[string, unknown, string]>([
  ['no name', {}, '/name'],
  ['a name that counts all events', { name: '*' }, '/name'],
  ['a control character', { name: 'a\u0007b' }, '/name'],
  ['NUL in a filter', { name: 'm', filter: { plan: 'a\0' } }, '/filter/plan'],
  ['a member that does not exist', { name: 'm', 'a/b': 1 }, '/a~1b'],
  ['ten thousand events', { name: 'm', events: Array.from({ length: 10_000 }, String) }, '/events'],
  ['a deep path', { name: 'm', dimensions: ['a.'.repeat(200)] }, '/dimensions/0'],
  ['an empty part of a path', { name: 'm', value: 'cart..total' }, '/value'],
  ['a column as its value', { name: 'm', value: 'source' }, '/value'],
  ['five dimensions', { name: 'm', dimensions: ['a', 'b', 'c', 'd', 'e'] }, '/dimensions'],
  ['the same dimension twice', { name: 'm', dimensions: ['a', 'a'] }, '/dimensions'],
  ['a filter that is a text', { name: 'm', filter: 'plan:pro' }, '/filter'],
  ['a filter without a value', { name: 'm', filter: { plan: [] } }, '/filter/plan'],
  ['a list of no object', { name: 'm', filter: ['plan'] }, '/filter/0'],
  ['a name that is too long', { name: LONG }, '/name'],
  ['no JSON', '{', ''],
  ['a list', '[]', ''],
])('a definition with %s is refused with a pointer', async (_, body, pointer) => {
  const response = await declare(body)
  expect(response.status).toBe(400)
  expect(response.headers.get('content-type')).toBe('application/problem+json')
  expect(await response.json()).toMatchObject({ code: 'BAD_USER_INPUT', pointer })
})

test('a member called __proto__ is a dimension like any other', async () => {
  const response = await declare(
    '{"name":"proto","filter":{"__proto__":["x"]},"dimensions":["__proto__"]}',
  )
  expect(response.status).toBe(201)
  expect(await response.text()).toContain('"filter":{"__proto__":["x"]}')
  await request('DELETE', `${PATH}/proto`)
})

test('the name of events, another media type and a body without end are refused', async () => {
  expect(await (await declare({ name: 'order' })).json()).toMatchObject({
    ...{ status: 409, code: 'METRIC_NAME_TAKEN', pointer: '/name' },
  })
  expect((await request('PATCH', PATH)).status).toBe(405)
  expect((await request('POST', PATH)).status).toBe(415)
  expect((await declare(`"${'x'.repeat(200_000)}"`)).status).toBe(413)
})

test('a tenant has a limited number of metrics', async () => {
  const { metricsPerTenantMax } = METRIC_LIMITS
  for (let i = 0; i < metricsPerTenantMax; i++)
    expect((await declare({ name: `metric-${i}` })).status).toBe(201)
  expect(await (await declare({ name: 'one-more' })).json()).toMatchObject({
    ...{ status: 409, code: 'METRIC_LIMIT_REACHED', limit: 'metrics' },
  })
  expect((await declare({ name: 'metric-0', events: ['order'] })).status).toBe(201)
})
