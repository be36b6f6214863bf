import { createInstance, Identify, Revenue } from '@amplitude/analytics-node'
import { expect, it } from 'vitest'
import { describeEdges, type EdgeHarness } from '../../testing/edge-harness.ts'
import { send } from '../../testing/send.ts'
import { createSource } from '../../testing/source.ts'

const AT = Date.now() - 60_000

/** Amplitude's published library for Node, with the address set. */
async function createAmplitude(harness: EdgeHarness, apiKey: string, path: string, options = {}) {
  const client = createInstance()
  await client.init(apiKey, {
    serverUrl: harness.edge.url + path,
    flushIntervalMillis: 20,
    logLevel: 0,
    ...options,
  }).promise
  return client
}

describeEdges(
  '@amplitude/analytics-node',
  (harness) => {
    it.each(['/2/httpapi', '/batch'])(
      'delivers the events of its calls once to %s',
      async (path) => {
        const { key, records, events } = createSource(harness)
        const client = await createAmplitude(harness, key, path)
        const common = { time: AT, session_id: 1_700_000_000_000, device_id: 'device-1' }
        const sent = await Promise.all([
          client.track('Bought', { n: 1 }, { ...common, user_id: 'user-1', insert_id: 'i-1' })
            .promise,
          client.track('Seen', undefined, { ...common, session_id: -1, insert_id: 'i-2' }).promise,
          client.identify(new Identify().set('plan', 'pro'), { user_id: 'user-1' }).promise,
          client.revenue(new Revenue().setProductId('p').setPrice(3.5), { user_id: 'user-1' })
            .promise,
        ])
        expect(sent.map(({ code }) => code)).toEqual([200, 200, 200, 200])
        const [bought, seen, ...others] = events()
        expect(bought).toEqual({
          event_id: 'i-1',
          name: 'Bought',
          occurred_at: new Date(AT).toISOString(),
          actor: 'user-1',
          session: '1700000000000',
          properties: { n: 1 },
          context: {
            device_id: 'device-1',
            event_id: expect.any(Number),
            library: expect.any(String),
          },
        })
        expect(seen).toMatchObject({ actor: 'device-1', context: { session_id: -1 } })
        expect(seen?.session).toBeUndefined()
        expect(others.map(({ name }) => name).sort()).toEqual(['$identify', 'revenue_amount'])
        expect(records()[0]).toMatchObject({
          route: 'amplitude',
          client: expect.stringMatching(/^amplitude-node-ts\/\d/),
        })
        expect(JSON.stringify(records())).not.toContain(key)
      },
    )

    it('halves a batch that is too large, and sends all of it', async () => {
      const { key, events } = createSource(harness)
      const client = await createAmplitude(harness, key, '/2/httpapi', {
        flushQueueSize: 40,
        flushIntervalMillis: 200,
      })
      const text = 'x'.repeat(40_000)
      const results = Array.from(
        { length: 40 },
        (_, i) => client.track(`e${i}`, { text }, { user_id: 'user-1' }).promise,
      )
      const codes = new Set((await Promise.all(results)).map(({ code }) => code))
      expect([...codes]).toEqual([200])
      expect(new Set(events().map(({ name }) => name)).size).toBe(40)
      expect(events()).toHaveLength(40)
    })

    it('reports an unknown key as an error at once', async () => {
      const client = await createAmplitude(harness, 'slc_sec_nonsense', '/2/httpapi')
      const { code } = await client.track('lost', {}, { user_id: 'user-1' }).promise
      expect(code).toBe(401)
    })
  },
  undefined,
  ['node'],
)

describeEdges(
  "a request in Amplitude's format",
  (harness) => {
    const post = (body: unknown) =>
      send(harness.edge.port, {
        path: '/2/httpapi',
        headers: { 'content-type': 'application/json' },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      })

    it('gets 200 with counts, and what is not valid becomes a dead letter with a pointer', async () => {
      const { key, records } = createSource(harness)
      const sent = {
        api_key: key,
        events: [
          { event_type: 'good', user_id: 'u1', revenue: 9.5, event_properties: { a: 1 } },
          { event_type: 'bad', insert_id: 'ü', time: 'noon', event_properties: 'text' },
          { user_id: 'u1' },
          7,
        ],
      }
      const { status, json } = await post(sent)
      expect([status, json]).toEqual([
        200,
        {
          code: 200,
          events_ingested: 4,
          payload_size_bytes: Buffer.byteLength(JSON.stringify(sent)),
          server_upload_time: expect.any(Number),
        },
      ])
      const [good, ...dead] = records()
      expect(good?.event).toMatchObject({ value: 9.5, context: { revenue: 9.5 } })
      expect(
        dead.map(({ refused }) => refused?.map(({ code, pointer }) => `${code} ${pointer}`)),
      ).toEqual([
        [
          'EVENT_ID_INVALID /insert_id',
          'OCCURRED_AT_INVALID /time',
          'PROPERTIES_INVALID /event_properties',
        ],
        ['NAME_MISSING /event_type'],
        ['EVENT_NOT_OBJECT '],
      ])
      expect(dead[2]?.original).toBe('7')
    })

    it('keeps what its envelope holds in the context of each event', async () => {
      const { key, records } = createSource(harness)
      const body = (options: string) =>
        `{"api_key":"${key}","options":${options},"request_metadata":{"sdk":{}},"events":[{"event_type":"a","options":1}]}`
      await post(body('{"min_id_length":1}'))
      await post(body('{"n":1e400}'))
      const [good, bad] = records()
      expect(good?.event?.context).toEqual({ options: 1, _options: { min_id_length: 1 } })
      expect(bad?.refused?.[0]).toMatchObject({
        code: 'NUMBER_UNREPRESENTABLE',
        pointer: '/options/n',
      })
    })

    it('corrects the clock of its client by client_upload_time', async () => {
      const { key, events } = createSource(harness)
      const hour = 3_600_000
      await post({
        api_key: key,
        client_upload_time: new Date(Date.now() - hour).toISOString(),
        events: [{ event_type: 'a', time: Date.now() - hour - 5_000 }],
      })
      const [event] = events()
      expect(Math.abs(Date.parse(event?.occurred_at ?? '') + 5_000 - Date.now())).toBeLessThan(
        9_000,
      )
    })

    it('is answered 429 in its own layout when it is rate limited', async () => {
      const { key } = createSource(harness, { key_events_per_minute: 2 })
      const body = { api_key: key, events: [{ event_type: 'a' }, { event_type: 'b' }] }
      expect((await post(body)).status).toBe(200)
      const limited = await post(body)
      expect([limited.status, limited.json]).toEqual([
        429,
        {
          code: 429,
          error: expect.stringContaining('RATE_LIMITED'),
          request_id: expect.any(String),
        },
      ])
      const large = await post({ ...body, events: Array(30).fill({ event_type: 'a' }) })
      expect(large.json.code).toBe(413)
    })

    it.each(['{', '[]', '{"events":1}'])(
      'that cannot be split is one dead letter: %s',
      async (body) => {
        const { key, records } = createSource(harness)
        const { status } = await harness.post(key, body, { path: '/2/httpapi' })
        expect(status).toBe(200)
        expect(records().map(({ original }) => original)).toEqual([body])
      },
    )
  },
  undefined,
  ['node'],
)
