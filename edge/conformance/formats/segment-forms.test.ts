import { expect, it } from 'vitest'
import { LIMITS } from '../../../contract/limits.ts'
import { describeEdges, type EdgeHarness } from '../../testing/edge-harness.ts'
import { send } from '../../testing/send.ts'
import { createSource } from '../../testing/source.ts'

const DAY_MS = 86_400_000

/** Sends as Segment's clients do, with the key as the user of Basic. */
function post(harness: EdgeHarness, key: string, path: string, body: unknown, headers = {}) {
  return send(harness.edge.port, {
    path,
    headers: { authorization: `Basic ${btoa(`${key}:`)}`, ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
}

describeEdges("Segment's HTTP API", (harness) => {
  it.each([
    ['track', 't'],
    ['identify', 'i'],
    ['page', 'p'],
    ['screen', 's'],
    ['group', 'g'],
    ['alias', 'a'],
  ])('takes the type of the call from the paths /v1/%s and /v1/%s', async (call, letter) => {
    const { key, records } = createSource(harness)
    const message = { ...(call === 'track' && { event: 'Signed Up' }), userId: 7 }
    for (const path of [`/v1/${call}`, `/v1/${letter}`]) {
      const response = await post(harness, key, path, message)
      expect([response.status, response.json]).toEqual([200, { success: true }])
    }
    const name = call === 'track' ? 'Signed Up' : call
    expect(records().map(({ event, route }) => [event.name, event.actor, route])).toEqual([
      [name, '7', 'segment'],
      [name, '7', 'segment'],
    ])
  })

  it.each(['/v1/batch', '/v1/b', '/v1/import'])(
    'accepts batches on %s, including empty ones',
    async (path) => {
      const { key, events } = createSource(harness)
      const batch = [{ type: 'track', event: 'a' }, { type: 'page' }, { event: 'no type' }]
      expect((await post(harness, key, path, { batch })).status).toBe(200)
      expect((await post(harness, key, path, { batch: [] })).status).toBe(200)
      expect(events().map(({ name }) => name)).toEqual(['a', 'page', 'no type'])
    },
  )

  it('accepts more than a thousand messages in one batch', async () => {
    const { key, events } = createSource(harness)
    const batch = Array.from({ length: 4_000 }, (_, i) => ({
      type: 'track',
      event: 'many',
      userId: `u${i}`,
      messageId: `m-${i}`,
    }))
    expect((await post(harness, key, '/v1/batch', { batch })).status).toBe(200)
    expect(new Set(events().map(({ event_id }) => event_id)).size).toBe(4_000)
  })

  it('takes the key from the body where a browser cannot set a header', async () => {
    const { key, events, records } = createSource(harness, { kind: 'pub' })
    const bare = { writeKey: key, event: 'a', anonymousId: 'x' }
    const envelope = { writeKey: key, batch: [{ ...bare, type: 'track' }] }
    for (const [path, body] of [
      ['/v1/t', bare],
      ['/v1/b', envelope],
    ] as const) {
      const response = await send(harness.edge.port, {
        path,
        headers: { 'content-type': 'text/plain' },
        body: JSON.stringify(body),
      })
      expect([response.status, response.json]).toEqual([200, { success: true }])
    }
    expect(events()).toHaveLength(2)
    expect(JSON.stringify(records())).not.toContain(key)
    const withoutKey = await send(harness.edge.port, { path: '/v1/t', body: '{"event":"a"}' })
    expect([withoutKey.status, withoutKey.json.code]).toEqual([401, 'KEY_MISSING'])
  })

  it('keeps members without a field of their own in the context', async () => {
    const { key, events } = createSource(harness)
    await post(harness, key, '/v1/batch', {
      context: { library: { name: 'analytics-go', version: '3.0.0' }, app: 'till' },
      integrations: { All: true },
      messageId: 'of the request',
      batch: [
        {
          type: 'page',
          messageId: 'm-1',
          anonymousId: 'a1',
          userId: '',
          name: 'Pricing',
          properties: { name: 'Preise' },
          traits: { vip: true },
          context: { sessionId: 17, app: 'shop', type: 'theirs', anonymous_id: 'theirs' },
          integrations: { Mixpanel: false },
          channel: 'server',
          version: 2,
          groupId: 'g1',
          timestamp: '2026-11-20T10:00:00.123+01:00',
          originalTimestamp: '2026-11-20T09:00:00Z',
        },
      ],
    })
    expect(events()).toEqual([
      {
        event_id: 'm-1',
        name: 'page',
        occurred_at: '2026-11-20T09:00:00.123Z',
        actor: 'a1',
        session: '17',
        properties: { name: 'Preise', _name: 'Pricing' },
        context: {
          library: { name: 'analytics-go', version: '3.0.0' },
          sessionId: 17,
          app: 'shop',
          type: 'theirs',
          _type: 'page',
          anonymous_id: 'theirs',
          _anonymous_id: 'a1',
          integrations: { All: true, Mixpanel: false },
          traits: { vip: true },
          channel: 'server',
          version: 2,
          groupId: 'g1',
          originalTimestamp: '2026-11-20T09:00:00Z',
        },
      },
    ])
  })

  it('takes the session from the context of the envelope, unless a message has its own', async () => {
    const { key, events } = createSource(harness)
    const track = (context?: unknown) => ({ type: 'track', event: 'a', context })
    await post(harness, key, '/v1/batch', {
      context: { sessionId: 's-1', app: 'till' },
      batch: [track(), track(null), track({ app: 'shop' }), track({ sessionId: 's-2' })],
    })
    expect(
      events().map(({ session, context }) => [session, context?.sessionId, context?.app]),
    ).toEqual([
      ['s-1', 's-1', 'till'],
      ['s-1', 's-1', 'till'],
      ['s-1', 's-1', 'shop'],
      ['s-2', 's-2', 'till'],
    ])
  })

  it('keeps an invalid session in the context', async () => {
    const { key, events } = createSource(harness)
    const ids = ['', 1.5, null, {}, 'x'.repeat(LIMITS.labelCharsMax + 1)]
    const batch = ids.map((sessionId) => ({ type: 'page', context: { sessionId } }))
    await post(harness, key, '/v1/batch', { batch })
    expect(events().map(({ session, context }) => [session, context?.sessionId])).toEqual(
      ids.map((id) => [undefined, id]),
    )
  })

  it('keeps an invalid message as a dead letter with its original and the pointer of each error', async () => {
    const { key, events, deadLetters } = createSource(harness)
    const messages: [text: string, ...faults: [string, string][]][] = [
      ['{"type":"track", "event":"good"}'],
      ['{"type":"track"  ,"userId":"u"}', ['NAME_MISSING', '/event']],
      ['{"type":"video","event":"a"}', ['NAME_MISSING', '/type']],
      ['[1,  2]', ['EVENT_NOT_OBJECT', '']],
      ['{"type":"identify","traits":{"n":1e400}}', ['NUMBER_UNREPRESENTABLE', '/traits/n']],
      ['{"type":"group","groupId":9007199254740993}', ['NUMBER_UNREPRESENTABLE', '/groupId']],
      ['{"type":"page","messageId":"ä"}', ['EVENT_ID_INVALID', '/messageId']],
      ['{"type":"page","originalTimestamp":"now"}', ['OCCURRED_AT_INVALID', '/originalTimestamp']],
      ['{"type":"page","timestamp":"2026-02-30T00:00:00Z"}', ['OCCURRED_AT_INVALID', '/timestamp']],
      ['{"type":"screen","anonymousId":{}}', ['ACTOR_INVALID', '/anonymousId']],
      ['{"type":"screen","properties":[]}', ['PROPERTIES_INVALID', '/properties']],
      ['{"type":"screen","context":"c"}', ['CONTEXT_INVALID', '/context']],
      ['{"type":"alias","previousId":"\\u0000"}', ['STRING_UNSTORABLE', '/previousId']],
      ['{"type":"alias","__proto__":{"a":1}}', ['KEY_RESERVED', '/__proto__']],
      [
        '{"type":"alias","integrations":{"a/b":"\\ud800"}}',
        ['STRING_UNSTORABLE', '/integrations/a~1b'],
      ],
    ]
    const body = `{ "batch": [ ${messages.map(([text]) => text).join(' ,\n')} ], "sentAt": "?" }`
    const response = await post(harness, key, '/v1/batch', body, { 'user-agent': 'curl/8.5.0' })
    expect([response.status, response.json]).toEqual([200, { success: true }])
    expect(events().map(({ name }) => name)).toEqual(['good'])
    expect(
      deadLetters().map(({ original, refused }) => [
        original,
        ...(refused ?? []).map(({ code, pointer }) => [code, pointer]),
      ]),
    ).toEqual(messages.slice(1))
    for (const { route, client } of deadLetters())
      expect([route, client]).toEqual(['segment', 'curl/8.5.0'])
  })

  it('rejects every message that shares a number that a double cannot hold', async () => {
    const { key, deadLetters } = createSource(harness)
    const body = '{"context":{"n":9007199254740993},"batch":[{"type":"page"},{"type":"screen"}]}'
    expect((await post(harness, key, '/v1/batch', body)).status).toBe(200)
    expect(deadLetters().map(({ original, refused }) => [original, refused?.[0]?.pointer])).toEqual(
      [
        ['{"type":"page"}', '/context/n'],
        ['{"type":"screen"}', '/context/n'],
      ],
    )
  })

  it.each([
    ['invalid JSON', '{"batch":[{"type":"track"', 'INVALID_JSON', ''],
    ['a string', '"track"', 'EVENT_NOT_OBJECT', ''],
    [
      'an envelope with an invalid shared context',
      '{"context":1,"batch":[{}]}',
      'CONTEXT_INVALID',
      '/context',
    ],
    [
      'an envelope with a large shared context for many messages',
      JSON.stringify({
        context: { a: 'x'.repeat(9_000) },
        batch: Array(200).fill({ type: 'page' }),
      }),
      'EVENT_TOO_LARGE',
      '/context',
    ],
    [
      'an envelope with more messages than one append of the log allows',
      JSON.stringify({ batch: Array(LIMITS.logAppendRecordsMax + 1).fill({ type: 'page' }) }),
      'EVENT_TOO_LARGE',
      '/batch',
    ],
  ])('keeps %s as one dead letter', async (_, body, code, pointer) => {
    const { key, records } = createSource(harness)
    expect((await post(harness, key, '/v1/batch', body)).status).toBe(200)
    const deadLetters = records().map(({ original, refused }) => [
      original,
      refused?.map((error) => [error.code, error.pointer]),
    ])
    expect(deadLetters).toEqual([[body, [[code, pointer]]]])
  })

  it('keeps no key in a dead letter', async () => {
    const { key, records } = createSource(harness, { kind: 'pub' })
    const broken = [
      `{"writeKey":"${key}","event":`,
      JSON.stringify({ writeKey: key, event: '$a' }),
      JSON.stringify({ writeKey: key, batch: [{ writeKey: key, type: 'track' }] }),
    ]
    for (const body of broken) expect((await post(harness, key, '/v1/t', body)).status).toBe(200)
    expect(records()).toHaveLength(3)
    expect(JSON.stringify(records())).not.toContain(key)
    expect(records()[0]?.original).toBe(`{"writeKey":"${key.slice(0, 12)}...","event":`)
  })

  it('corrects a wrong client clock by sentAt', async () => {
    const { key, events } = createSource(harness)
    const wrong = Date.now() + DAY_MS
    const timestamp = new Date(wrong - 60_000).toISOString()
    const sentAt = new Date(wrong).toISOString()
    await post(harness, key, '/v1/batch', { sentAt, batch: [{ type: 'page', timestamp }] })
    await post(harness, key, '/v1/p', { sentAt, timestamp })
    expect(events()).toHaveLength(2)
    for (const event of events()) {
      expect(event.client_occurred_at).toBe(timestamp)
      const age = Date.now() - Date.parse(event.occurred_at)
      expect(age).toBeGreaterThan(59_000)
      expect(age).toBeLessThan(75_000)
    }
  })

  it('responds 429 to a batch beyond the rate limit, because Segment clients drop a batch after a 4xx', async () => {
    const { key } = createSource(harness, { key_events_per_minute: 2 })
    const batch = Array(3).fill({ type: 'page' })
    const response = await post(harness, key, '/v1/batch', { batch })
    expect([response.status, response.json.code]).toEqual([429, 'RATE_LIMITED'])
    expect(Number(response.headers['retry-after'])).toBeGreaterThan(0)
  })

  it("configures Segment's browser and mobile libraries to send to this edge", async () => {
    const { key } = createSource(harness, { kind: 'pub' })
    const path = `/v1/projects/${key}/settings`
    const plain = await send(harness.edge.port, { method: 'GET', path })
    expect(plain.status).toBe(200)
    expect(plain.headers['access-control-allow-origin']).toBe('*')
    expect(plain.headers['cache-control']).toBe('private, max-age=300')
    expect(plain.json.integrations['Segment.io']).toMatchObject({
      apiKey: key,
      apiHost: `127.0.0.1:${harness.edge.port}/v1`,
      protocol: 'http',
    })
    const headers = { host: 'events.example.com', 'x-forwarded-proto': 'https' }
    const proxied = await send(harness.edge.port, { method: 'GET', path, headers })
    expect(proxied.json.integrations['Segment.io']).toMatchObject({
      apiHost: 'events.example.com/v1',
      protocol: 'https',
    })
  })

  it.each(['slc_sec', 'slc_adm'])('rejects a key of the kind %s in a URL', async (kind) => {
    const { key } = createSource(harness, { kind: kind === 'slc_sec' ? 'sec' : 'adm' })
    const response = await send(harness.edge.port, {
      method: 'GET',
      path: `/v1/projects/${key}/settings`,
    })
    expect(response.status).toBe(401)
    expect(response.text).not.toContain(key)
    expect(harness.edge.log()).not.toContain(key)
  })

  it("accepts the browser library's metrics and discards them", async () => {
    const before = harness.gateway.requestCounts.produce
    const response = await send(harness.edge.port, {
      path: '/v1/m',
      headers: { 'content-type': 'text/plain' },
      body: '{"series":[{"type":"Counter","metric":"analytics_js.invoke","value":1,"tags":{}}]}',
    })
    expect(response.status).toBe(200)
    expect(harness.gateway.requestCounts.produce).toBe(before)
  })
})
