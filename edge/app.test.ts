import { expect, it } from 'vitest'
import type { ProduceRecord } from '../contract/log/kafka-rest.ts'
import { createAdmission } from './admission/admission.ts'
import { createMemoryIdempotency } from './admission/memory-idempotency.ts'
import { createMemoryRateLimiter } from './admission/memory-rate-limiter.ts'
import { createEdge, type EdgeDeps } from './app.ts'
import { HttpProblem } from './http/http-problem.ts'
import type { ReportEntry } from './http/report.ts'
import { KEY, RECORD } from './testing/memory-edge.ts'

const NOW = Date.parse('2026-11-21T09:00:00.123Z')
function setUp(changed: Partial<EdgeDeps> = {}) {
  const published: ProduceRecord[] = []
  const reports: ReportEntry[] = []
  const edge = createEdge({
    findKey: async () => RECORD,
    admission: createAdmission(createMemoryRateLimiter(), createMemoryIdempotency()),
    publish: async (records) => {
      published.push(...records)
      return records.map(({ topic }, offset) => ({ topic, partition: 0, offset, timestamp: NOW }))
    },
    edgeNameOf: () => 'here',
    addressOf: () => undefined,
    now: () => NOW,
    report: (reported) => reports.push(reported),
    ...changed,
  })
  const post = (body: unknown, headers = {}, path = '/v1/events') =>
    edge.request(path, {
      method: 'POST',
      headers: { 'x-api-key': KEY, ...headers },
      body: JSON.stringify(body),
    })
  return { edge, published, reports, post }
}

// biome-ignore lint/suspicious/noExplicitAny: responses of every shape
const json = async (response: Response | Promise<Response>): Promise<any> => (await response).json()

it('a record carries its tenant, its key, its route, its edge and its time', async () => {
  const { post, published } = setUp()
  const sent = { event: 'a', event_id: 'e1', user_id: 'u1' }
  expect(await json(post(sent, { 'x-request-id': 'r-1' }))).toEqual({
    request_id: 'r-1',
    event_id: 'e1',
    status: 'accepted',
    accepted: 1,
    rejected: 0,
    events: [{ event_id: 'e1', status: 'accepted', partition: 0, offset: 0 }],
    errors: [],
  })
  expect(published).toEqual([
    {
      topic: 'events.raw',
      key: 'acme:u1',
      value:
        '{"v":1,"tenant":"acme","key":"k1","request_id":"r-1","received_at":"2026-11-21T09:00:00.123Z","edge":"here","route":"events",' +
        '"event":{"event_id":"e1","name":"a","occurred_at":"2026-11-21T09:00:00.123Z","actor":"u1","properties":{}}}',
    },
  ])
})

it('a record of a historical import is marked as historical', async () => {
  const { post, published } = setUp()
  await post({ event: 'a', timestamp: 0 }, {}, '/v1/events?historical=true')
  expect(JSON.parse(published[0]?.value ?? '')).toMatchObject({ historical: true })
})

it('an event without an actor is keyed by its id, so that its retry lands on the same partition', async () => {
  const { post, published } = setUp()
  await post([
    { event: 'a', event_id: 'e1' },
    { event: 'a', user_id: 5 },
  ])
  expect(published.map(({ key }) => key)).toEqual(['acme:e1', 'acme:5'])
})

it('the same id twice in a batch is published twice: the worker counts the duplicate', async () => {
  const { post, published } = setUp()
  const body = await json(
    post([
      { event: 'a', event_id: 'e' },
      { event: 'b', event_id: 'e' },
    ]),
  )
  expect(body).toMatchObject({ accepted: 2, rejected: 0 })
  expect(published).toHaveLength(2)
})

it('a client is warned of events that will become dead letters, to the millisecond', async () => {
  const { post } = setUp()
  const at = (ms: number) => ({ event: 'a', timestamp: new Date(NOW + ms).toISOString() })
  const batch = [at(300_000), at(300_001), at(-3_600_000), at(-3_600_001), { event: 'a' }]
  const { accepted, warnings } = await json(post(batch))
  expect(accepted).toBe(5)
  expect(warnings.map(({ index, code }: Record<string, unknown>) => [index, code])).toEqual([
    [1, 'OCCURRED_AT_IN_FUTURE'],
    [3, 'OCCURRED_AT_TOO_OLD'],
  ])
  const historical = await json(post(batch, {}, '/v1/events?historical=true'))
  expect(historical.warnings.map(({ index }: { index: number }) => index)).toEqual([1])
  expect(await json(post({ event: 'a' }))).not.toHaveProperty('warnings')
})

