import { gzipSync } from 'node:zlib'
import { expect, it } from 'vitest'
import { derivedEventId } from '../../../contract/event/uuid.ts'
import { describeEdges } from '../../testing/edge-harness.ts'
import { startEdge } from '../../testing/runtimes.ts'
import { send } from '../../testing/send.ts'

const once = (key: string) => ({ headers: { 'idempotency-key': key } })

describeEdges('a request with an Idempotency-Key', (world) => {
  it('is done once: its repetition gets the very same answer, and says so', async () => {
    const key = world.newKey()
    const before = world.gateway.taken.length
    const first = await world.post(key, { event: 'a' }, once('order-1'))
    const second = await world.post(key, { event: 'a' }, once('order-1'))
    expect([first.status, second.status]).toEqual([202, 202])
    expect(second.text).toBe(first.text)
    expect(first.headers['idempotency-replayed']).toBeUndefined()
    expect(second.headers['idempotency-replayed']).toBe('true')
    expect(second.headers['x-request-id']).not.toBe(first.headers['x-request-id'])
    expect(world.gateway.taken.length - before).toBe(1)
  })

  it('is known by its key whether that is quoted or bare', async () => {
    const key = world.newKey()
    await world.post(key, { event: 'a' }, once('order-2'))
    const quoted = await world.post(key, { event: 'a' }, once('"order-2"'))
    expect(quoted.headers['idempotency-replayed']).toBe('true')
    const escaped = await world.post(key, { event: 'a' }, once(String.raw`"a\"b\\c"`))
    expect(escaped.status).toBe(202)
    const bare = await world.post(key, { event: 'a' }, once(String.raw`a"b\c`))
    expect(bare.headers['idempotency-replayed']).toBe('true')
  })

  it('may not come again with another body', async () => {
    const key = world.newKey()
    await world.post(key, { event: 'a' }, once('order-3'))
    const other = await world.post(key, { event: 'b' }, once('order-3'))
    expect(other.status).toBe(422)
    expect(other.json.code).toBe('IDEMPOTENCY_KEY_REUSED')
  })

  it('may not come again as historical', async () => {
    const key = world.newKey({ may_import_history: true })
    await world.post(key, { event: 'a' }, once('order-4'))
    const path = '/v1/events?historical=true'
    const other = await world.post(key, { event: 'a' }, { ...once('order-4'), path })
    expect(other.json.code).toBe('IDEMPOTENCY_KEY_REUSED')
  })

  it('is told to wait while the first one is still in flight', async () => {
    const key = world.newKey()
    await world.post(key, { event: 'warm' })
    const asked = world.gateway.asked.produce
    world.gateway.produceMoods.push('hang')
    const first = world.post(key, { event: 'a' }, once('order-5'))
    await expect.poll(() => world.gateway.asked.produce).toBe(asked + 1)
    const second = await world.post(key, { event: 'a' }, once('order-5'))
    expect(second.status).toBe(409)
    expect(second.json.code).toBe('IDEMPOTENCY_IN_FLIGHT')
    expect(Number(second.headers['retry-after'])).toBeGreaterThanOrEqual(1)
    expect(Number(second.headers['retry-after'])).toBeLessThanOrEqual(3)
    const other = await world.post(key, { event: 'b' }, once('order-5'))
    expect(other.json.code).toBe('IDEMPOTENCY_KEY_REUSED')
    expect((await first).status).toBe(503)
  })

  it('may be repeated when publishing failed, and gives its events the same ids', async () => {
    const { key, record } = world.gateway.addKey()
    world.gateway.produceMoods.push({ status: 500 }, { status: 500 })
    const failed = await world.post(key, [{ event: 'a' }, { event: 'b' }], once('order-6'))
    expect(failed.status).toBe(503)
    const again = await world.post(key, [{ event: 'a' }, { event: 'b' }], once('order-6'))
    expect(again.status).toBe(202)
    expect(again.headers['idempotency-replayed']).toBeUndefined()
    const ids = again.json.events.map((event: { event_id: string }) => event.event_id)
    expect(ids).toEqual([
      await derivedEventId(record.tenant, 'order-6', 0),
      await derivedEventId(record.tenant, 'order-6', 1),
    ])
  })

  it('keeps the ids that its client chose', async () => {
    const key = world.newKey()
    const { json } = await world.post(key, { event: 'a', event_id: 'mine' }, once('order-7'))
    expect(json.event_id).toBe('mine')
  })

  it('is remembered with the faults of its bad events', async () => {
    const key = world.newKey()
    const body = [{ event: 'a' }, { event: 5 }]
    const first = await world.post(key, body, once('order-8'))
    expect(first.json).toMatchObject({ accepted: 1, rejected: 1, errors: [{ index: 1 }] })
    expect((await world.post(key, body, once('order-8'))).text).toBe(first.text)
  })

  it('is not remembered when it was refused: mended, it may come with the same key', async () => {
    const key = world.newKey()
    expect((await world.post(key, { event: 5 }, once('order-9'))).status).toBe(422)
    expect((await world.post(key, { event: 'five' }, once('order-9'))).status).toBe(202)
  })

  it("is its tenant's own: others may use the same word, its tenant's other keys repeat it", async () => {
    const mine = world.newKey({ tenant: 'mine' })
    const alsoMine = world.newKey({ tenant: 'mine' })
    const theirs = world.newKey({ tenant: 'theirs' })
    await world.post(mine, { event: 'a' }, once('order-10'))
    const [same, other] = [
      await world.post(alsoMine, { event: 'a' }, once('order-10')),
      await world.post(theirs, { event: 'b' }, once('order-10')),
    ]
    expect(same.headers['idempotency-replayed']).toBe('true')
    expect(other.status).toBe(202)
    expect(other.headers['idempotency-replayed']).toBeUndefined()
  })

  it('costs nothing when it is only repeated', async () => {
    const key = world.newKey({ key_events_per_minute: 2, tenant_events_per_minute: 2 })
    await world.post(key, [{ event: 'a' }], once('order-11'))
    for (let i = 0; i < 5; i++)
      expect((await world.post(key, [{ event: 'a' }], once('order-11'))).status).toBe(202)
    expect((await world.post(key, [{ event: 'b' }])).status).toBe(202)
    expect((await world.post(key, [{ event: 'c' }])).status).toBe(429)
  })

  it.each<[says: string, path: string, body: (key: string) => unknown]>([
    ['a single event', '/v1/events', () => ({ event: 'a' })],
    ['a batch with a fault', '/v1/events', () => [{ event: 'a' }, {}]],
    ['a classic path', '/api/v1/events/batch', () => ({ events: [{ event: 'a' }] })],
    ['Segment', '/v1/batch', () => ({ batch: [{ type: 'track', event: 'a', userId: 'u' }] })],
    ['PostHog', '/batch/', (api_key) => ({ api_key, batch: [{ event: 'a', distinct_id: 'u' }] })],
    ['PostHog v0', '/i/v0/e/', (api_key) => ({ api_key, event: 'a', distinct_id: 'u' })],
  ])('gets the first answer again, in status, form and words: %s', async (_, path, bodyWith) => {
    const key = world.newKey()
    const body = bodyWith(key)
    const taken = world.gateway.taken.length
    const first = await world.post(key, body, { ...once('any'), path })
    expect(first.status).toBeLessThan(300)
    const second = await world.post(key, body, { ...once('any'), path })
    expect(second.headers['idempotency-replayed']).toBe('true')
    const what = ({ status, headers, text }: typeof first) => [
      status,
      headers['content-type'],
      headers['access-control-allow-origin'],
      text,
    ]
    expect(what(second)).toEqual(what(first))
    expect(world.gateway.taken.length).toBe(taken + 1)
  })

  it('is the same however its body was packed, and another when a single byte differs', async () => {
    const key = world.newKey()
    const body = '{"event":"a","n":1}'
    const json = { 'content-type': 'application/json', authorization: `Bearer ${key}` }
    const sendAs = (body: string | Uint8Array, headers = {}, chunked = false) =>
      send(world.edge.port, {
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

  it('is another when its event has other attributes in its headers', async () => {
    const key = world.newKey()
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
    const first = await world.post(key, { n: 1 }, binary('1'))
    expect(first.status).toBe(202)
    expect((await world.post(key, { n: 1 }, binary('1'))).text).toBe(first.text)
    expect((await world.post(key, { n: 1 }, binary('2'))).json.code).toBe('IDEMPOTENCY_KEY_REUSED')
  })

  it('does not remember that it was told to wait', async () => {
    const key = world.newKey({ key_events_per_minute: 30, tenant_events_per_minute: 1_000 })
    await world.post(key, Array(30).fill({ event: 'a' }))
    const refused = await world.post(key, { event: 'b' }, once('waited'))
    expect(refused.status).toBe(429)
    await new Promise((go) => setTimeout(go, Number(refused.headers['retry-after']) * 1_000))
    const taken = await world.post(key, { event: 'b' }, once('waited'))
    expect([taken.status, taken.headers['idempotency-replayed']]).toEqual([202, undefined])
  })

  it('is done by one when many come at once: the others wait or hear the same', async () => {
    const key = world.newKey()
    await world.post(key, { event: 'warm' })
    const before = world.gateway.taken.length
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => world.post(key, { event: 'a' }, once('many'))),
    )
    expect(world.gateway.taken.length - before).toBe(1)
    const done = answers.filter(({ status }) => status === 202)
    expect(new Set(done.map(({ text }) => text)).size).toBe(1)
    const own = done.filter(({ headers }) => headers['idempotency-replayed'] === undefined)
    expect(own).toHaveLength(1)
    for (const { status, json, headers } of answers.filter((answer) => !done.includes(answer))) {
      expect([status, json.code]).toEqual([409, 'IDEMPOTENCY_IN_FLIGHT'])
      expect(Number(headers['retry-after'])).toBeGreaterThanOrEqual(1)
    }
  })

  it('can come again after its edge was killed in the middle, with the same ids', async () => {
    const { key, record } = world.gateway.addKey()
    const headers = { authorization: `Bearer ${key}`, 'idempotency-key': 'killed' }
    const request = { headers, body: '[{"event":"a"},{"event":"b"}]' }
    const doomed = await startEdge(world.runtime, world.gateway)
    const asked = world.gateway.asked.produce
    world.gateway.produceMoods.push('hang')
    const unheard = send(doomed.port, request).catch(() => 'no answer')
    await expect.poll(() => world.gateway.asked.produce).toBe(asked + 1)
    process.kill(doomed.pid, 'SIGKILL')
    expect(await unheard).toBe('no answer')
    await doomed.stop()

    const next = await startEdge(world.runtime, world.gateway)
    try {
      const { status, json } = await send(next.port, request)
      expect(status).toBe(202)
      expect(json.events.map((event: { event_id: string }) => event.event_id)).toEqual([
        await derivedEventId(record.tenant, 'killed', 0),
        await derivedEventId(record.tenant, 'killed', 1),
      ])
    } finally {
      await next.stop()
    }
  })
})
