import { Hono } from 'hono'
import { requestId } from 'hono/request-id'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  idempotencyHash,
  readIdempotencyHash,
} from '../../../../contract/event/idempotency-hash.ts'
import { createQueryFixture, type QueryFixture } from '../../graphql/testing/fixture.ts'
import { handleError } from '../../http/problem.ts'
import { createRestApp } from '../app.ts'

/**
 * The contracts of the read APIs of four systems, as their own clients read them: members, their types and their order.
 * Of EventPulse (d4c16b9), Pulse (2d0ba78) and Analytics-Pipeline (03984ce).
 */
/** Postgres writes no zeros at the end of milliseconds. */
const NOW = Math.floor(Date.now() / 1_000) * 1_000 - 877
const ago = (seconds: number) => new Date(NOW - seconds * 1000).toISOString()
const INSTANT = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/)

let fixture: QueryFixture
let app: Hono
let key: Record<string, string>
let health: Record<string, string>
const healthy = { postgres: 'ok', log: 'ok', worker: 'ok' }
beforeAll(async () => {
  fixture = await createQueryFixture()
  key = await fixture.keyOf('default')
  await fixture.store('default', [
    ...Array.from({ length: 12 }, (_, i) => ({
      id: `click-${i}`,
      name: 'click',
      occurredAt: ago(3 + 10 * i),
      receivedAt: ago(2 + 10 * i),
      actor: `user-${i % 3}`,
      source: i % 4 === 0 ? 'app' : 'web',
      properties: { page: `/${i}` },
    })),
    ...Array.from({ length: 4 }, (_, i) => ({
      id: `error-${i}`,
      name: 'error',
      occurredAt: ago(3_600 * (i + 2)),
      receivedAt: ago(3_600 * (i + 2)),
    })),
  ])
  await fixture.store('other', [{ id: 'foreign', name: 'click', receivedAt: ago(1) }])
  await fixture.database.pool.query(
    `UPDATE event SET schema_version = '3', context = '{"ip_country":"NO"}' WHERE client_event_id = 'click-1'`,
  )
  app = new Hono().use(requestId())
  app.onError(handleError({ error() {} }))
  const checkHealth = async () => health
  app.route(
    '/',
    createRestApp({ graphql: fixture.graphql, checkHealth, secure: false, now: () => NOW }),
  )
  health = healthy
})
afterAll(() => fixture.close())

const get = (path: string, headers: Record<string, string> = key) =>
  app.request(`http://localhost${path}`, { headers })
// biome-ignore lint/suspicious/noExplicitAny: the shape is what is tested
const json = async (path: string): Promise<any> => (await get(path)).json()

describe('EventPulse', () => {
  test('lists events, newest first, with limit and offset', async () => {
    const page = await json('/api/v1/events?event_type=click&limit=3&offset=1')
    expect(Object.keys(page)).toEqual(['data', 'pagination'])
    expect(page.pagination).toEqual({ limit: 3, offset: 1, count: 3 })
    expect(page.data[0]).toEqual({
      event_id: 'click-1',
      event_type: 'click',
      source: 'web',
      timestamp: ago(13),
      payload: { page: '/1' },
      metadata: { ip_country: 'NO' },
      created_at: INSTANT,
    })
    expect(page.data.map((event: { event_id: string }) => event.event_id)).toEqual([
      'click-1',
      'click-2',
      'click-3',
    ])
    const { data, pagination } = await json('/api/v1/events?limit=9999&offset=-5')
    expect([data.length, pagination]).toEqual([16, { limit: 500, offset: 0, count: 16 }])
  })

  test('pages beyond one page of GraphQL are put together', async () => {
    await fixture.store(
      'other',
      Array.from({ length: 230 }, (_, i) => ({ id: `many-${i}`, receivedAt: ago(1_000 + i) })),
    )
    const headers = await fixture.keyOf('other')
    const response = await get('/api/v1/events?limit=220&offset=9', headers)
    const { data } = (await response.json()) as { data: { event_id: string }[] }
    expect(data.map(({ event_id }) => event_id)).toEqual(
      Array.from({ length: 220 }, (_, i) => `many-${i + 8}`),
    )
  })

  test('filters by type, source and the time of occurrence, both ends included', async () => {
    const idsOf = async (parameters: string) =>
      (await json(`/api/v1/events?${parameters}`)).data.map(
        (event: { event_id: string }) => event.event_id,
      )
    expect(await idsOf('source=app')).toEqual(['click-0', 'click-4', 'click-8'])
    expect(await idsOf(`from=${ago(23)}&to=${ago(13)}`)).toEqual(['click-1', 'click-2'])
    expect(await idsOf(`from=${ago(23)}&source=app`)).toEqual(['click-0'])
  })

  test('shows one event, and 404 with a message for an unknown one', async () => {
    const { data } = await json('/api/v1/events?limit=1')
    expect(await json('/api/v1/events/click-0')).toEqual(data[0])
    for (const id of ['nothing', 'foreign']) {
      const response = await get(`/api/v1/events/${id}`)
      expect(response.status).toBe(404)
      expect(await response.json()).toMatchObject({ error: 'No event with this id is stored.' })
    }
  })

  test('counts the last seconds by type or source, with rates', async () => {
    expect(await json('/api/v1/metrics?window_seconds=100')).toEqual({
      window_seconds: 100,
      group_by: 'event_type',
      from: expect.stringMatching(/\.000Z$/),
      to: expect.stringMatching(/\.000Z$/),
      metrics: [{ key: 'click', count: 10, rate_per_sec: 0.1 }],
    })
    const { metrics } = await json(
      '/api/v1/metrics?window_seconds=3600&group_by=source&event_type=click',
    )
    expect(metrics).toEqual([
      { key: 'web', count: 9, rate_per_sec: 0.0025 },
      { key: 'app', count: 3, rate_per_sec: 0.0008 },
    ])
    const { metrics: ofApp } = await json('/api/v1/metrics?window_seconds=3600&source=app')
    expect(ofApp).toEqual([{ key: 'click', count: 3, rate_per_sec: 0.0008 }])
    expect(await json('/api/v1/metrics')).toMatchObject({ window_seconds: 60 })
  })

  test.each([
    ['/api/v1/events?limit=x', 'limit'],
    ['/api/v1/events?offset=1.5', 'offset'],
    ['/api/v1/events?offset=1001', 'offset is at most 1000'],
    ['/api/v1/events?from=yesterday', 'from'],
    ['/api/v1/events?from=2026-11-02T00:00:00Z&to=2026-11-01T00:00:00Z', 'from must not be after'],
    ['/api/v1/metrics?window_seconds=9', 'window_seconds must be between 10 and 3600'],
    ['/api/v1/metrics?window_seconds=10.5', 'window_seconds must be an integer'],
    ['/api/v1/metrics?group_by=plan', 'group_by'],
    ['/api/v1/metrics?group_by=source&group_by=source', 'group_by'],
  ])('%s is 400, with its reason as error', async (path, reason) => {
    const response = await get(path)
    expect(response.status).toBe(400)
    const { error, detail } = (await response.json()) as Record<string, string>
    expect(error).toMatch(new RegExp(`^${reason}`))
    expect(detail).toBe(error)
  })
})

