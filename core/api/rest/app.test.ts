import { Hono } from 'hono'
import { requestId } from 'hono/request-id'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { QUERY_LIMITS } from '../../queries/limits.ts'
import { createQueryFixture, type QueryFixture } from '../graphql/testing/fixture.ts'
import { handleError } from '../http/problem.ts'
import { createRestApp } from './app.ts'
import { ROUTE_PERMISSIONS } from './identity/route-permissions.ts'

const RANGE = 'start=2026-11-20T00:00:00Z&end=2026-11-21T00:00:00Z'
const logged: object[] = []

let fixture: QueryFixture
let key: Record<string, string>
let app: Hono
beforeAll(async () => {
  fixture = await createQueryFixture()
  key = await fixture.keyOf('default')
  await fixture.store('default', [
    ...Array.from({ length: 5 }, (_, i) => ({
      id: `order-${i}`,
      name: 'order',
      occurredAt: `2026-11-20T0${i}:10:00Z`,
      receivedAt: `2026-11-20T0${i}:10:01Z`,
      source: i < 3 ? 'web' : 'shop, "south"',
      value: 10 * (i + 1),
      // biome-ignore lint/suspicious/noThenProperty: clients choose their names
      properties: { plan: i % 2 === 0 ? 'pro' : '=free', then: { toJSON: i } },
      ...(i === 3 && { enrichment: { country: 'DE', is_bot: 'false' } }),
    })),
    { id: 'view/1', name: 'a/view', occurredAt: '2026-11-20T05:00:00Z' },
    ...['http://a:80/', 'http'].map((source) => ({
      name: 'цена',
      occurredAt: '2026-11-20T06:00:00Z',
      source,
    })),
  ])
  await fixture.store('other', [{ id: 'foreign', name: 'order', value: 1_000 }])
  app = new Hono().use(requestId())
  app.onError(handleError({ error: (fields: object) => logged.push(fields) }))
  app.route(
    '/',
    createRestApp({ graphql: fixture.graphql, checkHealth: async () => ({}), secure: false }),
  )
})
afterAll(() => fixture.close())

const get = (path: string, headers: Record<string, string> = {}) =>
  app.request(`http://localhost${path}`, { headers: { ...key, ...headers } })
// biome-ignore lint/suspicious/noExplicitAny: the shape is what is tested
const json = async (path: string): Promise<any> => (await get(path)).json()

