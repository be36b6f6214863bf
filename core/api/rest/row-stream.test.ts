import { Hono } from 'hono'
import { requestId } from 'hono/request-id'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { QUERY_LIMITS } from '../../queries/limits.ts'
import { createQueryFixture, type QueryFixture } from '../graphql/testing/fixture.ts'
import { handleError } from '../http/problem.ts'
import { type Served, serveApp } from '../http/serve.ts'
import { createRestApp } from './app.ts'
import { createPageLimit } from './page-limit.ts'
import { createRowStreams, type Page } from './row-stream.ts'

const EVENTS = 730
const NDJSON = { accept: 'application/x-ndjson' }

let fixture: QueryFixture
let core: Served
let key: Record<string, string>
/** Requests to GraphQL since the last test. */
let executed = 0
/** Called before each. */
let beforeExecution: () => Promise<void> = async () => {}
beforeAll(async () => {
  fixture = await createQueryFixture()
  key = await fixture.keyOf('default')
  await fixture.store(
    'default',
    Array.from({ length: EVENTS }, (_, i) => ({
      id: `event-${i}`,
      receivedAt: `2026-11-2${i % 3}T10:00:00.${String(i).padStart(3, '0')}Z`,
      properties: { text: '=1+1, "quoted"' },
    })),
  )
  const { graphql } = fixture
  const counted: typeof graphql = {
    ...graphql,
    async execute(request, sender) {
      executed++
      await beforeExecution()
      return graphql.execute(request, sender)
    },
  }
  const app = new Hono().use(requestId())
  app.onError(handleError({ error() {} }))
  app.route('/', createRestApp({ graphql: counted, checkHealth: async () => ({}), secure: false }))
  core = await serveApp(app, { port: 0 })
})
afterAll(async () => {
  await core.close(0)
  await fixture.close()
})

const get = (path: string, init: RequestInit = {}) => {
  executed = 0
  return fetch(core.url + path, { ...init, headers: { ...key, ...init.headers } })
}
const idsIn = (text: string) =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).id as string)

test('NDJSON and CSV have every event of many pages once, in the order of the pages', async () => {
  const response = await get('/v1/events?limit=50000', { headers: NDJSON })
  expect(response.headers.get('content-type')).toBe('application/x-ndjson; charset=utf-8')
  expect(response.headers.get('etag')).toBeNull()
  const ids = idsIn(await response.text())
  expect(new Set(ids).size).toBe(EVENTS)
  expect(ids).toHaveLength(EVENTS)
  expect(executed).toBe(Math.ceil(EVENTS / QUERY_LIMITS.eventsPageMax))

  const csv = await (
    await get('/v1/events?limit=50000', { headers: { accept: 'text/csv' } })
  ).text()
  const lines = csv.trimEnd().split('\r\n')
  expect(lines.map((line) => line.split(',')[0])).toEqual(['id', ...ids])
  expect(lines[1]).toContain('"{""text"":""=1+1, \\""quoted\\""""}"')
})

test('a limit ends a stream exactly there, and its last cursor begins the next one', async () => {
  const all = idsIn(await (await get('/v1/events?limit=730', { headers: NDJSON })).text())
  const text = await (await get('/v1/events?limit=250', { headers: NDJSON })).text()
  expect(idsIn(text)).toEqual(all.slice(0, 250))
  const { cursor } = JSON.parse(text.trimEnd().split('\n').at(-1) as string)
  const rest = await get(`/v1/events?limit=1000&after=${cursor}`, { headers: NDJSON })
  expect(idsIn(await rest.text())).toEqual(all.slice(250))
})

test('an error before the first row is a problem', async () => {
  const response = await get('/v1/events?limit=1000&after=nonsense', { headers: NDJSON })
  expect([response.status, response.headers.get('content-type')]).toEqual([
    400,
    'application/problem+json',
  ])
})

test('an error in a later page breaks the connection, so that no part is taken for the whole', async () => {
  beforeExecution = async () => {
    if (executed === 3) throw new Error('the database is gone')
  }
  try {
    const response = await get('/v1/events?limit=1000', { headers: NDJSON })
    expect(response.status).toBe(200)
    await expect(response.text()).rejects.toThrow()
  } finally {
    beforeExecution = async () => {}
  }
})

test('no page is read once the client has left', async () => {
  const client = new AbortController()
  let release = () => {}
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  beforeExecution = async () => {
    if (executed === 3) await held
  }
  try {
    const response = await get('/v1/events?limit=1000', { headers: NDJSON, signal: client.signal })
    await expect.poll(() => executed).toBe(3)
    client.abort()
    await expect(response.text()).rejects.toThrow()
    release()
    // The streams of this client are free again.
    for (let i = 0; i < QUERY_LIMITS.restStreamsPerClientMax + 1; i++) {
      const next = await get('/v1/events?limit=101', { headers: NDJSON })
      expect(idsIn(await next.text())).toHaveLength(101)
      expect(executed).toBe(2)
    }
  } finally {
    beforeExecution = async () => {}
  }
})

