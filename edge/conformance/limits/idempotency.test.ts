import { gzipSync } from 'node:zlib'
import { expect, it } from 'vitest'
import { sha256Hex } from '../../../contract/api-key.ts'
import { derivedEventId } from '../../../contract/event/uuid.ts'
import { describeEdges } from '../../testing/edge-harness.ts'
import { startEdge } from '../../testing/runtimes.ts'
import { send } from '../../testing/send.ts'

const once = (key: string) => ({ headers: { 'idempotency-key': key } })

async function derivedId(tenant: string, idempotencyKey: string, index: number, body: string) {
  const content = await sha256Hex(body)
  return derivedEventId({ tenant, trust: 'server', idempotencyKey, index, content })
}

describeEdges('a request with an Idempotency-Key', (harness) => {
  it('is processed once, and its repetition gets the same response marked as replayed', async () => {
    const key = harness.newKey()
    const before = harness.gateway.records.length
    const first = await harness.post(key, { event: 'a' }, once('order-1'))
    const second = await harness.post(key, { event: 'a' }, once('order-1'))
    expect([first.status, second.status]).toEqual([202, 202])
    expect(second.text).toBe(first.text)
    expect(first.headers['idempotency-replayed']).toBeUndefined()
    expect(second.headers['idempotency-replayed']).toBe('true')
    expect(second.headers['x-request-id']).not.toBe(first.headers['x-request-id'])
    expect(harness.gateway.records.length - before).toBe(1)
  })

  it('is recognised whether the key is quoted or bare', async () => {
    const key = harness.newKey()
    await harness.post(key, { event: 'a' }, once('order-2'))
    const quoted = await harness.post(key, { event: 'a' }, once('"order-2"'))
    expect(quoted.headers['idempotency-replayed']).toBe('true')
    const escaped = await harness.post(key, { event: 'a' }, once(String.raw`"a\"b\\c"`))
    expect(escaped.status).toBe(202)
    const bare = await harness.post(key, { event: 'a' }, once(String.raw`a"b\c`))
    expect(bare.headers['idempotency-replayed']).toBe('true')
  })

  it('is rejected when the key was used with another body', async () => {
    const key = harness.newKey()
    await harness.post(key, { event: 'a' }, once('order-3'))
    const other = await harness.post(key, { event: 'b' }, once('order-3'))
    expect(other.status).toBe(422)
    expect(other.json.code).toBe('IDEMPOTENCY_KEY_REUSED')
  })

  it('is rejected when the key was used without ?historical=true', async () => {
    const key = harness.newKey({ may_import_history: true })
    await harness.post(key, { event: 'a' }, once('order-4'))
    const path = '/v1/events?historical=true'
    const other = await harness.post(key, { event: 'a' }, { ...once('order-4'), path })
    expect(other.json.code).toBe('IDEMPOTENCY_KEY_REUSED')
  })

  it('gets 409 while the first one is in flight', async () => {
    const key = harness.newKey()
    await harness.post(key, { event: 'warm' })
    const requestsBefore = harness.gateway.requestCounts.produce
    harness.gateway.produceFaults.push('hang')
    const first = harness.post(key, { event: 'a' }, once('order-5'))
    await expect.poll(() => harness.gateway.requestCounts.produce).toBe(requestsBefore + 1)
    const second = await harness.post(key, { event: 'a' }, once('order-5'))
    expect(second.status).toBe(409)
    expect(second.json.code).toBe('IDEMPOTENCY_IN_FLIGHT')
    expect(Number(second.headers['retry-after'])).toBeGreaterThanOrEqual(1)
    expect(Number(second.headers['retry-after'])).toBeLessThanOrEqual(3)
    const other = await harness.post(key, { event: 'b' }, once('order-5'))
    expect(other.json.code).toBe('IDEMPOTENCY_KEY_REUSED')
    expect((await first).status).toBe(503)
  })

  it('may be repeated when publishing failed, and gives its events the same ids', async () => {
    const { key, record } = harness.gateway.addKey()
    harness.gateway.produceFaults.push({ status: 500 }, { status: 500 })
    const failed = await harness.post(key, [{ event: 'a' }, { event: 'b' }], once('order-6'))
    expect(failed.status).toBe(503)
    const again = await harness.post(key, [{ event: 'a' }, { event: 'b' }], once('order-6'))
    expect(again.status).toBe(202)
    expect(again.headers['idempotency-replayed']).toBeUndefined()
    const ids = again.json.events.map((event: { event_id: string }) => event.event_id)
    expect(ids).toEqual([
      await derivedId(record.tenant, 'order-6', 0, '[{"event":"a"},{"event":"b"}]'),
      await derivedId(record.tenant, 'order-6', 1, '[{"event":"a"},{"event":"b"}]'),
    ])
  })

  it('keeps the ids that its client chose', async () => {
    const key = harness.newKey()
    const { json } = await harness.post(key, { event: 'a', event_id: 'mine' }, once('order-7'))
    expect(json.event_id).toBe('mine')
  })

  it('gets the errors of the first response again', async () => {
    const key = harness.newKey()
    const body = [{ event: 'a' }, { event: 5 }]
    const first = await harness.post(key, body, once('order-8'))
    expect(first.json).toMatchObject({ accepted: 1, rejected: 1, errors: [{ index: 1 }] })
    expect((await harness.post(key, body, once('order-8'))).text).toBe(first.text)
  })

  it('can reuse the key with a corrected body after a 422', async () => {
    const key = harness.newKey()
    expect((await harness.post(key, { event: 5 }, once('order-9'))).status).toBe(422)
    expect((await harness.post(key, { event: 'five' }, once('order-9'))).status).toBe(202)
  })

  it('shares the Idempotency-Key with the API keys of its tenant, but not with other tenants', async () => {
    const mine = harness.newKey({ tenant: 'mine' })
    const alsoMine = harness.newKey({ tenant: 'mine' })
    const theirs = harness.newKey({ tenant: 'theirs' })
    await harness.post(mine, { event: 'a' }, once('order-10'))
    const [same, other] = [
      await harness.post(alsoMine, { event: 'a' }, once('order-10')),
      await harness.post(theirs, { event: 'b' }, once('order-10')),
    ]
    expect(same.headers['idempotency-replayed']).toBe('true')
    expect(other.status).toBe(202)
    expect(other.headers['idempotency-replayed']).toBeUndefined()
  })

  it('of a server neither blocks the same key of a page nor gives it its response', async () => {
    const server = harness.newKey({ tenant: 'shop' })
    const page = harness.newKey({ tenant: 'shop', kind: 'pub' })
    const visitor = await harness.post(page, { event: 'junk' }, once('nightly'))
    const first = await harness.post(server, { event: 'a' }, once('nightly'))
    const again = await harness.post(server, { event: 'a' }, once('nightly'))
    const copied = await harness.post(page, { event: 'a' }, once('nightly-2'))
    const own = await harness.post(server, { event: 'a' }, once('nightly-2'))
    expect([visitor.status, first.status, copied.status, own.status]).toEqual([202, 202, 202, 202])
    expect(again.text).toBe(first.text)
    for (const { headers } of [visitor, first, copied, own])
      expect(headers['idempotency-replayed']).toBeUndefined()
    expect(own.json.event_id).not.toBe(copied.json.event_id)
  })

  it('is charged to the rate limit only once', async () => {
    const key = harness.newKey({ key_events_per_minute: 2, tenant_events_per_minute: 2 })
    await harness.post(key, [{ event: 'a' }], once('order-11'))
    for (let i = 0; i < 5; i++)
      expect((await harness.post(key, [{ event: 'a' }], once('order-11'))).status).toBe(202)
    expect((await harness.post(key, [{ event: 'b' }])).status).toBe(202)
    expect((await harness.post(key, [{ event: 'c' }])).status).toBe(429)
  })

  it.each<[title: string, path: string, body: (key: string) => unknown]>([
    ['a single event', '/v1/events', () => ({ event: 'a' })],
    ['a batch with an invalid event', '/v1/events', () => [{ event: 'a' }, {}]],
    ['a legacy format', '/api/v1/events/batch', () => ({ events: [{ event: 'a' }] })],
    ['Segment', '/v1/batch', () => ({ batch: [{ type: 'track', event: 'a', userId: 'u' }] })],
    ['PostHog', '/batch/', (api_key) => ({ api_key, batch: [{ event: 'a', distinct_id: 'u' }] })],
    ['Mixpanel', '/track', (token) => ({ event: 'a', properties: { token } })],
    ['GA4', '/mp/collect', () => ({ events: [{ name: 'a' }] })],
    ['PostHog v0', '/i/v0/e/', (api_key) => ({ api_key, event: 'a', distinct_id: 'u' })],
  ])('gets the first status, type and body again: %s', async (_, path, bodyWith) => {
    const key = harness.newKey()
    const body = bodyWith(key)
    const recordsBefore = harness.gateway.records.length
    const first = await harness.post(key, body, { ...once('any'), path })
    expect(first.status).toBeLessThan(300)
    const second = await harness.post(key, body, { ...once('any'), path })
    expect(second.headers['idempotency-replayed']).toBe('true')
    const compared = ({ status, headers, text }: typeof first) => [
      status,
      headers['content-type'],
      headers['access-control-allow-origin'],
      text,
    ]
    expect(compared(second)).toEqual(compared(first))
    expect(harness.gateway.records.length).toBe(recordsBefore + 1)
  })

  it('is the same with another encoding of its body, and another one when a single byte differs', async () => {
    const key = harness.newKey()
    const body = '{"event":"a","n":1}'
    const json = { 'content-type': 'application/json', authorization: `Bearer ${key}` }
    const sendAs = (body: string | Uint8Array, headers = {}, chunked = false) =>
      send(harness.edge.port, {
        headers: { ...json, 'idempotency-key': 'packed', ...headers },
        body,
        chunked,
      })
    const first = await sendAs(body)
    const again = [
      await sendAs(gzipSync(body), { 'content-encoding': 'gzip' }),
      await sendAs(body, { 'x-api-key': key }),
      await sendAs(body, {}, true),
    ]
    for (const { text, headers } of again)
      expect([text, headers['idempotency-replayed']]).toEqual([first.text, 'true'])
    expect((await sendAs('{"event":"a", "n":1}')).json.code).toBe('IDEMPOTENCY_KEY_REUSED')
  })

  it('is another one when its CloudEvents headers differ', async () => {
    const key = harness.newKey()
    const binary = (id: string) => ({
      headers: {
        'content-type': 'application/json',
        'idempotency-key': 'binary',
        'ce-specversion': '1.0',
        'ce-id': id,
        'ce-source': '/shop',
        'ce-type': 'a',
      },
    })
    const first = await harness.post(key, { n: 1 }, binary('1'))
    expect(first.status).toBe(202)
    expect((await harness.post(key, { n: 1 }, binary('1'))).text).toBe(first.text)
    expect((await harness.post(key, { n: 1 }, binary('2'))).json.code).toBe(
      'IDEMPOTENCY_KEY_REUSED',
    )
  })

  it('is processed after a 429, because a 429 is not stored', async () => {
    const key = harness.newKey({ key_events_per_minute: 30, tenant_events_per_minute: 1_000 })
    await harness.post(key, Array(30).fill({ event: 'a' }))
    const rejected = await harness.post(key, { event: 'b' }, once('waited'))
    expect(rejected.status).toBe(429)
    await new Promise((go) => setTimeout(go, Number(rejected.headers['retry-after']) * 1_000))
    const retried = await harness.post(key, { event: 'b' }, once('waited'))
    expect([retried.status, retried.headers['idempotency-replayed']]).toEqual([202, undefined])
  })

  it('is processed by one of many concurrent requests, and the others get 409 or the same response', async () => {
    const key = harness.newKey()
    await harness.post(key, { event: 'warm' })
    const before = harness.gateway.records.length
    const responses = await Promise.all(
      Array.from({ length: 20 }, () => harness.post(key, { event: 'a' }, once('many'))),
    )
    expect(harness.gateway.records.length - before).toBe(1)
    const done = responses.filter(({ status }) => status === 202)
    expect(new Set(done.map(({ text }) => text)).size).toBe(1)
    const own = done.filter(({ headers }) => headers['idempotency-replayed'] === undefined)
    expect(own).toHaveLength(1)
    for (const { status, json, headers } of responses.filter(
      (response) => !done.includes(response),
    )) {
      expect([status, json.code]).toEqual([409, 'IDEMPOTENCY_IN_FLIGHT'])
      expect(Number(headers['retry-after'])).toBeGreaterThanOrEqual(1)
    }
  })

  it('gets the same event ids on another edge after its edge was killed', async () => {
    const { key, record } = harness.gateway.addKey()
    const headers = { authorization: `Bearer ${key}`, 'idempotency-key': 'killed' }
    const request = { headers, body: '[{"event":"a"},{"event":"b"}]' }
    const doomed = await startEdge(harness.runtime, harness.gateway)
    const requestsBefore = harness.gateway.requestCounts.produce
    harness.gateway.produceFaults.push('hang')
    const unanswered = send(doomed.port, request).catch(() => 'no response')
    await expect.poll(() => harness.gateway.requestCounts.produce).toBe(requestsBefore + 1)
    process.kill(doomed.pid, 'SIGKILL')
    expect(await unanswered).toBe('no response')
    await doomed.stop()

    const next = await startEdge(harness.runtime, harness.gateway)
    try {
      const { status, json } = await send(next.port, request)
      expect(status).toBe(202)
      expect(json.events.map((event: { event_id: string }) => event.event_id)).toEqual([
        await derivedId(record.tenant, 'killed', 0, request.body),
        await derivedId(record.tenant, 'killed', 1, request.body),
      ])
      // An edge that has forgotten the key: another body is not taken for the first one.
      await next.stop()
      const last = await startEdge(harness.runtime, harness.gateway)
      const other = await send(last.port, { headers, body: '[{"event":"c"}]' }).finally(last.stop)
      expect([other.status, other.json.accepted]).toEqual([202, 1])
      expect(other.json.events[0].event_id).not.toBe(json.events[0].event_id)
    } finally {
      await next.stop()
    }
  })
})