describe('GET /v1/metrics/{name}', () => {
  test('the numbers are those of GraphQL, with what they mean', async () => {
    await fixture.database.pool.query(
      "UPDATE verification_state SET through = '2026-01-02T03:04:00Z'",
    )
    const { data, meta } = await json(
      `/v1/metrics/order?${RANGE}&interval=hour&aggregate=sum&time_zone=Asia/Kathmandu`,
    )
    const graphql = await fixture.execute(
      `{ m: metrics(name: "order", startTime: "2026-11-20T00:00:00Z", endTime: "2026-11-21T00:00:00Z", interval: HOUR,
           aggregate: SUM, timeZone: "Asia/Kathmandu") { timestamp value isFinal lateCount revisedAt dimensions } }`,
      key,
    )
    expect(data).toEqual(
      graphql.data.m.map((point: Record<string, unknown>) => ({
        timestamp: point.timestamp,
        value: point.value,
        dimensions: point.dimensions,
        final: point.isFinal,
        late_count: point.lateCount,
        revised: point.revisedAt,
      })),
    )
    expect(data.map(({ value }: { value: number }) => value)).toEqual([10, 20, 30, 40, 50])
    const info = (graphql.extensions as { metrics: { m: Record<string, unknown> } }).metrics.m
    expect(meta).toMatchObject({
      as_of: expect.stringMatching(/^\d{4}-.*Z$/),
      source: 'rollup',
      final: info.final,
      definition: { metric: 'order', kind: 'event', version: 1 },
      error_bound: 0,
      query_id: info.queryId,
      interval: 'hour',
      time_zone: 'Asia/Kathmandu',
      groups: null,
      raw_since: null,
      verified_through: '2026-01-02T03:04:00Z',
    })
    expect(graphql.extensions).toMatchObject({ verifiedThrough: '2026-01-02T03:04:00Z' })
  })

  test('filters and groups by what the parameters name, alternatives and commas included', async () => {
    const total = async (parameters: string) =>
      (await json(`/v1/metrics/order?${RANGE}&interval=total&${parameters}`)).data
    expect(await total('filter=plan:pro')).toMatchObject([{ value: 3 }])
    expect(await total('filter=plan:pro&filter=plan:%3Dfree')).toMatchObject([{ value: 5 }])
    expect(await total('filter=plan:pro&filter=source:web')).toMatchObject([{ value: 2 }])
    const groups = await total('group_by=source,plan')
    expect(groups.map(({ dimensions }: { dimensions: object }) => dimensions)).toContainEqual({
      source: 'shop, "south"',
      plan: '=free',
    })
    expect(await total('group_by=source&group_by=plan')).toEqual(groups)
    const ofUrl = `/v1/metrics/%D1%86%D0%B5%D0%BD%D0%B0?${RANGE}&interval=total&filter=source:http://a:80/`
    expect((await json(ofUrl)).data).toMatchObject([{ value: 1 }])
  })

  test('a name may be "*" or contain a slash', async () => {
    expect((await json(`/v1/metrics/*?${RANGE}&interval=total`)).data[0].value).toBe(8)
    expect((await json(`/v1/metrics/a%2Fview?${RANGE}&interval=total`)).data[0].value).toBe(1)
  })

  test('the same question has the same id, and another question another one', async () => {
    const idOf = async (parameters: string, name = 'order') =>
      (await json(`/v1/metrics/${name}?${RANGE}&interval=total&${parameters}`)).meta.query_id
    const id = await idOf('')
    expect(id).toMatch(/^[\w-]{22}$/)
    expect(await idOf('time_zone=UTC&aggregate=count')).toBe(id)
    const others = ['aggregate=sum', 'group_by=plan', 'filter=plan:pro', 'time_zone=Asia/Tokyo']
    const ids = await Promise.all(others.map((each) => idOf(each)))
    expect(new Set([id, ...ids, await idOf('', '*')]).size).toBe(others.length + 2)
    expect(await idOf('filter=plan:pro&filter=plan:pro')).toBe(await idOf('filter=plan:pro'))
    expect(await idOf('filter=plan:a&filter=plan:b&filter=source:c')).toBe(
      await idOf('filter=source:c&filter=plan:b&filter=plan:a'),
    )
  })

  test('as CSV, safe for spreadsheets, with a column for each dimension and meta as headers', async () => {
    const response = await get(`/v1/metrics/order?${RANGE}&interval=total&group_by=source,plan`, {
      Accept: 'text/csv',
    })
    expect(response.headers.get('content-type')).toBe('text/csv; charset=utf-8')
    expect(response.headers.get('content-disposition')).toBe(
      'attachment; filename="metrics-order.csv"',
    )
    expect(response.headers.get('sluice-source')).toBe('raw')
    expect(response.headers.get('sluice-final')).toMatch(/^(true|false)$/)
    const [header, ...lines] = (await response.text()).trimEnd().split('\r\n')
    expect(header).toBe('timestamp,value,source,plan,final,late_count,revised')
    expect(lines).toHaveLength(4)
    expect(lines.join('\n')).toContain(`,"shop, ""south""",'=free,`)
  })

  test('what a name holds that no header takes is percent-encoded there', async () => {
    const path = `/v1/metrics/${encodeURIComponent('цена')}?${RANGE}&interval=total`
    const response = await get(path, { Accept: 'text/csv' })
    expect(response.status).toBe(200)
    const definition = decodeURI(response.headers.get('sluice-definition') ?? '')
    expect(JSON.parse(definition)).toEqual((await json(path)).meta.definition)
  })

  test.each([
    ['text/csv', 'text/csv; charset=utf-8'],
    ['TEXT/CSV;q=0.5, application/json', 'text/csv; charset=utf-8'],
    ['text/html, application/ndjson, text/csv', 'application/x-ndjson; charset=utf-8'],
    ['application/json, text/csv', 'application/json'],
    ['text/html, */*', 'application/json'],
    [`${'text/html,'.repeat(200)}text/csv`, 'application/json'],
    ['', 'application/json'],
  ])('with Accept: %s it is %s, for this client alone', async (accept, type) => {
    const path = `/v1/metrics/order?${RANGE}&interval=total`
    const response = await get(path, { Accept: accept })
    expect(response.headers.get('content-type')).toBe(type)
    // Another key, another session or another format has another response: no cache on the way may keep it.
    const kept = {
      'cache-control': 'private, no-cache',
      vary: 'Accept, Authorization, X-API-Key, Cookie',
      etag: expect.stringMatching(/^W\/"[\w-]{22}"$/),
    }
    expect(Object.fromEntries(response.headers)).toMatchObject(kept)
    const etag = response.headers.get('etag') as string
    const unchanged = await get(path, { Accept: accept, 'If-None-Match': etag })
    expect(unchanged.status).toBe(304)
    expect(Object.fromEntries(unchanged.headers)).toMatchObject({ ...kept, etag })
  })

  test('as NDJSON, one point a line', async () => {
    const path = `/v1/metrics/order?${RANGE}&interval=hour`
    const response = await get(path, { Accept: 'application/x-ndjson' })
    const lines = (await response.text()).trimEnd().split('\n')
    expect(lines.map((line) => JSON.parse(line))).toEqual((await json(path)).data)
  })

  test('with If-None-Match it is 304 until the numbers change', async () => {
    const path = `/v1/metrics/changing?${RANGE}&interval=total`
    await fixture.store('default', [{ name: 'changing', occurredAt: '2026-11-20T01:00:00Z' }])
    const etag = (await get(path)).headers.get('etag') as string
    const unchanged = await get(path, { 'If-None-Match': `"another", ${etag}` })
    expect([unchanged.status, await unchanged.text()]).toEqual([304, ''])
    const asCsv = await get(path, { 'If-None-Match': etag, Accept: 'text/csv' })
    expect(asCsv.status).toBe(200)
    await fixture.store('default', [{ name: 'changing', occurredAt: '2026-11-20T02:00:00Z' }])
    const changed = await get(path, { 'If-None-Match': etag })
    expect(changed.status).toBe(200)
    expect(((await changed.json()) as { data: object[] }).data).toMatchObject([{ value: 2 }])
  })

  test.each([
    ['', 'start', 'is missing'],
    ['start=2026-11-20T00:00:00Z', 'end', 'is missing'],
    ['start=yesterday&end=2026-11-21T00:00:00Z', 'start', 'RFC 3339'],
    ['start=2026-11-21T00:00:00Z&end=2026-11-20T00:00:00Z', 'end', 'must be after'],
    [`${RANGE}&interval=fortnight`, 'interval', 'quarter_hour'],
    [`${RANGE}&aggregate=median`, 'aggregate', 'p50'],
    [`${RANGE}&time_zone=CET`, 'time_zone', 'name of a zone'],
    [`${RANGE}&filter=plan`, 'filter', 'dimension:value'],
    [`${RANGE}&group_by=a,b,c,d,e`, 'group_by', 'at most 4'],
    [`${RANGE}&groupby=a`, 'groupby', 'is not a parameter'],
    [`${RANGE}&interval=hour&interval=day`, 'interval', ''],
  ])('"%s" is a problem that names %s', async (parameters, parameter, reason) => {
    const response = await get(`/v1/metrics/order?${parameters}`)
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    const problem = (await response.json()) as Record<string, string>
    expect(problem).toMatchObject({
      status: 400,
      code: 'BAD_USER_INPUT',
      parameter,
      instance: '/v1/metrics/order',
      request_id: expect.any(String),
    })
    expect(problem.detail).toMatch(new RegExp(`^${parameter} .*${reason}`))
  })
})

