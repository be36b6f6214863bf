import { expect, it } from 'vitest'
import { describeEdges } from '../../testing/edge-harness.ts'

/** Clients of the four legacy formats, and the response members that each of them reads. */
describeEdges('the compatibility endpoint', (harness) => {
  const recordOf = (index: number) => JSON.parse(harness.gateway.records.at(index)?.value ?? '')

  it('POST /ingest accepts an event in the PulseOps format', async () => {
    const sent = { event: 'page_view', user_id: 'u123', page: '/pricing', timestamp: Date.now() }
    const response = await harness.post(harness.newKey(), sent, { path: '/ingest' })
    expect(response.status).toBe(202)
    expect(response.json).toMatchObject({
      status: 'accepted',
      event_id: recordOf(-1).event.event_id,
    })
    expect(recordOf(-1)).toMatchObject({
      route: 'classic',
      event: { name: 'page_view', actor: 'u123', properties: { page: '/pricing' } },
    })
  })

  it('POST /events accepts an event in the Pulse format', async () => {
    const event_id = crypto.randomUUID()
    const occurred_at = new Date().toISOString()
    const sent = {
      event_id,
      event_type: 'order',
      schema_version: 1,
      occurred_at,
      payload: { n: 1 },
    }
    const response = await harness.post(harness.newKey(), sent, { path: '/events' })
    expect(response.status).toBe(202)
    expect(response.json).toMatchObject({
      status: 'accepted',
      event_id,
      request_id: response.headers['x-request-id'],
    })
    expect(recordOf(-1).event).toEqual({
      event_id,
      name: 'order',
      occurred_at,
      properties: { n: 1 },
      schema_version: '1',
    })
  })

  it('POST /api/v1/events accepts an event in the Analytics-Pipeline format', async () => {
    const timestamp = new Date().toISOString()
    const sent = {
      event_type: 'reading',
      source: 's7',
      timestamp,
      payload: { t: 21.5 },
      metadata: {},
    }
    const response = await harness.post(harness.newKey(), sent, { path: '/api/v1/events' })
    expect(response.json).toMatchObject({ status: 'accepted', event_id: expect.any(String) })
    expect(recordOf(-1).event).toMatchObject({
      name: 'reading',
      source: 's7',
      properties: { t: 21.5 },
      context: {},
    })
  })

  it('POST /api/v1/events/batch accepts a batch in the EventPulse format', async () => {
    const common = { event_name: 'signup', user_id: 'u1', session_id: 's9', project_id: 'p1' }
    const events = [
      { ...common, event_id: 'a', properties: { plan: 'team' } },
      { ...common, event_id: '' },
      { ...common, event_id: 'c' },
    ]
    const response = await harness.post(
      harness.newKey(),
      { events },
      { path: '/api/v1/events/batch' },
    )
    expect(response.status).toBe(202)
    expect(response.json).toMatchObject({
      status: 'accepted',
      count: 2,
      event_ids: ['a', 'c'],
      accepted: 2,
      rejected: 1,
      errors: [{ index: 1, pointer: '/event_id', code: 'EVENT_ID_INVALID' }],
    })
    expect(recordOf(-2).event).toMatchObject({
      name: 'signup',
      session: 's9',
      properties: { plan: 'team', project_id: 'p1' },
    })
  })

  it('does not affect the response of POST /v1/events', async () => {
    const response = await harness.post(harness.newKey(), [{ event: 'a', event_id: 'x' }])
    expect(Object.keys(response.json)).toEqual([
      'request_id',
      'accepted',
      'rejected',
      'events',
      'errors',
    ])
  })
})

describeEdges('a schema_version', (harness) => {
  const key = () => harness.newKey({ schema_versions: ['1', '2.1'] })

  it('is accepted when the tenant lists it or when it is absent', async () => {
    const versions = [1, '1', '2.1', undefined, null]
    const sent = versions.map((schema_version) => ({ event: 'a', schema_version }))
    const { status, json } = await harness.post(key(), sent)
    expect([status, json.accepted]).toEqual([202, versions.length])
  })

  it('is rejected when the tenant does not list it', async () => {
    const sent = [{ event: 'a', schema_version: 3 }, { event: 'a' }]
    const { status, json } = await harness.post(key(), sent)
    expect([status, json.accepted]).toEqual([202, 1])
    expect(json.errors).toEqual([
      {
        index: 0,
        pointer: '/schema_version',
        code: 'SCHEMA_VERSION_NOT_ALLOWED',
        detail: 'must be one of the versions that this tenant allows: 1, 2.1',
      },
    ])
  })

  it('may be anything where the tenant has no list', async () => {
    const { status } = await harness.post(harness.newKey(), { event: 'a', schema_version: 'x' })
    expect(status).toBe(202)
  })
})

