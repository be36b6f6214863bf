import { gzipSync } from 'node:zlib'
import { expect, it } from 'vitest'
import { LIMITS } from '../../../contract/limits.ts'
import { describeEdges, type EdgeHarness } from '../../testing/edge-harness.ts'
import { type EdgeResponse, send } from '../../testing/send.ts'

const UUID = '01a1fe19-c1b5-725d-94c9-0e5cb35a610f'
const FORM = { 'content-type': 'application/x-www-form-urlencoded' }
const PLAIN = { 'content-type': 'text/plain' }
const base64 = (text: string) => Buffer.from(text).toString('base64')

describeEdges("PostHog's capture API", (harness) => {
  it.each([
    ['/batch', 1],
    ['/batch/', 1],
    ['/capture', 1],
    ['/capture/', 1],
    ['/e', 1],
    ['/e/', 1],
    ['/track/', 1],
    ['/engage/', 1],
    ['/i/v0/ai/batch/', 1],
    ['/i/v0/e', 'Ok'],
    ['/i/v0/e/', 'Ok'],
  ])('accepts events on %s and responds with status %j', async (path, status) => {
    const { response, events } = await post(harness, {
      path,
      body: { event: 'a', distinct_id: 'u' },
    })
    expect([response.status, response.json]).toEqual([200, { status }])
    expect(events).toMatchObject([{ name: 'a', actor: 'u' }])
  })

  // Its base64 contains a plus sign.
  const json = JSON.stringify({ event: 'größer>>>', distinct_id: 'u', uuid: UUID })
  const zipped = gzipSync(json)
  const FORMS: [
    string,
    { headers?: Record<string, string>; path?: string; body: string | Buffer },
  ][] = [
    ['JSON', { body: json }],
    ['JSON as text', { headers: PLAIN, body: json }],
    ['JSON with the type of a form, as curl -d sends it', { headers: FORM, body: json }],
    ['gzip with a Content-Encoding', { headers: { 'content-encoding': 'gzip' }, body: zipped }],
    [
      'gzip declared in the query',
      { path: '/e/?compression=gzip-js', headers: PLAIN, body: zipped },
    ],
    ['undeclared gzip', { headers: PLAIN, body: zipped }],
    ['gzip as bytes', { headers: { 'content-type': 'application/octet-stream' }, body: zipped }],
    ['base64 alone', { path: '/e/?compression=base64', headers: PLAIN, body: base64(json) }],
    [
      'a form of base64',
      {
        path: '/e/?compression=base64',
        headers: FORM,
        body: `data=${encodeURIComponent(base64(json))}`,
      },
    ],
    ['a form of base64 with unescaped plus signs', { headers: FORM, body: `data=${base64(json)}` }],
    ['a form of JSON', { headers: FORM, body: `ver=1&data=${encodeURIComponent(json)}&ip=1` }],
    ['a form of unescaped JSON', { headers: FORM, body: `data=${json}` }],
    ['a form of gzip in base64', { headers: FORM, body: `data=${zipped.toString('base64url')}` }],
  ]
  it.each(FORMS)('reads %s', async (_, sent) => {
    const { response, events } = await post(harness, sent)
    expect(response.status).toBe(200)
    expect(events).toEqual([
      {
        event_id: UUID,
        name: 'größer>>>',
        actor: 'u',
        occurred_at: expect.anything(),
        properties: {},
      },
    ])
  })

  it('reads an array and a batch, both in order', async () => {
    const two = [
      { event: 'a', distinct_id: 'u' },
      { event: 'b', distinct_id: 'u' },
    ]
    for (const body of [two, { batch: two }]) {
      const { events } = await post(harness, { body })
      expect(events.map(({ name }) => name)).toEqual(['a', 'b'])
    }
    expect((await post(harness, { body: { batch: [] } })).response.status).toBe(200)
  })

  it('finds the key wherever PostHog libraries put it, and keeps it out of the record', async () => {
    const event = { event: 'a', distinct_id: 'u', properties: { kept: 1 } }
    const pub = harness.newKey({ kind: 'pub' })
    const key = harness.newKey()
    const requests: [string, unknown][] = [
      ['/e/', { ...event, api_key: key }],
      ['/e/', { ...event, token: key }],
      ['/e/', { ...event, $token: key }],
      ['/e/', { ...event, properties: { ...event.properties, token: key } }],
      ['/e/', [{ ...event, properties: { ...event.properties, token: key } }]],
      ['/e/', { api_key: key, batch: [event] }],
      ['/e/', { token: key, batch: [{ ...event, token: key }] }],
      [`/e/?token=${pub}`, event],
    ]
    for (const [path, body] of requests) {
      const from = harness.gateway.records.length
      const response = await send(harness.edge.port, { path, body: JSON.stringify(body) })
      expect([response.status, response.text]).toEqual([200, '{"status":1}'])
      const [record] = harness.gateway.records.slice(from)
      expect(JSON.parse(record?.value ?? '').event.properties).toEqual({ kept: 1 })
      expect(record?.value).not.toMatch(/slc_/)
    }
    expect(harness.edge.log()).not.toMatch(/slc_/)
  })

  it('rejects a secret key in the URL, a foreign key and two keys in one request', async () => {
    const event = { event: 'a', distinct_id: 'u' }
    const key = harness.newKey()
    const from = harness.gateway.records.length
    const rejected: [string, unknown, string][] = [
      [`/e/?token=${key}`, event, 'KEY_MISSING'],
      ['/e/', event, 'KEY_MISSING'],
      ['/e/', { ...event, api_key: 'phc_of_posthog' }, 'KEY_UNKNOWN'],
      [
        '/e/',
        [
          { ...event, token: key },
          { ...event, token: harness.newKey() },
        ],
        'KEY_UNKNOWN',
      ],
    ]
    for (const [path, body, code] of rejected) {
      const response = await send(harness.edge.port, { path, body: JSON.stringify(body) })
      expect([response.status, response.json.code]).toEqual([401, code])
    }
    expect(harness.gateway.records.length).toBe(from)
  })

  it('keeps every member that was sent, in its field', async () => {
    const { events, client } = await post(harness, {
      body: {
        historical_migration: false,
        note: 'kept',
        batch: [
          {
            event: '$pageview',
            uuid: UUID.toUpperCase(),
            timestamp: '2026-11-21T09:00:00.123456+01:00',
            $set: { plan: 'pro' },
            $set_once: { first: true },
            type: 'capture',
            value: 7,
            properties: {
              distinct_id: 'u',
              $session_id: 's',
              $lib: 'web',
              $lib_version: '1.2.3',
              type: 'own',
            },
          },
        ],
      },
      record: { event_age_max_s: 1e9 },
    })
    expect(events).toEqual([
      {
        event_id: UUID,
        name: '$pageview',
        occurred_at: '2026-11-21T08:00:00.123456Z',
        actor: 'u',
        session: 's',
        properties: {
          distinct_id: 'u',
          $session_id: 's',
          $lib: 'web',
          $lib_version: '1.2.3',
          type: 'own',
          $set: { plan: 'pro' },
          $set_once: { first: true },
        },
        context: { note: 'kept', type: 'capture', value: 7 },
      },
    ])
    expect(client).toBe('posthog-js/1.2.3')
  })

  it.each([
    ['distinct_id', { distinct_id: 'a', $distinct_id: 'b', properties: { distinct_id: 'c' } }, 'a'],
    ['$distinct_id', { $distinct_id: 'b', properties: { distinct_id: 'c' } }, 'b'],
    ['properties.distinct_id', { properties: { distinct_id: 'c' } }, 'c'],
    ['a number', { distinct_id: 23 }, '23'],
    ['no id', {}, undefined],
  ])('reads the actor from %s', async (_, fields, actor) => {
    const { events } = await post(harness, { body: { event: 'a', ...fields } })
    expect(events.map((event) => event.actor)).toEqual([actor])
  })

  it.each([
    ['2026-11-21T09:00:00', '2026-11-21T09:00:00Z'],
    ['2026-11-21 09:00:00.5', '2026-11-21T09:00:00.5Z'],
    ['2026-11-21T09:00+0100', '2026-11-21T08:00:00Z'],
    ['2026-11-21T09:00Z', '2026-11-21T09:00:00Z'],
    ['2026-11-21', '2026-11-21T00:00:00Z'],
    [1_795_251_600_000, '2026-11-21T09:00:00Z'],
  ])('reads the time %j as PostHog does', async (timestamp, occurred_at) => {
    const { events } = await post(harness, {
      body: { event: 'a', distinct_id: 'u', timestamp },
      record: { event_age_max_s: 1e9 },
    })
    expect(events.map((event) => event.occurred_at)).toEqual([occurred_at])
  })

  it('keeps an invalid session among the properties', async () => {
    const ids = ['', 7, null, {}, 'x'.repeat(LIMITS.labelCharsMax + 1)]
    const batch = ids.map(($session_id) => ({ event: 'a', properties: { $session_id } }))
    const { events } = await post(harness, { body: { batch } })
    expect(events.map(({ session, properties }) => [session, properties.$session_id])).toEqual(
      ids.map((id) => [undefined, id]),
    )
  })

  it('subtracts an offset from the time of sending', async () => {
    const sent = Date.now() - 5_000
    const event = { event: 'a', distinct_id: 'u', offset: 60_000 }
    const bodies: [string, unknown][] = [
      ['/e/', { batch: [event], sent_at: new Date(sent).toISOString() }],
      [`/e/?_=${sent}`, event],
    ]
    for (const [path, body] of bodies) {
      const { events, records } = await post(harness, { path, body })
      expect(events.map(({ occurred_at }) => Date.parse(occurred_at))).toEqual([sent - 60_000])
      // A retry has another time, which is no other event.
      expect(records.map(({ time }) => time)).toEqual(['computed'])
    }
    const { events } = await post(harness, { body: event })
    const [at] = events.map(({ occurred_at }) => Date.now() - 60_000 - Date.parse(occurred_at))
    expect(Math.abs(at ?? Number.NaN)).toBeLessThan(10_000)
  })

  it("corrects a wrong client clock, unless the event's library forbids it", async () => {
    const wrong = Date.now() - 3 * 3_600_000
    const timestamp = new Date(wrong - 1_000).toISOString()
    const event = { event: 'a', distinct_id: 'u', timestamp }
    const sent_at = new Date(wrong).toISOString()
    const bodies: [string, unknown][] = [
      ['/batch/', { batch: [event], sent_at }],
      ['/e/', [{ ...event, sent_at }]],
      [`/e/?_=${wrong}`, event],
    ]
    for (const [path, body] of bodies) {
      const { events } = await post(harness, { path, body })
      const [{ occurred_at, client_occurred_at, context } = {}] = events
      expect([client_occurred_at, context]).toEqual([timestamp, undefined])
      expect(Math.abs(Date.now() - 1_000 - Date.parse(occurred_at))).toBeLessThan(10_000)
    }
    const { events } = await post(harness, {
      body: { batch: [{ ...event, properties: { $ignore_sent_at: true } }], sent_at },
    })
    expect(events).toMatchObject([{ occurred_at: timestamp }])
  })

  it.each([
    ['properties', { properties: { $ignore_sent_at: true } }],
    ['options', { options: { disable_skew_correction: true } }],
  ])(
    'corrects the clock of a batch in which only one event forbids it in its %s',
    async (_, forbids) => {
      const wrong = Date.now() - 3 * 3_600_000
      const event = { event: 'a', distinct_id: 'u', timestamp: new Date(wrong).toISOString() }
      const sent_at = event.timestamp
      const of = async (batch: object[]) => {
        const { events } = await post(harness, { body: { batch, sent_at } })
        return events.map(({ client_occurred_at }) => client_occurred_at)
      }
      expect(await of([event, { ...event, ...forbids }])).toEqual([sent_at, sent_at])
      expect(
        await of([
          { ...event, ...forbids },
          { ...event, ...forbids },
        ]),
      ).toEqual([undefined, undefined])
    },
  )

  it.each([
    ['no name', { distinct_id: 'u' }, 'NAME_MISSING', '/event'],
    ['a number as name', { event: 7 }, 'NAME_INVALID', '/event'],
    ['an invalid id', { event: 'a', uuid: 'ü' }, 'EVENT_ID_INVALID', '/uuid'],
    ['an empty actor', { event: 'a', distinct_id: '' }, 'ACTOR_INVALID', '/distinct_id'],
    ['an invalid time', { event: 'a', timestamp: 'now' }, 'OCCURRED_AT_INVALID', '/timestamp'],
    ['an invalid offset', { event: 'a', offset: 1e300 }, 'OCCURRED_AT_INVALID', '/timestamp'],
    ['an array as properties', { event: 'a', properties: [] }, 'PROPERTIES_INVALID', '/properties'],
    ['a lone surrogate', { event: 'a', x: '\ud800' }, 'STRING_UNSTORABLE', '/x'],
    [
      'an object as actor',
      { event: 'a', properties: { distinct_id: {} } },
      'ACTOR_INVALID',
      '/properties/distinct_id',
    ],
    ['a __proto__ member', { event: 'a', ['__proto__']: { b: 1 } }, 'KEY_RESERVED', '/__proto__'],
    ['a string instead of an event', 'a', 'EVENT_NOT_OBJECT', ''],
  ])(
    'turns an event with %s into a dead letter and accepts the others',
    async (_, bad, code, pointer) => {
      const good = '{"event":"good","distinct_id":"u"}'
      const written = ` ${JSON.stringify(bad)} `
      const { response, records } = await post(harness, {
        headers: { 'user-agent': 'old/1' },
        body: `{"batch": [${good},${written}, ${good}]}`,
      })
      expect([response.status, response.json]).toEqual([200, { status: 1 }])
      expect(records.filter(({ event }) => event)).toHaveLength(2)
      expect(records.filter(({ refused }) => refused)).toMatchObject([
        {
          route: 'posthog',
          client: 'old/1',
          refused: [{ code, pointer }],
          original: written.trim(),
        },
      ])
    },
  )

  it('reports a number that a double cannot hold with its pointer', async () => {
    const body = '{"batch":[{"event":"a"},{"event":"b","properties":{"n":[1,9007199254740993]}}]}'
    const { records } = await post(harness, { body })
    expect(records).toMatchObject([
      { event: { name: 'a' } },
      { refused: [{ code: 'NUMBER_UNREPRESENTABLE', pointer: '/properties/n/1' }] },
    ])
  })

  it.each([
    ['truncated JSON', '{"batch":[{"event":"a"}'],
    ['a word that could be base64', 'nonsense'],
    ['a form without data', 'a=b'],
  ])('keeps an unreadable body as one dead letter: %s', async (_, body) => {
    const { response, records } = await post(harness, { headers: FORM, body })
    expect(response.status).toBe(200)
    expect(records).toMatchObject([{ refused: [{ code: 'INVALID_JSON' }], original: body }])
  })

  it.each([
    ['in UTF-8', 'utf8'],
    ['in another encoding', 'latin1'],
  ] as const)('keeps no key in the dead letter of an unreadable body %s', async (_, encoding) => {
    const key = harness.newKey({ kind: 'pub' })
    const text = `{"token":"${key}","event":"größer`
    const { response, records } = await post(harness, { body: Buffer.from(text, encoding) })
    expect(response.status).toBe(200)
    const [{ original, base64 } = {}] = records
    const stored = Buffer.from(original ?? '', base64 ? 'base64' : 'utf8')
    expect(stored.toString(encoding)).toBe(text.replace(key, `${key.slice(0, 12)}...`))
  })

  it('responds 413 to a decompression bomb, and to a batch that the library should halve', async () => {
    const bomb = gzipSync(Buffer.alloc(300_000_000, ' '))
    const start = performance.now()
    for (const body of [bomb, `data=${encodeURIComponent(bomb.toString('base64'))}`]) {
      const { response } = await post(harness, { headers: FORM, body })
      expect([response.status, response.json.code]).toEqual([413, 'BODY_TOO_LARGE'])
    }
    expect(performance.now() - start).toBeLessThan(15_000)
    const batch = Array(1_001).fill({ event: 'a' })
    expect((await post(harness, { body: { batch } })).response.status).toBe(413)
    const few = { record: { key_events_per_minute: 10 } }
    const over = await post(harness, { body: { batch: batch.slice(0, 11) }, ...few })
    expect([over.response.status, over.events.length]).toEqual([413, 0])
  })

  it('responds to capture v1 by uuid, as the client wrote it', async () => {
    const day = 86_400_000
    const batch = [
      { event: 'a', uuid: UUID.toUpperCase(), distinct_id: 'u' },
      { event: '', uuid: '01a1fe19-c1b5-725d-94c9-0e5cb35a6110', distinct_id: 'u' },
      { event: 'c', uuid: '__proto__', timestamp: new Date(Date.now() - 90 * day).toISOString() },
      { event: 'd', distinct_id: 'u' },
    ]
    const { response, records } = await post(harness, {
      path: '/i/v1/analytics/events',
      body: { created_at: '2026-11-21T09:00:00Z', batch },
    })
    expect(response.status).toBe(200)
    expect(Object.entries(response.json.results)).toEqual([
      [batch[0]?.uuid, { result: 'ok' }],
      ['__proto__', { result: 'warning', details: expect.stringContaining('ago') }],
      [
        batch[1]?.uuid,
        { result: 'drop', details: 'NAME_INVALID /event must have 1 to 255 characters' },
      ],
    ])
    expect(records).toHaveLength(4)
  })

  it('moves the options of capture v1 back into the properties', async () => {
    const { events, client } = await post(harness, {
      path: '/i/v1/analytics/events',
      headers: {
        'posthog-sdk-info': 'posthog-go/1.2.3',
        'posthog-request-timestamp': new Date().toISOString(),
      },
      body: {
        batch: [
          {
            event: 'a',
            uuid: UUID,
            distinct_id: 'u',
            session_id: 's',
            window_id: 'w',
            options: { process_person_profile: false, cookieless_mode: true, other: 1 },
            properties: { own: 1 },
          },
        ],
      },
    })
    expect(events).toMatchObject([
      {
        session: 's',
        properties: {
          own: 1,
          $session_id: 's',
          $window_id: 'w',
          $process_person_profile: false,
          $cookieless_mode: true,
          $lib: 'posthog-go',
          $lib_version: '1.2.3',
        },
        context: { options: { other: 1 } },
      },
    ])
    expect(client).toBe('posthog-go/1.2.3')
  })
})

// biome-ignore lint/suspicious/noExplicitAny: events of every shape
type Any = any

/** Posts with a new key in the header. @returns the response and what arrived */
async function post(
  harness: EdgeHarness,
  sent: {
    path?: string
    headers?: Record<string, string>
    body: unknown
    record?: Parameters<EdgeHarness['newKey']>[0]
  },
): Promise<{ response: EdgeResponse; records: Any[]; events: Any[]; client?: string }> {
  const { path = '/e/', headers, body, record } = sent
  const from = harness.gateway.records.length
  const raw = typeof body === 'string' || Buffer.isBuffer(body)
  const response = await send(harness.edge.port, {
    path,
    headers: { authorization: `Bearer ${harness.newKey(record)}`, ...headers },
    body: raw ? body : JSON.stringify(body),
  })
  const records = harness.gateway.records.slice(from).map(({ value }) => JSON.parse(value))
  const events = records.map(({ event }) => event)
  return { response, records, events, client: records[0]?.client }
}