describe('funnel and retention', () => {
  const at = (hour: number) =>
    `2026-10-0${1 + Math.floor(hour / 24)}T${`0${hour % 24}`.slice(-2)}:00:00Z`
  const range = 'start=2026-10-01T00:00:00Z&end=2026-10-03T00:00:00Z'
  beforeAll(() =>
    fixture.store(
      'default',
      (
        [
          ['ann', 'visit', 1],
          ['ann', 'sign up', 3],
          ['bob', 'visit', 2],
          ['ann', 'visit', 26],
          ['bob', 'sign up', 12],
        ] as const
      ).map(([actor, name, hour]) => ({
        actor,
        name,
        occurredAt: at(hour),
        receivedAt: at(hour),
        properties: { plan: actor === 'ann' ? 'pro' : 'free' },
      })),
    ),
  )

  test('a funnel takes its steps in the order of the parameters, each with its own filter', async () => {
    const path = `/v1/funnel?${range}&step=visit&step=sign+up&window_seconds=14400`
    const { data, meta } = await json(path)
    expect(data).toEqual([
      { name: 'visit', actors: 2, conversion: 1, overall: 1, median_seconds: null },
      { name: 'sign up', actors: 1, conversion: 0.5, overall: 0.5, median_seconds: 7200 },
    ])
    expect(meta).toMatchObject({ source: 'raw', without_actor: 0, query_id: expect.any(String) })
    const filtered = await json(`${path}&filter_2=plan:free`)
    expect(filtered.data.map(({ actors }: { actors: number }) => actors)).toEqual([2, 0])
  })

  test('retention is a row for each day, with who returned since', async () => {
    const { data, meta } = await json(`/v1/retention?${range}&first=sign+up&returning=visit`)
    expect(data).toEqual([
      { timestamp: '2026-10-01T00:00:00Z', date: '2026-10-01', actors: 2, returned: [0, 1] },
    ])
    expect(meta).toMatchObject({ interval: 'day', time_zone: 'UTC' })
  })

  test.each([
    [`/v1/funnel?${range}`, 'step'],
    [`/v1/funnel?${range}&step=visit`, 'step'],
    [`/v1/funnel?${range}&step=a&step=b&filter_3=plan:pro`, 'filter_3'],
    [`/v1/funnel?${range}&step=a&step=b&filter_11=plan:pro`, 'filter_11'],
    [`/v1/retention?${range}`, 'first'],
    [`/v1/retention?${range}&first=a&interval=month`, 'interval'],
    [`/v1/retention?${range}&first=a&returning=`, 'returning'],
    [`/v1/retention?${range}&first=a&returning_filter=plan:pro`, 'returning'],
  ])('%s is a problem that names the parameter', async (path, parameter) => {
    const response = await get(path)
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ code: 'BAD_USER_INPUT', parameter })
  })
})

