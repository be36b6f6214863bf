import { Hono } from 'hono'
import { requestId } from 'hono/request-id'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createShapeLearner } from '../../../schemas/learn-shapes.ts'
import { createQueryFixture, type QueryFixture } from '../../graphql/testing/fixture.ts'
import { handleError } from '../../http/problem.ts'
import { createRestApp } from '../app.ts'

let fixture: QueryFixture
let readKey: Record<string, string>
let app: Hono
beforeAll(async () => {
  fixture = await createQueryFixture()
  readKey = await fixture.keyOf('default')
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
  const schema = { name: 'page/view', sampled: 120, paths: 1, ...times }
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
