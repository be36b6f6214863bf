import { gzipSync } from 'node:zlib'
import { afterEach, expect, it, vi } from 'vitest'
import type { KeyRecord } from '../../contract/api-key.ts'
import { createAdmission } from '../admission/admission.ts'
import { createMemoryIdempotency } from '../admission/memory-idempotency.ts'
import { createMemoryRateLimiter } from '../admission/memory-rate-limiter.ts'
import { createEdge, type EdgeDeps } from '../app.ts'
import { describeEdges } from '../testing/edge-harness.ts'
import { type EdgeRequest, type EdgeResponse, send } from '../testing/send.ts'

const PAGE = 'https://shop.example'
const LIST = { origins: ['https://*.shop.example', PAGE] }
const EVENT = '{"event":"a"}'
const GZIP = { 'content-encoding': 'gzip' }

/** Responses after the key is known, and before. */
const WITH_KEY: [number, string, Partial<KeyRecord>, EdgeRequest][] = [
  [202, '', {}, { body: EVENT }],
  [400, 'INVALID_JSON', {}, { body: '{' }],
  [400, 'INVALID_UTF8', {}, { body: new Uint8Array([0x22, 0xff]) }],
  [400, 'IDEMPOTENCY_KEY_INVALID', {}, { body: EVENT, headers: { 'idempotency-key': 'a b' } }],
  [400, 'INVALID_QUERY', {}, { body: EVENT, path: '/v1/events?historical=1' }],
  [403, 'HISTORICAL_NOT_ALLOWED', {}, { body: EVENT, path: '/v1/events?historical=true' }],
  [403, 'SCOPE_MISSING', { scopes: ['read'] }, { body: EVENT }],
  [413, 'BODY_TOO_LARGE', {}, { body: ' '.repeat(1024 * 1024 + 1) }],
  [413, 'EVENT_TOO_LARGE', {}, { body: `{"event":"a","x":"${'x'.repeat(70_000)}"}` }],
  [415, 'MEDIA_TYPE_UNSUPPORTED', {}, { body: EVENT, headers: { 'content-type': 'text/csv' } }],
  [415, 'ENCODING_UNSUPPORTED', {}, { body: EVENT, headers: { 'content-encoding': 'br' } }],
  [400, 'INVALID_ENCODING', {}, { body: gzipSync(EVENT).subarray(0, 9), headers: GZIP }],
  [422, 'EVENTS_INVALID', {}, { body: '{}' }],
  [422, 'BATCH_EMPTY', {}, { body: '[]' }],
  [422, 'BATCH_OVER_LIMIT', { key_events_per_minute: 1 }, { body: `[${EVENT},${EVENT}]` }],
]
const WITHOUT_KEY: [number, string, EdgeRequest][] = [
  [200, '', { method: 'GET', path: '/healthz' }],
  [401, 'KEY_MISSING', { body: EVENT }],
  [401, 'KEY_UNKNOWN', { body: EVENT, headers: { 'x-api-key': 'slc_pub_nonsense' } }],
  [404, 'NOT_FOUND', { body: EVENT, path: '/v1/event' }],
  [405, 'METHOD_NOT_ALLOWED', { method: 'DELETE' }],
]

describeEdges('a page on another origin', (harness) => {
  const from = (origin: string, { headers, ...sent }: EdgeRequest, key?: string) =>
    send(harness.edge.port, {
      ...sent,
      headers: { origin, ...(key && { authorization: `Bearer ${key}` }), ...headers },
    })

  it.each(WITH_KEY)(
    'can read a %i %s with a key for listed origins and with one for all origins',
    async (...row) => {
      const [status, code, record, sent] = row
      const own = await from(PAGE, sent, harness.newKey({ ...record, ...LIST }))
      expect([own.status, own.json.code ?? '']).toEqual([status, code])
      expectReadable(own, PAGE)
      const any = await from(PAGE, sent, harness.newKey(record))
      expect(any.status).toBe(status)
      expectReadable(any, '*')
    },
  )

  it.each(WITHOUT_KEY)('can read a %i %s', async (status, code, sent) => {
    const response = await from(PAGE, sent)
    expect([response.status, response.json.code ?? '']).toEqual([status, code])
    expectReadable(response, '*')
  })

  it('can read that its origin is not on the list', async () => {
    const key = harness.newKey({ ...LIST, scopes: ['read'] })
    const before = harness.gateway.records.length
    for (const origin of ['https://evil.example', 'null', 'http://shop.example', `${PAGE}:8443`]) {
      const response = await from(origin, { body: EVENT }, key)
      expect([response.status, response.json.code]).toEqual([403, 'ORIGIN_NOT_ALLOWED'])
      expectReadable(response, '*', 'origin')
    }
    expect(harness.gateway.records).toHaveLength(before)
  })

  it('can read the response on any subdomain of a wildcard origin', async () => {
    for (const origin of ['https://a.shop.example', 'https://b.a.shop.example'])
      expectReadable(await from(origin, { body: EVENT }, harness.newKey(LIST)), origin)
  })

  it('can read a 409, a 429 and a 503', async () => {
    const key = harness.newKey({ ...LIST, key_events_per_minute: 2 })
    const sent = { body: EVENT, headers: { 'idempotency-key': 'k' } }
    harness.gateway.produceFaults.push('hang')
    const first = from(PAGE, sent, key)
    await expect.poll(() => harness.gateway.produceFaults).toEqual([])
    const second = await from(PAGE, sent, key)
    const lost = await first
    await from(PAGE, { body: EVENT }, key)
    await from(PAGE, { body: EVENT }, key)
    const third = await from(PAGE, { body: EVENT }, key)
    for (const [response, code] of [
      [second, 'IDEMPOTENCY_IN_FLIGHT'],
      [lost, 'LOG_UNAVAILABLE'],
      [third, 'RATE_LIMITED'],
    ] as const) {
      expect(response.json.code).toBe(code)
      expect(response.headers['retry-after']).toMatch(/^[1-9]/)
      expectReadable(response, PAGE)
    }
    harness.gateway.keyFaults.push({ status: 500 })
    const unknown = await from(PAGE, { body: EVENT }, harness.newKey(LIST))
    expect(unknown.json.code).toBe('KEYS_UNAVAILABLE')
    expectReadable(unknown, '*')
  })

  it('cannot send cookies: no response allows credentials', async () => {
    const response = await from(PAGE, { body: EVENT }, harness.newKey(LIST))
    expect(response.headers).not.toHaveProperty('access-control-allow-credentials')
  })
})