describe('comparisons', () => {
  test('compare shows the period before, or another range, which meta names', async () => {
    const path = `/v1/metrics/order?${RANGE}&interval=total`
    const { data, meta } = await json(`${path}&compare=previous_period`)
    expect(data).toEqual([
      {
        timestamp: '2026-11-20T00:00:00Z',
        value: 5,
        previous_timestamp: '2026-11-19T00:00:00Z',
        previous: 0,
        difference: 5,
        final: expect.any(Boolean),
      },
    ])
    expect(meta).toMatchObject({ previous_start: '2026-11-19T00:00:00Z', source: 'rollup' })
    const range = '2026-11-20T00:00:00Z/2026-11-20T02:00:00Z'
    expect((await json(`${path}&compare=${range}`)).data[0].difference).toBe(3)
  })

  test('a ratio has both parts, and contributions add up to the difference', async () => {
    const parts =
      'numerator=order&denominator=order&numerator_aggregate=sum&numerator_filter=plan:pro'
    const { data, meta } = await json(`/v1/ratio?${RANGE}&interval=total&${parts}`)
    expect(data).toMatchObject([{ value: 18, numerator: 90, denominator: 5 }])
    expect(meta).toMatchObject({ zero_denominators: 0, definition: { metric: 'order / order' } })
    const explained = await json(`/v1/contributions/order?${RANGE}&dimension=plan&aggregate=sum`)
    expect(explained.data).toEqual([
      { value: 'pro', before: 0, after: 90, difference: 90, other: false },
      { value: '=free', before: 0, after: 60, difference: 60, other: false },
    ])
    expect(explained.meta).toMatchObject({ difference: 150, found: 2 })
  })

  test.each([
    [`/v1/metrics/order?${RANGE}&compare=yesterday`, 'compare'],
    [`/v1/metrics/order?${RANGE}&compare=2026-11-20T00:00:00Z/2026-11-19T00:00:00Z`, 'compare'],
    [`/v1/metrics/order?${RANGE}&compare=previous_period&group_by=plan`, 'group_by'],
    [`/v1/contributions/order?${RANGE}&dimension=plan&aggregate=avg`, 'aggregate'],
    [`/v1/ratio?${RANGE}&numerator=order`, 'denominator'],
  ])('%s is a problem that names the parameter', async (path, parameter) => {
    const response = await get(path)
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ code: 'BAD_USER_INPUT', parameter })
  })
})