it('a request id with unusual characters is replaced', async () => {
  const { post } = setUp()
  for (const id of ['a b', '<script>', '"', 'x'.repeat(129)]) {
    const response = await post({ event: 'a' }, { 'x-request-id': id })
    expect(response.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
  }
  const kept = await post({ event: 'a' }, { 'x-request-id': 'Root=1-67:a/b+c@d' })
  expect(kept.headers.get('x-request-id')).toBe('Root=1-67:a/b+c@d')
})

it('an unexpected error is a 500 without details, and is reported without content', async () => {
  const { post, reports } = setUp({
    publish: async () => {
      throw new TypeError('cannot read secret of {"event":"private"}')
    },
  })
  const response = await post({ event: 'private' }, { 'idempotency-key': 'k' })
  expect(response.status).toBe(500)
  const text = await response.text()
  expect(JSON.parse(text).code).toBe('INTERNAL')
  expect(text).not.toMatch(/private|secret|TypeError/)
  expect(reports).toHaveLength(1)
  expect(reports[0]).toMatchObject({
    level: 'error',
    error: expect.stringMatching(/^TypeError at/),
  })
  expect(JSON.stringify(reports)).not.toMatch(/private|secret/)
  // And the lock was released.
  expect((await post({ event: 'private' }, { 'idempotency-key': 'k' })).status).toBe(500)
})

it('a rate limiter that fails gives LIMITER_UNAVAILABLE, and nothing is published', async () => {
  const { post, published } = setUp({
    admission: createAdmission(
      { limit: () => Promise.reject(new Error('down')) },
      createMemoryIdempotency(),
    ),
  })
  const response = await post({ event: 'a' })
  expect([response.status, (await json(response)).code]).toEqual([503, 'LIMITER_UNAVAILABLE'])
  expect(response.headers.get('retry-after')).toBe('2')
  expect(published).toEqual([])
})

it('the response lists every invalid event of a full batch, however many errors there are', async () => {
  const { post } = setUp()
  const bad = { event: '', value: 'x', timestamp: 'now' }
  const { errors, rejected } = await json(post(Array(1000).fill(bad)))
  expect(rejected).toBeUndefined()
  expect(new Set(errors.map(({ index }: { index: number }) => index)).size).toBe(1000)
  expect(errors.length).toBeLessThanOrEqual(1000)
  const few = await json(setUp().post([...Array(400).fill(bad), { event: 'good' }]))
  expect(few.rejected).toBe(400)
  expect(few.errors.filter(({ index }: { index: number }) => index === 7)).toHaveLength(2)
})

it('expected errors are not reported', async () => {
  const { post, reports } = setUp({
    publish: async () => {
      throw new HttpProblem('LOG_UNAVAILABLE', { headers: { 'retry-after': '2' } })
    },
  })
  expect((await post({ event: 'a' })).status).toBe(503)
  expect((await post({})).status).toBe(422)
  expect(reports).toEqual([])
})

it('the RateLimit headers follow the draft and identify key and tenant without naming them', async () => {
  const { post } = setUp()
  const { headers } = await post({ event: 'a' })
  const form =
    /^"key";q=1000;w=60;pk=(:[A-Za-z0-9+/]{12}:), "tenant";q=1000;w=60;pk=(:[A-Za-z0-9+/]{12}:)$/
  const [, ofKey, ofTenant] = form.exec(headers.get('ratelimit-policy') ?? '') ?? []
  expect(ofKey).toBeDefined()
  expect(ofTenant).not.toBe(ofKey)
  expect(headers.get('ratelimit')).toBe(
    `"key";r=999;t=1;pk=${ofKey}, "tenant";r=999;t=120;pk=${ofTenant}`,
  )
  const ofOthers = await setUp({ findKey: async () => ({ ...RECORD, key_id: 'k2' }) }).post({
    event: 'a',
  })
  expect(ofOthers.headers.get('ratelimit')).not.toContain(ofKey)
  expect(ofOthers.headers.get('ratelimit')).toContain(ofTenant)
})

it('without rate limits every request is admitted, and the response has no RateLimit header', async () => {
  const few = { ...RECORD, key_events_per_minute: 1, tenant_events_per_minute: 1 }
  const { post } = setUp({
    admission: createAdmission(undefined, createMemoryIdempotency()),
    findKey: async () => few,
  })
  for (let i = 0; i < 3; i++) {
    const { status, headers } = await post([{ event: 'a' }, { event: 'b' }])
    expect([status, headers.has('ratelimit'), headers.has('ratelimit-policy')]).toEqual([
      202,
      false,
      false,
    ])
  }
})

it('the sender’s address is read only when it is needed, and never from a header', async () => {
  const seen: unknown[] = []
  const { post } = setUp({
    findKey: async (_, addressOf) => {
      seen.push(addressOf?.())
      return RECORD
    },
    addressOf: () => '192.0.2.1',
  })
  await post({ event: 'a' }, { 'cf-connecting-ip': '192.0.2.9', 'x-forwarded-for': '192.0.2.9' })
  expect(seen).toEqual(['192.0.2.1'])
})

it.each([
  ['/track?data=%7B%22event%22%3A%22a%22%2C%22properties%22%3A%7B%7D%7D', 'GET, POST, OPTIONS'],
  ['/import/?data=%7B%22event%22%3A%22a%22%2C%22properties%22%3A%7B%7D%7D', 'GET, POST, OPTIONS'],
  ['/i?e=pv', 'GET, OPTIONS'],
  ['/v1/pixel.gif?name=a', 'GET, OPTIONS'],
])('HEAD sends no event: %s', async (path, allowed) => {
  const { edge, published } = setUp()
  const headers = { 'x-api-key': KEY }
  const head = await edge.request(path, { method: 'HEAD', headers })
  expect([head.status, head.headers.get('allow'), await head.text()]).toEqual([405, allowed, ''])
  expect(published).toEqual([])
  expect((await edge.request(path, { headers })).status).toBe(200)
  expect(published).toHaveLength(1)
})
