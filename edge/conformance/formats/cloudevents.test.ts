import {
  CloudEvent,
  type CloudEventV1,
  emitterFor,
  HTTP,
  httpTransport,
  type Message,
  Mode,
} from 'cloudevents'
import { expect, it } from 'vitest'
import { LIMITS } from '../../../contract/limits.ts'
import { describeEdges } from '../../testing/edge-harness.ts'
import type { EdgeRequest } from '../../testing/send.ts'

const STRUCTURED = { 'content-type': 'application/cloudevents+json' }
const BATCH = { 'content-type': 'application/cloudevents-batch+json' }
const TIME = new Date(Date.now() - 60_000).toISOString()

const ORDER: CloudEventV1<unknown> = {
  specversion: '1.0',
  id: 'order-17',
  source: '/shop/berlin',
  type: 'com.example.order.created',
  time: TIME,
  subject: 'orders/17',
  dataschema: 'https://schemas.example/order',
  datacontenttype: 'application/json',
  partitionkey: 'customer-4',
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  tracestate: 'rojo=00f067aa0ba902b7',
  data: { total: 12.5, items: [{ sku: 'a' }] },
}

const CONTEXT = {
  subject: 'orders/17',
  dataschema: 'https://schemas.example/order',
  datacontenttype: 'application/json',
  partitionkey: 'customer-4',
  traceparent: ORDER.traceparent,
  tracestate: ORDER.tracestate,
}