describe('names, properties and top values', () => {
  test('names are searched, and have counts in a range', async () => {
    expect(await json('/v1/names?search=ORD&limit=1')).toEqual({
      data: [{ name: 'order', count: null }],
      meta: { has_more: false, complete: true },
    })
    const { data, meta } = await json(`/v1/names?${RANGE}`)
    expect(data).toContainEqual({ name: 'order', count: 5 })
    expect(meta).toMatchObject({ source: 'rollup', as_of: expect.any(String) })
  })

  test('properties have their types and shares', async () => {
    const { data, meta } = await json(`/v1/properties?name=order&${RANGE}`)
    expect(data).toContainEqual({ path: 'then.toJSON', types: ['number'], count: 5, share: 1 })
    expect(meta).toMatchObject({ sampled: 5, source: 'raw', definition: { metric: 'order' } })
  })

  test('the rows of top values add up to the total, whatever is listed', async () => {
    const path = `/v1/top/order?${RANGE}&dimension=source`
    expect((await json(path)).data).toEqual([
      { value: 'web', count: 3, share: 0.6, other: false },
      { value: 'shop, "south"', count: 2, share: 0.4, other: false },
    ])
    const { data, meta } = await json(`${path}&limit=1&search=shop&filter=plan:pro`)
    expect(data).toMatchObject([
      { value: 'shop, "south"', count: 1 },
      { value: '(other)', count: 2, other: true },
    ])
    expect(meta).toMatchObject({ total: 3, found: 1, query_id: expect.any(String) })
    const csv = await get(path, { Accept: 'text/csv' })
    expect((await csv.text()).split('\r\n')[0]).toBe('value,count,share,other')
  })

  test.each([
    [`/v1/top/order?${RANGE}`, 'dimension'],
    [`/v1/top/order?${RANGE}&dimension=plan&limit=101`, 'limit'],
    [`/v1/properties?${RANGE}`, 'name'],
    ['/v1/names?start=2026-11-20T00:00:00Z', 'end'],
  ])('%s is a problem that names the parameter', async (path, parameter) => {
    const response = await get(path)
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ code: 'BAD_USER_INPUT', parameter })
  })
})

test('a parameter that is repeated too often is a problem', async () => {
  const response = await get(`/v1/metrics/order?${RANGE}${'&filter=a:b'.repeat(801)}`)
  expect(response.status).toBe(400)
  expect(await response.json()).toMatchObject({ detail: 'filter may be there at most 800 times' })
})