describeEdges('a preflight', (harness) => {
  const ask = (path: string, headers: Record<string, string> = {}) =>
    send(harness.edge.port, {
      method: 'OPTIONS',
      path,
      headers: { origin: PAGE, 'access-control-request-method': 'POST', ...headers },
    })

  it.each([
    ['/v1/events', 'POST, OPTIONS'],
    ['/v1/events?key=slc_pub_x', 'POST, OPTIONS'],
    ['/ingest', 'POST, OPTIONS'],
    ['/v1/pixel.gif', 'GET, OPTIONS'],
    ['/sluice.js', 'GET, HEAD, OPTIONS'],
    ['/healthz', 'GET, HEAD, OPTIONS'],
  ])('for %s is valid for a day', async (path, methods) => {
    const { status, headers, text } = await ask(path)
    expect([status, text]).toEqual([204, ''])
    expect(headers).toMatchObject({
      allow: methods,
      'access-control-allow-origin': '*',
      'access-control-allow-methods': methods,
      'access-control-max-age': '86400',
    })
    expect(headers).not.toHaveProperty('content-type')
  })

  it('allows the headers that the page requests', async () => {
    const allowed = async (requested: string) =>
      (await ask('/v1/events', { 'access-control-request-headers': requested })).headers[
        'access-control-allow-headers'
      ]
    for (const requested of [
      'authorization',
      'authorization,content-type,sentry-trace',
      'X-A, X-B',
    ])
      expect(await allowed(requested)).toBe(requested)
    const known = expect.stringMatching(/^authorization, .*content-type.*x-api-key/)
    for (const odd of ['', '*', 'a b', 'a,,b', 'a;b', 'x'.repeat(65), Array(65).fill('a').join()])
      expect(await allowed(odd)).toEqual(known)
  })

  it('for an unknown path succeeds, so that the page can read the 404; a plain OPTIONS gets the 404', async () => {
    expect((await ask('/v1/event')).status).toBe(204)
    const plain = await send(harness.edge.port, { method: 'OPTIONS', path: '/v1/event' })
    expect([plain.status, plain.json.code]).toEqual([404, 'NOT_FOUND'])
  })
})

afterEach(() => {
  vi.useRealTimers()
})

it('a page on another origin can read an unexpected 500 and a 408', async () => {
  const failing = await edgeWith({ publish: () => Promise.reject(new TypeError('oh')) })(EVENT)
  expect([failing.status, failing.headers.get('access-control-allow-origin')]).toEqual([500, PAGE])
  vi.useFakeTimers()
  const pending = edgeWith({})(new ReadableStream())
  await vi.advanceTimersByTimeAsync(10_001)
  const slow = await pending
  expect([slow.status, slow.headers.get('access-control-allow-origin')]).toEqual([408, PAGE])
})

/** The app without a server, for states that no server reaches in reasonable time. */
function edgeWith(changed: Partial<EdgeDeps>) {
  const record = { ...LIST, tenant: 't', key_id: 'k', scopes: ['ingest'], expires_at: null }
  const rates = { key_events_per_minute: 100, tenant_events_per_minute: 100, event_age_max_s: 100 }
  const edge = createEdge({
    findKey: async () => ({ ...record, ...rates, revoked_at: null }) as unknown as KeyRecord,
    admission: createAdmission(createMemoryRateLimiter(), createMemoryIdempotency()),
    publish: async () => [],
    edgeNameOf: () => 'here',
    addressOf: () => undefined,
    now: () => 0,
    report: () => {},
    ...changed,
  })
  return (body: BodyInit) =>
    edge.request('/v1/events', {
      method: 'POST',
      headers: { origin: PAGE, 'x-api-key': 'slc_sec_0000000000000000000000000000004K8ygg' },
      body,
      duplex: 'half',
    } as RequestInit)
}

function expectReadable(
  { headers }: EdgeResponse,
  origin: string,
  vary = origin === '*' ? undefined : 'origin',
): void {
  expect(headers['access-control-allow-origin']).toBe(origin)
  expect(headers.vary).toBe(vary)
  expect(headers['access-control-expose-headers']).toMatch(/retry-after.*x-request-id/)
}