describeEdges('CloudEvents', (harness) => {
  /** Sends a request. @returns the response and the records that reached the log */
  async function post(body: unknown, more: Omit<EdgeRequest, 'body'>, key = harness.newKey()) {
    const before = harness.gateway.records.length
    const response = await harness.post(key, body, more)
    const records = harness.gateway.records.slice(before)
    return {
      response,
      records,
      events: records.map(({ value }) => JSON.parse(value).event),
    }
  }
  const structured = (event: object) => post(event, { headers: STRUCTURED })
  const binary = (headers: Record<string, string>, body: unknown = '') =>
    post(body, {
      headers: {
        'ce-specversion': '1.0',
        'ce-id': '1',
        'ce-source': '/s',
        'ce-type': 'a',
        ...headers,
      },
    })

  it.each([
    ['binary', Mode.BINARY],
    ['structured', Mode.STRUCTURED],
  ])('sent by the published package in %s mode arrive once and complete', async (_, mode) => {
    const { key, record } = harness.gateway.addKey()
    const before = harness.gateway.records.length
    // The package's transport sends no Content-Length.
    const emit = emitterFor(httpTransport(`${harness.edge.url}/v1/events`), { mode })
    const result = (await emit(new CloudEvent(ORDER), {
      headers: { authorization: `Bearer ${key}` },
    })) as { body: string }
    expect(JSON.parse(result.body)).toMatchObject({
      event_id: '/shop/berlin|order-17',
      status: 'accepted',
      accepted: 1,
      rejected: 0,
    })
    const arrived = harness.gateway.records.slice(before)
    expect(arrived.map(({ key }) => key)).toEqual([`${record.tenant}:customer-4`])
    expect(arrived.map(({ value }) => JSON.parse(value))).toEqual([
      expect.objectContaining({
        tenant: record.tenant,
        route: 'cloudevents',
        event: {
          event_id: '/shop/berlin|order-17',
          name: 'com.example.order.created',
          occurred_at: TIME,
          source: '/shop/berlin',
          properties: { total: 12.5, items: [{ sku: 'a' }] },
          context: CONTEXT,
        },
      }),
    ])
  })

  it('sent by the published package with the required attributes only arrive', async () => {
    const key = harness.newKey()
    const made = new CloudEvent({ source: 'https://a.example/b?c=d', type: 'ping', data: { a: 1 } })
    const messages = [HTTP.binary(made), HTTP.structured(made)] as Message<unknown>[]
    for (const { headers, body } of messages) {
      const { response, events } = await post(
        body,
        { headers: headers as Record<string, string>, chunked: true },
        key,
      )
      expect(response.status).toBe(202)
      expect(events).toEqual([
        expect.objectContaining({
          event_id: `https://a.example/b?c=d|${made.id}`,
          name: 'ping',
          occurred_at: made.time,
          properties: { a: 1 },
        }),
      ])
    }
  })

  it('in a batch are accepted together, with errors by index', async () => {
    const batch = Array.from({ length: 3 }, (_, i) => ({ ...ORDER, id: `b${i}` }))
    const bad = { ...ORDER, id: '', type: undefined }
    const { response, events } = await post([batch[0], bad, 5, batch[1], batch[2]], {
      headers: BATCH,
      chunked: true,
    })
    expect(response.status).toBe(202)
    expect(response.json).toMatchObject({ accepted: 3, rejected: 2 })
    expect(response.json.events.map((event: { index: number }) => event.index)).toEqual([0, 3, 4])
    expect(errorsOf(response)).toEqual([
      '1 /type ATTRIBUTE_MISSING',
      '1 /id ATTRIBUTE_INVALID',
      '2  EVENT_NOT_OBJECT',
    ])
    expect(events.map(({ event_id }) => event_id)).toEqual(
      [0, 1, 2].map((i) => `/shop/berlin|b${i}`),
    )
  })

  it('may be an empty batch, as the specification allows', async () => {
    const { response, records } = await post('[]', { headers: BATCH })
    expect(response.status).toBe(202)
    expect(response.json).toMatchObject({ accepted: 0, rejected: 0, events: [], errors: [] })
    expect(records).toEqual([])
  })

  it('must be an array of at most 1,000 in batch mode', async () => {
    const many = await post(Array(LIMITS.batchEventsMax + 1).fill(ORDER), { headers: BATCH })
    expect([many.response.status, many.response.json.code]).toEqual([422, 'BATCH_TOO_LARGE'])
    for (const body of ['{}', '{"events":[]}', '"a"', '[5]']) {
      const { response } = await post(body, { headers: BATCH })
      expect([response.status, errorsOf(response)]).toEqual([422, ['0  EVENT_NOT_OBJECT']])
    }
  })

  it('with the same source and id get the same event id in every mode', async () => {
    const ids = [
      (await structured(ORDER)).events[0].event_id,
      (await structured({ ...ORDER, data: 'other' })).events[0].event_id,
      (await post([ORDER], { headers: BATCH })).events[0].event_id,
      (await binary({ 'ce-id': 'order-17', 'ce-source': '/shop/berlin' })).events[0].event_id,
    ]
    expect(new Set(ids)).toEqual(new Set(['/shop/berlin|order-17']))
  })

  it('with different source and id pairs get different event ids', async () => {
    const pairs = [
      ['a', 'b|c'],
      ['a|b', 'c'],
      ['a%7Cb', 'c'],
      ['a', 'b%7Cc'],
      ['a ', 'b'],
      ['a', ' b'],
      ['a%20', 'b'],
      ['ü', 'b'],
      ['%C3%BC', 'b'],
      ['x'.repeat(127), 'y'],
      ['x'.repeat(126), 'xy'],
      ['x'.repeat(125), 'xx'],
      ['ü'.repeat(40), 'y'],
    ]
    const { response, events } = await post(
      pairs.map(([source, id]) => ({ ...ORDER, source, id })),
      { headers: BATCH },
    )
    expect(response.json.errors).toEqual([])
    const ids: string[] = events.map(({ event_id }) => event_id)
    expect(new Set(ids).size).toBe(pairs.length)
    for (const id of ids) expect(id).toMatch(/^[\x21-\x7e]{1,128}$/)
    expect(ids[0]).toBe('a|b%7Cc')
    expect(ids[9]).toMatch(/^[0-9a-f-]{14}5[0-9a-f-]{21}$/)
    // The context keeps an id that the event id no longer contains.
    expect(events[9].context.id).toBe('y')
    expect(events[0].context.id).toBeUndefined()
  })

  it('keep a source that is too long in their context', async () => {
    const source = `/${'s'.repeat(300)}`
    const { events } = await structured({ ...ORDER, source })
    expect(events[0].source).toBeUndefined()
    expect(events[0].context).toMatchObject({ source, id: 'order-17' })
  })

  it.each<[string, object, unknown]>([
    ['an object', { data: { a: 1 } }, { a: 1 }],
    ['an array', { data: [1, 2] }, { data: [1, 2] }],
    ['a number', { data: 5 }, { data: 5 }],
    ['null', { data: null }, { data: null }],
    ['a text', { data: 'hi', datacontenttype: 'text/plain' }, { data: 'hi' }],
    ['bytes', { data: undefined, data_base64: '3q2+7w==' }, { data_base64: '3q2+7w==' }],
    ['no value', { data: undefined }, {}],
  ])('can have %s as data', async (_, more, properties) => {
    const { response, events } = await structured({ ...ORDER, ...more })
    expect(response.status).toBe(202)
    expect(events[0].properties).toEqual(properties)
  })

  it.each<[string, string, string | Uint8Array<ArrayBuffer>, unknown]>([
    ['an object', 'application/json', '{"a":1}', { a: 1 }],
    ['a vendor JSON type', 'application/vnd.shop+json; charset=utf-8', '[1]', { data: [1] }],
    ['a text', 'text/plain', 'grüß dich', { data: 'grüß dich' }],
    ['XML', 'application/xml', '<a/>', { data: '<a/>' }],
    ['bytes', 'image/png', Uint8Array.of(0xde, 0xad, 0xbe, 0xef), { data_base64: '3q2+7w==' }],
    ['NDJSON', 'application/x-ndjson', '{}\n{}', { data_base64: 'e30Ke30=' }],
    ['no bytes', 'application/json', '', {}],
  ])('can have %s as body in binary mode', async (_, type, body, properties) => {
    const key = harness.newKey()
    const before = harness.gateway.records.length
    const response = await fetch(`${harness.edge.url}/v1/events`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${key}`,
        'content-type': type,
        'ce-specversion': '1.0',
        'ce-id': '1',
        'ce-source': '/s',
        'ce-type': 'a',
      },
      body,
    })
    expect(response.status).toBe(202)
    const [arrived] = harness.gateway.records.slice(before)
    const { event } = JSON.parse(arrived?.value ?? '{}')
    expect(event.properties).toEqual(properties)
    expect(event.context).toEqual({ datacontenttype: type })
  })

  it.each([
    ['plain', 'Euro', 'Euro'],
    ['percent-encoded', 'Euro%20%E2%82%AC%20%F0%9F%98%80', 'Euro € 😀'],
    ['encoded in lower case', '%e2%82%ac', '€'],
    ['encoded unnecessarily', '%41', 'A'],
    ['decoded once only', '%2541', '%41'],
    ['quoted as by older senders', '"a \\"b\\" \\\\c"', 'a "b" \\c'],
    ['quoted and encoded', '"%E2%82%AC 5"', '€ 5'],
    ['not encoded at all', '100% sure', '100% sure'],
  ])('can have attributes in headers, %s', async (_, sent, read) => {
    const { events } = await binary({ 'ce-subject': sent, 'ce-MyExt': sent })
    expect(events[0].context).toEqual({ subject: read, myext: read })
  })

  it.each(['%C0%A0', '%ED%A0%80', '%FF', 'gr\u00fc\u00df'])(
    'with an ambiguous header are rejected: %s',
    async (sent) => {
      const { response } = await binary({ 'ce-subject': sent })
      expect([response.status, errorsOf(response)]).toEqual([422, ['0 /subject ATTRIBUTE_INVALID']])
    },
  )

  it.each<[string, object, string[]]>([
    ['without an id', { id: undefined }, ['0 /id ATTRIBUTE_MISSING']],
    ['with a null id', { id: null }, ['0 /id ATTRIBUTE_MISSING']],
    ['with a number for an id', { id: 17 }, ['0 /id ATTRIBUTE_INVALID']],
    ['without a source', { source: undefined }, ['0 /source ATTRIBUTE_MISSING']],
    ['without a type', { type: undefined }, ['0 /type ATTRIBUTE_MISSING']],
    ['without a version', { specversion: undefined }, ['0 /specversion ATTRIBUTE_MISSING']],
    ['of another version', { specversion: '0.3' }, ['0 /specversion ATTRIBUTE_INVALID']],
    ['with a reserved type', { type: '$pageview' }, ['0 /type NAME_RESERVED']],
    ['with too long a type', { type: 'x'.repeat(256) }, ['0 /type NAME_INVALID']],
    ['with an impossible time', { time: '2026-02-30T00:00:00Z' }, ['0 /time OCCURRED_AT_INVALID']],
    ['with a number as time', { time: 1705945000 }, ['0 /time ATTRIBUTE_INVALID']],
    ['with an empty subject', { subject: '' }, ['0 /subject ATTRIBUTE_INVALID']],
    ['with a control character', { subject: 'a\nb' }, ['0 /subject ATTRIBUTE_INVALID']],
    ['with an extension of two words', { my_ext: 1 }, ['0 /my_ext ATTRIBUTE_INVALID']],
    ['with an extension of two levels', { ext: { a: 1 } }, ['0 /ext ATTRIBUTE_INVALID']],
    ['with data twice', { data_base64: 'AA==' }, ['0 /data_base64 ATTRIBUTE_INVALID']],
    [
      'with invalid base64',
      { data: undefined, data_base64: 'A' },
      ['0 /data_base64 ATTRIBUTE_INVALID'],
    ],
    [
      'with a string that cannot be stored',
      { data: { a: { b: '\0' } } },
      ['0 /data/a/b STRING_UNSTORABLE'],
    ],
    ['with a data text that cannot be stored', { data: '\0' }, ['0 /data STRING_UNSTORABLE']],
    [
      'with data beyond the size of an event',
      { data: 'x'.repeat(LIMITS.eventBytesMax) },
      ['0  EVENT_TOO_LARGE'],
    ],
  ])('%s are rejected with a pointer to the attribute', async (_, more, errors) => {
    const { response, records } = await structured({ ...ORDER, ...more })
    expect([response.status, errorsOf(response)]).toEqual([
      errors[0]?.endsWith('TOO_LARGE') ? 413 : 422,
      errors,
    ])
    expect(records).toEqual([])
  })

  it('with numbers that a double cannot hold are rejected with a pointer to each number', async () => {
    const text = (data: string, more = '') =>
      `{"specversion":"1.0","id":"1","source":"/s","type":"a"${more},"data":${data}}`
    for (const [body, pointer] of [
      [text('{"data":{"n":1e400}}'), '/data/data/n'],
      [text('[1,9007199254740993]'), '/data/1'],
      [text('1e400'), '/data'],
      [text('1', ',"database":9007199254740993'), '/database'],
      // Extensions with the names of fields that an event of ours has.
      [text('1', ',"name":9007199254740993'), '/name'],
      [text('1', ',"properties":9007199254740993'), '/properties'],
    ]) {
      const { response } = await post(body, { headers: STRUCTURED })
      expect(errorsOf(response)).toEqual([`0 ${pointer} NUMBER_UNREPRESENTABLE`])
    }
    const { response } = await binary({ 'content-type': 'application/json' }, '{"n":1e400}')
    expect(errorsOf(response)).toEqual(['0 /data/n NUMBER_UNREPRESENTABLE'])
  })

  it('whose body does not match its type are rejected', async () => {
    const json = { 'content-type': 'application/json' }
    const text = { 'content-type': 'text/plain' }
    expect((await binary(json, 'hello')).response.json.code).toBe('INVALID_JSON')
    expect((await binary(json, 'hello')).response.status).toBe(400)
    expect((await binary({ ...text, 'ce-datacontenttype': 'a/b' })).response.status).toBe(422)
    expect((await post('{', { headers: STRUCTURED })).response.json.code).toBe('INVALID_JSON')
    const xml = { 'content-type': 'application/cloudevents+xml', 'ce-id': '1' }
    expect((await binary(xml, '<a/>')).response.status).toBe(415)
    expect((await binary({ 'ce-id': '' })).response.status).toBe(422)
  })

  it('that are too old get a warning, and their original is kept', async () => {
    const { response, records } = await structured({
      ...ORDER,
      time: '2020-01-01T00:00:00Z',
    })
    expect(response.json.warnings).toMatchObject([{ index: 0, code: 'OCCURRED_AT_TOO_OLD' }])
    expect(JSON.parse(JSON.parse(records[0]?.value ?? '{}').original)).toMatchObject({
      id: 'order-17',
      time: '2020-01-01T00:00:00Z',
    })
  })
})

function errorsOf({
  json,
}: {
  json: { errors: { index: number; pointer: string; code: string }[] }
}) {
  return json.errors.map(({ index, pointer, code }) => `${index} ${pointer} ${code}`)
}
