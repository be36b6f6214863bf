import { Hono } from 'hono'
import { requestId } from 'hono/request-id'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createQueryFixture, type QueryFixture } from '../../graphql/testing/fixture.ts'
import { handleError } from '../../http/problem.ts'
import { createRestApp } from '../app.ts'

const RANGE = 'start=2026-11-20T00:00:00Z&end=2026-11-22T00:00:00Z'
let fixture: QueryFixture
let key: Record<string, string>
let app: Hono
beforeAll(async () => {
  fixture = await createQueryFixture()
  key = await fixture.keyOf('default')
  app = new Hono().use(requestId())
  app.onError(handleError({ error() {} }))
  app.route(
    '/',
    createRestApp({ graphql: fixture.graphql, checkHealth: async () => ({}), secure: false }),
  )
})
afterAll(() => fixture.close())

const get = (path: string) => app.request(`http://localhost${path}`, { headers: key })
// biome-ignore lint/suspicious/noExplicitAny: the shape is what is tested
const json = async (path: string): Promise<any> => (await get(path)).json()

test('REST and GraphQL explain the difference of two results by the same causes, for what their as_of name', async () => {
  const order = (hour: string, value: number, late = false) => ({
    name: 'order',
    occurredAt: `2026-11-${hour}:10:00Z`,
    receivedAt: '2026-11-21T12:00:00Z',
    properties: { plan: value > 10 ? 'pro' : 'free' },
    value,
    late,
  })
  await fixture.store('default', [order('20T01', 1), order('21T02', 2)])
  const query = `${RANGE}&interval=day&aggregate=sum&time_zone=Asia/Kathmandu`
  const first = await json(`/v1/metrics/order?${query}`)
  await fixture.store('default', [order('20T01', 10, true), order('21T03', 20), order('21T03', 4)])
  const second = await json(`/v1/metrics/order?${query}`)
  await fixture.store('default', [order('21T03', 1_000)])

  const moments = `from_as_of=${first.meta.as_of}&to_as_of=${second.meta.as_of}`
  const { data, meta } = await json(`/v1/metrics/order/changes?${query}&${moments}`)
  const [late, arrived] = [
    { cause: 'late', events: 1, amount: 10 },
    { cause: 'arrived', events: 2, amount: 24 },
  ]
  expect(data).toEqual([
    {
      timestamp: '2026-11-19T18:15:00Z',
      dimensions: {},
      before: 1,
      after: 11,
      difference: 10,
      causes: [late],
    },
    {
      timestamp: '2026-11-20T18:15:00Z',
      dimensions: {},
      before: 2,
      after: 26,
      difference: 24,
      causes: [arrived],
    },
  ])
  expect(meta).toMatchObject({
    ...{ before: 3, after: 37, difference: 34, causes: [arrived, late], complete: true },
    ...{ from_version: null, to_version: null, in_flight: 2, source: 'rollup+raw' },
    ...{ from_as_of: first.meta.as_of, to_as_of: second.meta.as_of },
  })
  const { data: graphql, extensions } = await fixture.execute(
    `query ($from: DateTime!, $to: DateTime) { explainChange(name: "order", startTime: "2026-11-20T00:00:00Z", endTime: "2026-11-22T00:00:00Z",
       interval: DAY, aggregate: SUM, timeZone: "Asia/Kathmandu", fromAsOf: $from, toAsOf: $to) { before after causes { cause events amount } } }`,
    key,
    { from: first.meta.as_of, to: second.meta.as_of },
  )
  expect(graphql.explainChange).toEqual({
    before: 3,
    after: 37,
    causes: [arrived, late].map((each) => ({ ...each, cause: each.cause.toUpperCase() })),
  })
  expect((extensions as { metrics: Record<string, object> }).metrics.explainChange).toMatchObject({
    queryId: meta.query_id,
  })

  const grouped = await json(
    `/v1/metrics/order/changes?${RANGE}&interval=total&group_by=plan&filter=plan:pro&from_as_of=${first.meta.as_of}`,
  )
  expect(grouped.data).toMatchObject([
    { dimensions: { plan: 'pro' }, before: 0, after: 2, causes: [{ cause: 'arrived', events: 2 }] },
  ])
})

test.each([
  ['', 'from_as_of'],
  ['&from_as_of=yesterday', 'from_as_of'],
  ['&from_as_of=2999-01-01T00:00:00Z', 'from_as_of'],
  ['&from_as_of=2026-01-01T00:00:00Z&to_as_of=2999-01-01T00:00:00Z', 'to_as_of'],
  ['&from_as_of=2026-01-01T00:00:00Z&aggregate=avg', 'aggregate'],
  ['&from_as_of=2026-01-01T00:00:00Z&compare=previous_period', 'compare'],
])('changes with %s are refused, and the problem names %s', async (parameters, parameter) => {
  const response = await get(`/v1/metrics/order/changes?${RANGE}${parameters}`)
  expect(response.status).toBe(400)
  expect(await response.json()).toMatchObject({ code: 'BAD_USER_INPUT', parameter })
})