describe('Pulse', () => {
  const event = {
    id: 'click-1',
    tenantId: 'default',
    eventId: 'click-1',
    idempotencyKey: null,
    eventType: 'click',
    schemaVersion: 3,
    occurredAt: ago(13),
    receivedAt: ago(12),
    processedAt: INSTANT,
    payload: { page: '/1' },
    status: 'processed',
  }

  test('gives an overview of the last minutes', async () => {
    const overview = await json('/admin/overview')
    expect({ ...overview, recentEvents: [] }).toEqual({
      eventsLast5Minutes: 12,
      eventsLast30Minutes: 12,
      topEventType: 'click',
      status: 'healthy',
      recentEvents: [],
    })
    expect(overview.recentEvents).toHaveLength(16)
    expect(overview.recentEvents[1]).toEqual(event)
  })

  test('lists the most frequent event types since so many minutes', async () => {
    const both = [
      { eventType: 'click', count: 12 },
      { eventType: 'error', count: 4 },
    ]
    expect(await json('/admin/top-event-types')).toEqual(both)
    expect(await json('/admin/top-event-types?sinceMinutes=60')).toEqual(both.slice(0, 1))
    expect((await get('/admin/top-event-types?sinceMinutes=0')).status).toBe(400)
  })

  test('finds an event by its id, in the tenant of the key only', async () => {
    expect(await json('/admin/event/search?tenant=default&eventId=click-1')).toEqual(event)
    expect(await json('/admin/event/search?eventId=click-1')).toEqual(event)
    expect((await get('/admin/event/search?tenant=default&eventId=foreign')).status).toBe(404)
    expect((await get('/admin/event/search?tenant=other&eventId=foreign')).status).toBe(403)
    expect((await get('/admin/event/search?tenant=default')).status).toBe(400)
    const asOperator = await get(
      '/admin/event/search?tenant=other&eventId=foreign',
      await fixture.session(),
    )
    expect(await asOperator.json()).toMatchObject({ tenantId: 'other', eventId: 'foreign' })
  })

  test('finds an event by the Idempotency-Key of its request, the first received of several', async () => {
    const find = (key: string) =>
      get(`/admin/event/by-idempotency?tenant=default&idempotencyKey=${key}`)
    expect((await find('k')).status).toBe(404)
    const hash = readIdempotencyHash(await idempotencyHash('default', 'server', 'k'))
    await fixture.database.pool.query(`
      CREATE TABLE event_idempotency_all PARTITION OF event_idempotency DEFAULT;
      INSERT INTO event_idempotency
      SELECT tenant_id, received_on, ${hash}, array_agg(event_id) FROM event JOIN tenant USING (tenant_id) WHERE slug = 'default' GROUP BY 1, 2`)
    const { rows } = await fixture.database.pool.query(
      "SELECT coalesce(client_event_id, event_id::text) AS id FROM event JOIN tenant USING (tenant_id) WHERE slug = 'default' ORDER BY received_at, event_id LIMIT 1",
    )
    const response = await find('k')
    expect(response.status).toBe(200)
    expect(await response.json()).toMatchObject({ eventId: rows[0].id, idempotencyKey: 'k' })
  })

  test('shows the lag of the log to people, and to keys that it is unknown', async () => {
    const lag = { consumerGroup: 'sluice-worker', totalLag: 0, status: 'ok' }
    expect(await (await get('/admin/kafka/lag', await fixture.session())).json()).toEqual(lag)
    expect(await json('/admin/kafka/lag')).toEqual({ ...lag, totalLag: null, status: 'unknown' })
  })
})

