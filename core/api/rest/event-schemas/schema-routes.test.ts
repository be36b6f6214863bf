import { Hono } from 'hono'
import { requestId } from 'hono/request-id'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createShapeLearner } from '../../../schemas/learn-shapes.ts'
import { createQueryFixture, type QueryFixture } from '../../graphql/testing/fixture.ts'
import { handleError } from '../../http/problem.ts'
import { createSenders, type Headers } from '../../permissions/testing/senders.ts'
import { createRestApp } from '../app.ts'

let fixture: QueryFixture
let readKey: Record<string, string>
let editor: Headers
let app: Hono
beforeAll(async () => {
  fixture = await createQueryFixture()
  readKey = await fixture.keyOf('default')
  editor = (await createSenders(fixture)).editor
  const learner = createShapeLearner(fixture.database.pool)
  for (let i = 0; i < 120; i++)
    learner.sample(1, () => ({
      ...{ tenantId: 1, name: 'page/view', receivedMs: Date.now(), keyId: null },
      properties: { load: i < 100 ? i : `${i} ms` },
    }))
  await learner.flush()
  app = new Hono().use(requestId())
  app.onError(handleError({ error() {} }))
  app.route(
    '/',
    createRestApp({ graphql: fixture.graphql, checkHealth: async () => ({}), secure: false }),
  )
})
afterAll(() => fixture.close())

const get = async (path: string) => {
  const response = await app.request(`http://localhost/v1/schemas${path}`, { headers: readKey })
  return { status: response.status, body: await response.json() }
}

test('learned schemas and drift are read with a read key', async () => {
  const times = { first_at: expect.any(String), last_at: expect.any(String) }
  const schema = { name: 'page/view', sampled: 120, paths: 1, pinned: null, ...times }
  expect(await get('')).toEqual({
    status: 200,
    body: { data: [schema], meta: { has_more: false } },
  })
  const { body } = await get('/page%2Fview')
  expect(body.data).toEqual({
    ...schema,
    properties: [
      {
        ...{ path: '/load', presence: 1, cardinality: 'many', ...times },
        types: [
          { type: 'number', share: 100 / 120 },
          { type: 'string', share: 20 / 120 },
        ],
      },
    ],
    schema: null,
    generated: {
      ...{ $schema: 'https://json-schema.org/draft/2020-12/schema', type: 'object' },
      ...{ properties: { load: { type: ['number', 'string'] } }, required: ['load'] },
    },
  })
  const { body: drift } = await get('/drift?name=page%2Fview')
  expect(drift.data).toMatchObject([
    {
      ...{ kind: 'type_changed', path: '/load', type: 'string', former_types: ['number'] },
      message: expect.stringMatching(/^load became a string at .* UTC in 100 % of events$/),
    },
  ])
  expect((await get('/unknown')).status).toBe(404)
  expect((await get('/drift?limit=1000')).status).toBe(400)
})

test('a schema is pinned for the version that was read, changed, and unpinned; keys may not', async () => {
  const send = async (
    method: string,
    name: string,
    body?: object,
    version?: number,
    by = editor,
  ) => {
    const response = await app.request(`http://localhost/v1/schemas/${name}/pin?tenant=default`, {
      method,
      headers: {
        ...{ ...by, 'sec-fetch-site': 'same-origin', 'content-type': 'application/json' },
        ...(version !== undefined && { 'if-match': `"${version}"` }),
      },
      ...(body && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) }
  }
  expect((await send('POST', 'page%2Fview', { mode: 'observe' }, undefined, readKey)).status).toBe(
    403,
  )
  const generated = await send('POST', 'page%2Fview', { mode: 'observe' })
  expect(generated.status, JSON.stringify(generated.body)).toBe(200)
  expect(generated.body.data).toMatchObject({
    pinned: { version: 1, mode: 'observe' },
    schema: { required: ['load'] },
  })
  expect((await send('POST', 'page%2Fview', { mode: 'reject' })).status).toBe(409)
  const changed = await send('POST', 'page%2Fview', { mode: 'dead-letter' }, 1)
  expect(changed.body.data.pinned).toEqual({ version: 2, mode: 'dead-letter' })
  const hostile = { mode: 'reject', schema: { properties: { load: { pattern: '(a+)+$' } } } }
  expect(await send('POST', 'page%2Fview', hostile, 2)).toMatchObject({
    status: 422,
    body: {
      code: 'SCHEMA_INVALID',
      errors: [{ pointer: '/properties/load/pattern', code: 'KEYWORD_UNSUPPORTED' }],
    },
  })
  expect((await send('DELETE', 'page%2Fview', undefined, 1)).status).toBe(409)
  expect((await send('DELETE', 'page%2Fview', undefined, 2)).status).toBe(204)
  expect((await get('/page%2Fview')).body.data).toMatchObject({ pinned: null, schema: null })
  const { rows } = await fixture.database.pool.query(
    "SELECT action FROM audit_log WHERE object = 'schema page/view' ORDER BY 1",
  )
  expect(rows.map(({ action }) => action)).toEqual([
    'schema.pinned',
    'schema.pinned',
    'schema.unpinned',
  ])
})