test('a client that used up what may be formatted is told when to come again, and no other client is', async () => {
  const { restCharsMax, restCharsPerSecond } = QUERY_LIMITS
  const limits = QUERY_LIMITS as { restCharsMax: number; restCharsPerSecond: number }
  Object.assign(limits, { restCharsMax: 100, restCharsPerSecond: 1 })
  const own = createRestApp({
    graphql: fixture.graphql,
    checkHealth: async () => ({}),
    secure: false,
  })
  Object.assign(limits, { restCharsMax, restCharsPerSecond })
  const ask = (headers: Record<string, string>) =>
    own.request(`http://localhost/v1/metrics/order?${RANGE}&interval=total`, { headers })
  expect((await ask(key)).status).toBe(200)
  const refused = await ask(key)
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1'])
  expect(await refused.json()).toMatchObject({ code: 'OVERLOADED' })
  expect((await ask(await fixture.keyOf('other'))).status).toBe(200)
})

describe('GET /v1/events', () => {
  test('pages forwards and backwards through all events, without one missing or twice', async () => {
    const all = await json('/v1/events?name=order&limit=100')
    expect(all.data).toHaveLength(5)
    expect(all.meta).toEqual({ next_cursor: null, previous_cursor: null })
    const first = await json('/v1/events?name=order&limit=2')
    const second = await json(`/v1/events?name=order&limit=2&after=${first.meta.next_cursor}`)
    const last = await json(`/v1/events?name=order&limit=2&after=${second.meta.next_cursor}`)
    expect([...first.data, ...second.data, ...last.data]).toEqual(all.data)
    expect(last.meta.next_cursor).toBeNull()
    const back = await json(`/v1/events?name=order&limit=2&before=${last.meta.previous_cursor}`)
    expect(back.data).toEqual(second.data)
  })

  test('an event has the fields of GraphQL, its properties as they were sent', async () => {
    const { data } = await json('/v1/events/order-3')
    expect(data).toMatchObject({
      id: 'order-3',
      name: 'order',
      occurred_at: '2026-11-20T03:10:00Z',
      received_at: '2026-11-20T03:10:01Z',
      source: 'shop, "south"',
      value: 40,
      // biome-ignore lint/suspicious/noThenProperty: clients choose their names
      properties: { plan: '=free', then: { toJSON: 3 } },
      trust_class: 'server',
    })
    const { data: list } = await json('/v1/events?limit=100')
    expect(data.enrichment).toEqual({
      ...{ country: 'DE', is_bot: false, processed_at: data.stored_at },
    })
    expect((await json('/v1/events/order-2')).data.enrichment).toBeNull()
    const german = await json('/v1/events?filter=enrichment.country:DE')
    expect(german.data.map(({ id }: { id: string }) => id)).toEqual(['order-3'])
    const csv = await (await get('/v1/events?name=order', { Accept: 'text/csv' })).text()
    expect(csv).toContain('{""country"":""DE"",""is_bot"":false')
    expect(list).toContainEqual(data)
    expect((await json('/v1/events/view%2F1')).data.name).toBe('a/view')
  })

  test('a list of several pages goes forwards only', async () => {
    const response = await get('/v1/events?limit=200&before=x', { Accept: 'text/csv' })
    expect(await response.json()).toMatchObject({ parameter: 'before' })
  })

  test('an unknown id is 404, and so is an event of another tenant', async () => {
    for (const id of ['nothing', 'foreign']) {
      const response = await get(`/v1/events/${id}`)
      expect(response.status).toBe(404)
      expect(await response.json()).toMatchObject({ code: 'EVENT_NOT_FOUND' })
    }
  })

  test('searches by time, dimension and request', async () => {
    const idsOf = async (parameters: string) =>
      (await json(`/v1/events?${parameters}`)).data.map(({ id }: { id: string }) => id)
    await fixture.database.pool.query(
      "UPDATE event SET request_id = 'request-9' WHERE client_event_id = 'order-2'",
    )
    expect(await idsOf('request_id=request-9')).toEqual(['order-2'])
    expect(await idsOf(`${RANGE}&filter=plan:pro&filter=source:web`)).toEqual([
      'order-2',
      'order-0',
    ])
    expect(await idsOf('start=2026-11-20T02:10:00Z&end=2026-11-20T04:10:00Z')).toEqual([
      'order-3',
      'order-2',
    ])
    expect(await idsOf('name=order&filter=plan:none')).toEqual([])
  })

  test('CSV and NDJSON have the cursor of each event, so that a reader goes on after any line', async () => {
    const path = '/v1/events?name=order&limit=100'
    const lines = (await (await get(path, { Accept: 'application/x-ndjson' })).text())
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    const { data } = await json(path)
    expect(lines.map(({ cursor: _, ...event }) => event)).toEqual(data)
    const rest = await json(`${path}&after=${lines[2].cursor}`)
    expect(rest.data).toEqual(data.slice(3))
    const [header] = (await (await get(path, { Accept: 'text/csv' })).text()).split('\r\n')
    expect(header?.endsWith(',offset,cursor')).toBe(true)
  })

  test.each([
    ['limit=0', 'limit'],
    ['limit=101', 'limit'],
    ['limit=50001', 'limit'],
    ['start=yesterday', 'start'],
    ['start=2026-11-21T00:00:00Z&end=2026-11-20T00:00:00Z', 'end'],
    ['filter=plan', 'filter'],
    ['filter=a..b:c', 'filter'],
    ['request_id=%00', 'request_id'],
    ['idempotency_key=%00', 'idempotency_key'],
    [`idempotency_key=${'k'.repeat(256)}`, 'idempotency_key'],
    ['limit=many', 'limit'],
    ['after=nonsense', 'after'],
    ['names=a', 'names'],
  ])('"%s" is a problem that names the parameter', async (parameters, parameter) => {
    const response = await get(`/v1/events?${parameters}`)
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ parameter })
  })
})