describe('Analytics-Pipeline', () => {
  test('counts the last 5 minutes in buckets of 10 seconds', async () => {
    const { timeRange, buckets, summary } = await json('/metrics/realtime')
    expect([timeRange, summary]).toEqual(['5m', { total_events: 12, eventsPerSecond: 0.04 }])
    const starts = buckets.map(({ timestamp }: { timestamp: string }) => Date.parse(timestamp))
    expect(starts).toEqual([...starts].sort((a, b) => b - a))
    expect(starts.filter((start: number) => start % 10_000 !== 0)).toEqual([])
    expect(buckets).toHaveLength(12)
    expect(buckets[0]).toEqual({
      timestamp: expect.stringMatching(/0\.000Z$/),
      counts: { click: 1 },
    })
  })

  test('counts the last 24 hours by the hour', async () => {
    const { timeRange, buckets, summary } = await json('/metrics/hourly')
    expect([timeRange, summary]).toEqual(['24h', { total_events: 16, events_per_second: 0 }])
    const starts = buckets.map(({ timestamp }: { timestamp: string }) => timestamp)
    expect(starts).toEqual([...starts].sort().reverse())
    expect(starts.every((start: string) => start.endsWith(':00:00.000Z'))).toBe(true)
    const total = (name: string) =>
      buckets.reduce(
        (sum: number, { counts }: { counts: Record<string, number> }) => sum + (counts[name] ?? 0),
        0,
      )
    expect([total('click'), total('error')]).toEqual([12, 4])
  })

  test('sums the last hour up', async () => {
    expect(await json('/metrics/summary')).toEqual({
      last_hour: {
        total_events: 12,
        unique_users: 3,
        events_per_second: 0,
        top_events: [{ type: 'click', count: 12 }],
      },
    })
  })

  test('lists the newest events', async () => {
    const { events, count, limit } = await json('/events/recent?limit=2')
    expect([count, limit]).toEqual([2, 2])
    expect(events[0]).toEqual({
      event_id: 'click-0',
      event_type: 'click',
      user_id: 'user-0',
      time: ago(3),
      properties: { page: '/0' },
    })
    expect(await json('/events/recent')).toMatchObject({ count: 16, limit: 50 })
    expect((await get('/events/recent?limit=101')).status).toBe(400)
  })
})

describe('health', () => {
  const states = async () => {
    const paths = ['/api/v1/events/health', '/admin/health', '/health']
    const responses = await Promise.all(paths.map((path) => get(path, {})))
    return Promise.all(responses.map(async (each) => [each.status, await each.json()]))
  }

  test('is open, and tells nothing but the state of the parts', async () => {
    health = healthy
    expect(await states()).toEqual([
      [200, { status: 'ok', redis: 'PONG', worker: 'ok' }],
      [200, { status: 'UP', database: 'connected', kafka: 'connected' }],
      [200, { status: 'ok', timestamp: INSTANT }],
    ])
  })

  test('fails with the part that fails', async () => {
    health = { ...healthy, worker: 'no worker runs' }
    expect(await states()).toEqual([
      [200, { status: 'ok', redis: 'PONG', worker: 'degraded' }],
      [503, { status: 'DOWN', database: 'connected', kafka: 'connected' }],
      [503, { status: 'failing', timestamp: INSTANT }],
    ])
    health = { ...healthy, log: 'failed (ECONNREFUSED)' }
    expect((await states()).slice(0, 2)).toEqual([
      [503, { status: 'degraded', redis: 'unreachable', worker: 'unknown' }],
      [503, { status: 'DOWN', database: 'connected', kafka: 'disconnected' }],
    ])
  })
})

test('every path but health needs a key or a session, before its parameters are read', async () => {
  health = healthy
  const { paths } = (await (await get('/v1/openapi.json', {})).json()) as {
    paths: Record<string, { get: { tags?: string[]; security?: [] } }>
  }
  const legacy = Object.entries(paths).filter(([path]) => !path.startsWith('/v1/'))
  expect(legacy).toHaveLength(15)
  for (const [path, { get: operation }] of legacy) {
    const response = await get(`${path}?limit=x&sinceMinutes=x`, {})
    const isOpen = operation.security?.length === 0
    expect([path, response.status]).toEqual([path, isOpen ? 200 : 401])
    const body = (await response.json()) as Record<string, string>
    if (!isOpen) expect(body.error).toBe(body.detail)
  }
})