describeEdges('a wrong client clock', (harness) => {
  const HOUR = 3_600_000
  const iso = (ms: number) => new Date(ms).toISOString()
  async function sent(sent_at: unknown, timestamp: unknown) {
    const events = [{ event: 'a', timestamp }, { event: 'without a time' }]
    const response = await harness.post(harness.newKey(), { events, sent_at })
    const [timed, other] = harness.gateway.records.slice(-2).map(({ value }) => JSON.parse(value))
    return { response, timed, other }
  }

  it.each([
    ['slow', -5 * HOUR],
    ['fast', 47 * HOUR],
  ])('that is %s is corrected, and both times are kept', async (_, off) => {
    const happened = Date.now() - 60_000
    const { timed, other } = await sent(iso(Date.now() + off), iso(happened + off))
    expect(timed.event.client_occurred_at).toBe(iso(happened + off))
    expect(Math.abs(Date.parse(timed.event.occurred_at) - happened)).toBeLessThan(10_000)
    // An event without a time gets the time received, which needs no correction.
    expect(other.event.occurred_at).toBe(other.received_at)
    expect(other.event.client_occurred_at).toBeUndefined()
  })

  it.each([
    ['off by less than network delay', 20_000],
    ['off by more than 48 hours', -49 * HOUR],
  ])('that is %s is not corrected', async (_, off) => {
    const timestamp = iso(Date.now() - 60_000)
    const { timed } = await sent(iso(Date.now() + off), timestamp)
    expect(timed.event.occurred_at).toBe(timestamp)
    expect(timed.event.client_occurred_at).toBeUndefined()
  })

  it('is corrected without losing digits of the time', async () => {
    const { timed } = await sent(iso(Date.now() - HOUR), '2026-11-21T09:20:15.123456Z')
    expect(timed.event.client_occurred_at).toBe('2026-11-21T09:20:15.123456Z')
    expect(timed.event.occurred_at).toMatch(/\.\d{3}456Z$/)
  })

  it.each(['yesterday', '2026-02-30T00:00:00Z', true, {}])(
    'in an envelope whose sent_at is %j is rejected with SENT_AT_INVALID',
    async (sent_at) => {
      const before = harness.gateway.records.length
      const response = await harness.post(harness.newKey(), { events: [{ event: 'a' }], sent_at })
      expect([response.status, response.json.code]).toEqual([422, 'SENT_AT_INVALID'])
      expect(harness.gateway.records.length).toBe(before)
    },
  )

  it('does not concern the sent_at of a single event, which is an ordinary property', async () => {
    await harness.post(harness.newKey(), { event: 'mail', sent_at: 'monday' })
    expect(JSON.parse(harness.gateway.records.at(-1)?.value ?? '').event.properties).toEqual({
      sent_at: 'monday',
    })
  })
})

describeEdges('an event that is too old', (harness) => {
  it('is logged with its original bytes, without API keys', async () => {
    const key = harness.newKey()
    const old = '{ "event" : "a",\t"timestamp":1577836800, "note":"\\u00e9" }'
    const { json } = await harness.post(key, `{"events":[{"event":"b"},  ${old} ,{"event":"c"}]}`)
    expect(json.warnings).toMatchObject([{ index: 1, code: 'OCCURRED_AT_TOO_OLD' }])
    const records = harness.gateway.records.slice(-3).map(({ value }) => JSON.parse(value))
    expect(records.map(({ original }) => original)).toEqual([undefined, old, undefined])
    await harness.post(key, { event: 'a', timestamp: 1577836800, key })
    expect(harness.gateway.records.at(-1)?.value).toContain(`${key.slice(0, 12)}...`)
  })

  it('is logged, like every event, with its route and its client', async () => {
    await harness.post(
      harness.newKey(),
      { event: 'a' },
      { headers: { 'user-agent': 'café/1.0\u00ff' } },
    )
    expect(JSON.parse(harness.gateway.records.at(-1)?.value ?? '')).toMatchObject({
      route: 'events',
      client: 'caf/1.0',
    })
  })
})