describe('GET /v1/pipeline/lag', () => {
  test('people who are signed in see the lag of each partition', async () => {
    const response = await app.request('http://localhost/v1/pipeline/lag', {
      headers: await fixture.session(),
    })
    const { data } = (await response.json()) as { data: { partitions: object[] } }
    expect(data).toMatchObject({ lag: 0, applied: 0, gaps: [], other_log: null })
    expect(data.partitions).toContainEqual({
      partition: 0,
      position: 0,
      end: 0,
      lag: 0,
      worker: null,
    })
  })

  test('a key sees no figure of what all tenants send', async () => {
    const { data } = await json('/v1/pipeline/lag')
    expect(data).toMatchObject({ lag: null, applied: null, gaps: [], other_log: null })
    expect(data.partitions[0]).toMatchObject({ partition: 0, position: null, lag: null })
    expect(data.unaccounted).toBe(0)
  })

  test('a key sees how fresh numbers are, and no edge', async () => {
    await fixture.database.pool.query(
      `INSERT INTO canary_sender VALUES (true, now(), 60, '{https://a}', 5, 99);
       INSERT INTO canary SELECT gen_random_uuid(), 'https://a', now(), now(), now() + interval '1 s', 'redis' FROM generate_series(1, 2)`,
    )
    const { data } = await json('/v1/pipeline/freshness')
    expect(data).toMatchObject({
      ...{ state: 'FAILING', failing_component: 'REDIS', edges: [] },
      hour: { canaries: 2, p50: 1 },
      objective: { target_seconds: 5, in_time: 2, error_budget_left: 1 },
    })
    await fixture.database.pool.query('TRUNCATE canary, canary_sender')
  })

  test('a key reads the balance of its own tenant, for a week at most', async () => {
    const at = new Date(Math.floor(Date.now() / 60_000 - 5 * 1_440) * 60_000).toISOString()
    await fixture.database.pool.query(
      `INSERT INTO log_count_position (partition, next_offset, log_identity) VALUES (0, 0, 'a');
       INSERT INTO outcome_minute (tenant_id, minute, stored) VALUES (1, '${at}', 3), (2, '${at}', 5)`,
    )
    const end = new Date(Date.parse(at) + 60_000).toISOString()
    const { data } = await json(`/v1/balance?start=${at}&end=${end}`)
    expect(data).toMatchObject({ unaccounted: 3, accepted: 0, in_flight: 0, counting: true })
    expect(data.minutes).toEqual([
      {
        ...{ minute: at, accepted: 0, stored: 3, duplicates: 0, conflicting: 0, dead: 0 },
        ...{ in_flight: 0, unaccounted: -3 },
      },
    ])
    const week = (minutes: number) =>
      new Date(Date.parse(at) + (7 * 1_440 + minutes) * 60_000).toISOString()
    const { data: whole } = await json(`/v1/balance?start=${at}&end=${week(0)}`)
    expect(whole.minutes.length).toBeGreaterThan(0)
    const { code } = await json(`/v1/balance?start=${at}&end=${week(1)}`)
    expect(code).toBe('BAD_USER_INPUT')
    await fixture.database.pool.query(`DELETE FROM outcome_minute WHERE minute = '${at}'`)
  })
})