function streamsOf(options: { streamMsMax: number; waitMs?: () => number }) {
  const respondWithStream = createRowStreams({
    budget: { waitMs: options.waitMs ?? (() => 0) },
    acquire: createPageLimit({ responsesMax: 3, responsesPerClientMax: 2 }),
    streamMsMax: options.streamMsMax,
  })
  let pages = 0
  const app = new Hono()
  app.onError(handleError({ error() {} }))
  app.get('/:client', (c) =>
    respondWithStream(c, {
      type: 'application/x-ndjson',
      clientId: c.req.param('client'),
      nextPage: async (): Promise<Page> => ({
        rows: [{ page: ++pages }],
        hasNext: pages % 4 !== 0,
      }),
    }),
  )
  return app
}

test('a client has so many streams at once, and all together have so many', async () => {
  const app = streamsOf({ streamMsMax: 60_000 })
  const open = [await app.request('/a'), await app.request('/a')]
  expect((await app.request('/a')).status).toBe(503)
  open.push(await app.request('/b'))
  expect((await app.request('/c')).status).toBe(503)
  await open[0]?.body?.cancel()
  expect((await app.request('/c')).status).toBe(200)
  expect((await app.request('/a', { method: 'HEAD' })).status).toBe(503)
})

test('a stream that ends and is then left frees its place once', () => {
  const acquire = createPageLimit({ responsesMax: 2, responsesPerClientMax: 2 })
  const release = acquire('a')
  acquire('b')
  release()
  release()
  acquire('a')
  expect(() => acquire('c')).toThrow('Too many requests are in progress')
})

test('a stream waits while the budget of its client is used up', async () => {
  const waits: number[] = []
  const app = streamsOf({
    streamMsMax: 60_000,
    waitMs() {
      waits.push(1)
      return 1
    },
  })
  expect(await (await app.request('/a')).text()).toBe(
    '{"page":1}\n{"page":2}\n{"page":3}\n{"page":4}\n',
  )
  expect(waits).toHaveLength(3)
})

test('a client that stops reading loses its stream after a while', async () => {
  const app = streamsOf({ streamMsMax: 20 })
  const [first, second] = [await app.request('/a'), await app.request('/a')]
  await expect.poll(async () => (await app.request('/a')).status).toBe(200)
  await expect(first?.text()).rejects.toThrow()
  await expect(second?.text()).rejects.toThrow()
})

const EVENT_PULSE = '/api/v1/events?limit=500'

test('EventPulse lists of several pages count as streams do, and one page is always admitted', async () => {
  let release = () => {}
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  beforeExecution = () => held
  try {
    const lists = Array.from({ length: QUERY_LIMITS.restStreamsPerClientMax }, () =>
      get(EVENT_PULSE),
    )
    await expect.poll(() => executed).toBe(QUERY_LIMITS.restStreamsPerClientMax)
    beforeExecution = async () => {}
    await expect.poll(async () => (await get(EVENT_PULSE)).status).toBe(503)
    expect((await get('/v1/events?limit=101', { headers: NDJSON })).status).toBe(503)
    expect((await get('/api/v1/events?limit=100')).status).toBe(200)
    release()
    for (const list of await Promise.all(lists))
      expect(((await list.json()) as { data: object[] }).data).toHaveLength(500)
    expect((await get(EVENT_PULSE)).status).toBe(200)
  } finally {
    release()
    beforeExecution = async () => {}
  }
})

test('an EventPulse list ends with QUERY_TOO_LARGE as soon as its events are larger than a response may be', async () => {
  const text = 'x'.repeat(60_000)
  await fixture.store(
    'other',
    Array.from({ length: 210 }, (_, i) => ({ id: `large-${i}`, properties: { text } })),
  )
  const headers = await fixture.keyOf('other')
  const response = await get(EVENT_PULSE, { headers })
  expect([response.status, executed]).toEqual([422, 2])
  expect(await response.json()).toMatchObject({ code: 'QUERY_TOO_LARGE' })
  // Events before the offset are not held.
  expect((await get('/api/v1/events?limit=10&offset=200', { headers })).status).toBe(200)
})

test('an EventPulse list waits between its pages while the budget of its client is used up', async () => {
  const { graphql } = fixture
  const waited: number[] = []
  const budget = {
    check() {},
    charge() {},
    waitMs: () => waited.push(1),
  }
  const app = createRestApp({ graphql, budget, checkHealth: async () => ({}), secure: false })
  const response = await app.request(`http://localhost${EVENT_PULSE}`, { headers: key })
  expect([response.status, waited.length]).toEqual([200, 4])
})