describe('who may ask', () => {
  test('without a key it is 401, with one of another tenant 403, and a signed-in person names the tenant', async () => {
    const anonymous = await app.request(`http://localhost/v1/metrics/order?${RANGE}`)
    expect(anonymous.status).toBe(401)
    expect(anonymous.headers.get('www-authenticate')).toBe('Bearer')
    expect(await anonymous.json()).toMatchObject({ code: 'UNAUTHENTICATED' })
    for (const path of [`/v1/metrics/order?${RANGE}&tenant=other`, '/v1/events?tenant=other'])
      expect((await get(path)).status).toBe(403)
    const session = await fixture.session()
    const asOperator = await app.request('http://localhost/v1/events/foreign?tenant=other', {
      headers: session,
    })
    expect(asOperator.status).toBe(200)
  })

  test('nothing of a request is parsed before its sender is known', async () => {
    for (const path of ['/v1/metrics/order?start=nonsense', '/v1/events?limit=many', '/v1/top/a'])
      expect((await app.request(`http://localhost${path}`)).status).toBe(401)
  })

  test('a session counts in requests of our own pages only, a key in all', async () => {
    const session = await fixture.session()
    const statusOf = async (headers: Record<string, string>) =>
      (await app.request(`http://localhost/v1/metrics/order?${RANGE}`, { headers })).status
    for (const site of ['cross-site', 'same-site'])
      expect([site, await statusOf({ ...session, 'sec-fetch-site': site })]).toEqual([site, 403])
    expect(await statusOf({ ...session, origin: 'https://elsewhere.example' })).toBe(403)
    for (const site of ['same-origin', 'none'])
      expect([site, await statusOf({ ...session, 'sec-fetch-site': site })]).toEqual([site, 200])
    expect(await statusOf({ ...key, 'sec-fetch-site': 'cross-site' })).toBe(200)
  })

  test('other methods are 405', async () => {
    for (const path of [
      '/v1/metrics/order',
      '/v1/events',
      '/v1/events/order-1',
      '/v1/pipeline/lag',
    ])
      for (const method of ['POST', 'PUT', 'DELETE']) {
        const response = await app.request(`http://localhost${path}`, { method, headers: key })
        expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
      }
  })
})

test('the description names every path, and its schemas fit the responses', async () => {
  const description = (await (await app.request('http://localhost/v1/openapi.json')).json()) as {
    openapi: string
    paths: object
    components: { schemas: Record<string, { properties: object }> }
  }
  expect(description.openapi).toBe('3.1.0')
  const paths = Object.keys(ROUTE_PERMISSIONS).map((path) => path.replace(/:(\w+)/g, '{$1}'))
  const ofV1 = (path: string) => path.startsWith('/v1/')
  expect(Object.keys(description.paths).filter(ofV1).sort()).toEqual(paths.filter(ofV1).sort())
  const membersOf = (schema: string) =>
    Object.keys(description.components.schemas[schema]?.properties ?? {})
  const { data, meta } = await json(`/v1/metrics/order?${RANGE}`)
  expect(Object.keys(data[0])).toEqual(membersOf('MetricPoint'))
  expect(Object.keys(meta)).toEqual(membersOf('MetricsMeta'))
  expect(Object.keys((await json('/v1/events/order-1')).data)).toEqual(membersOf('Event'))
})
