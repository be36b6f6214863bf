import { gzipSync } from 'node:zlib'
import Mixpanel from 'mixpanel'
import { expect, it } from 'vitest'
import { describeEdges, type EdgeHarness } from '../../testing/edge-harness.ts'
import { send } from '../../testing/send.ts'
import { createSource } from '../../testing/source.ts'

const AT = Math.floor(Date.now() / 1000) - 60
const at = (seconds: number) => new Date(seconds * 1000).toISOString().replace('.000', '')

/** Mixpanel's published library for Node, with token and host set. It sends single events in the address. */
function createMixpanel(harness: EdgeHarness, token: string, verbose: boolean) {
  const client = Mixpanel.init(token, {
    // The library splits it at the colon.
    host: `127.0.0.1:${harness.edge.port}`,
    protocol: 'http',
    verbose,
    // Without it the library does not import over HTTP. The package's types do not have it.
    ...{ key: 'of the project' },
  })
  return {
    track: (name: string, properties: Mixpanel.PropertyDict) =>
      done((callback) => client.track(name, properties, callback)),
    trackBatch: (events: MixpanelEvent[]) =>
      // The package's types want texts here.
      done((callback) => client.track_batch(events as never, callback)),
    import: (name: string, time: number, properties: Mixpanel.PropertyDict) =>
      done((callback) => client.import(name, time, properties, callback)),
    importBatch: (events: MixpanelEvent[]) =>
      done((callback) => client.import_batch(events as never, callback)),
  }
}

interface MixpanelEvent {
  event: string
  properties: Mixpanel.PropertyDict
}

/** What the library reports. */
function done(call: (callback: (error: unknown) => void) => void): Promise<unknown> {
  return new Promise((resolve) => call((error) => resolve(error ?? undefined)))
}

describeEdges(
  'mixpanel',
  (harness) => {
    it.each([false, true])('delivers events once, with verbose: %s', async (verbose) => {
      const { key, records, events } = createSource(harness, { kind: 'pub' })
      const mixpanel = createMixpanel(harness, key, verbose)
      const properties = { distinct_id: 'u1', plan: 'ü', time: AT, $insert_id: 'i-1' }
      expect(await mixpanel.track('Signed Up', { ...properties })).toBeUndefined()
      const batch = [1, 2].map((n) => ({
        event: `e${n}`,
        properties: { distinct_id: 'u2', n, time: AT, $insert_id: `b-${n}` },
      }))
      expect(await mixpanel.trackBatch(batch)).toBeFalsy()
      expect(events()).toEqual([
        {
          event_id: 'i-1',
          name: 'Signed Up',
          occurred_at: at(AT),
          actor: 'u1',
          properties: { plan: 'ü', mp_lib: 'node', $lib_version: expect.any(String) },
        },
        { event_id: 'b-1', name: 'e1', occurred_at: at(AT), actor: 'u2', properties: { n: 1 } },
        { event_id: 'b-2', name: 'e2', occurred_at: at(AT), actor: 'u2', properties: { n: 2 } },
      ])
      expect(records().map(({ route, client }) => [route, client])).toEqual([
        ['mixpanel', expect.stringMatching(/^mixpanel-node\/\d/)],
        ['mixpanel', undefined],
        ['mixpanel', undefined],
      ])
      expect(JSON.stringify(records())).not.toContain(key)
    })

    it('imports old events where the key may, and makes dead letters of them where not', async () => {
      const old = AT - 400 * 86_400
      for (const may_import_history of [true, false]) {
        const { key, records } = createSource(harness, { kind: 'pub', may_import_history })
        const mixpanel = createMixpanel(harness, key, false)
        expect(await mixpanel.import('Old', old, { distinct_id: 'u1' })).toBeUndefined()
        const batch = [{ event: 'Older', properties: { time: old, distinct_id: 'u1' } }]
        expect(await mixpanel.importBatch(batch)).toBeFalsy()
        expect(records().map(({ event, historical }) => [event?.occurred_at, historical])).toEqual([
          [at(old), may_import_history || undefined],
          [at(old), may_import_history || undefined],
        ])
      }
    })

    it('is told that a secret key must not be in an address', async () => {
      const { key, records } = createSource(harness)
      const error = await createMixpanel(harness, key, false).track('a', {})
      expect(String(error)).toContain('Only a public key')
      expect(records()).toEqual([])
    })
  },
  undefined,
  ['node'],
)

describeEdges(
  "a request in Mixpanel's format",
  (harness) => {
    const post = (path: string, body: string | Buffer, headers: Record<string, string> = {}) =>
      send(harness.edge.port, { path, body, headers })
    const form = (events: unknown, more = '') =>
      `data=${encodeURIComponent(btoa(JSON.stringify(events)))}${more}`

    it.each([
      ['JSON', (text: string) => ({ body: text, type: 'application/json' })],
      [
        'a form with base64',
        (text: string) => ({
          body: form(JSON.parse(text)),
          type: 'application/x-www-form-urlencoded',
        }),
      ],
      [
        'a form with JSON',
        (text: string) => ({
          body: `data=${encodeURIComponent(text)}`,
          type: 'application/x-www-form-urlencoded',
        }),
      ],
      [
        'gzip without a header',
        (text: string) => ({ body: gzipSync(text), type: 'application/json' }),
      ],
    ])('is read as %s', async (_, wrap) => {
      const { key, events } = createSource(harness)
      const sent = [
        { event: '$mp_web_page_view', properties: { token: key, distinct_id: 7, a: [1] } },
      ]
      const { body, type } = wrap(JSON.stringify(sent))
      const response = await post('/track/?ip=1', body, { 'content-type': type })
      expect([response.status, response.text]).toEqual([200, '1'])
      expect(events()).toEqual([
        expect.objectContaining({ name: '$mp_web_page_view', actor: '7', properties: { a: [1] } }),
      ])
    })

    it('gets JSON where the form asks for it, as its library for Python does', async () => {
      const { key } = createSource(harness)
      const sent = form({ event: 'a', properties: { token: key } }, '&verbose=1&ip=0')
      const response = await post('/track', sent)
      expect(response.json).toEqual({ error: null, status: 1 })
    })

    it('becomes a dead letter with a pointer where an event is not valid, and the others arrive', async () => {
      const { key, records } = createSource(harness)
      const of = (properties: object) => ({ event: 'a', properties: { token: key, ...properties } })
      const sent = JSON.stringify([
        of({}),
        of({ $insert_id: '', time: 'noon' }),
        of({ half: '\ud800' }),
        { event: 7, properties: { token: key, distinct_id: 'x'.repeat(300) } },
        'text',
      ])
      const response = await post('/track', sent)
      expect([response.status, response.text]).toEqual([200, '1'])
      const [good, ...dead] = records()
      expect(good?.event.name).toBe('a')
      expect(
        dead.map(({ refused }) => refused?.map(({ code, pointer }) => `${code} ${pointer}`)),
      ).toEqual([
        ['OCCURRED_AT_INVALID /properties/time'],
        ['STRING_UNSTORABLE /properties/half'],
        ['NAME_INVALID /event', 'ACTOR_INVALID /properties/distinct_id'],
        ['EVENT_NOT_OBJECT '],
      ])
      expect(JSON.stringify(records())).not.toContain(key)
    })

    it('to /import gets counts, and with strict=1 the records that failed', async () => {
      const { key, records } = createSource(harness)
      const headers = {
        authorization: `Basic ${btoa(`${key}:`)}`,
        'content-type': 'application/json',
      }
      const sent = JSON.stringify([
        { event: 'a', properties: { $insert_id: 'i-1' } },
        { event: 'b', properties: { $insert_id: 'i-2', time: 'noon' } },
      ])
      const lenient = await post('/import', sent, headers)
      expect([lenient.status, lenient.json]).toEqual([
        200,
        { code: 200, num_records_imported: 2, status: 'OK' },
      ])
      const strict = await post('/import?strict=1', sent, headers)
      expect([strict.status, strict.json]).toEqual([
        400,
        expect.objectContaining({
          code: 400,
          num_records_imported: 1,
          failed_records: [
            {
              index: 1,
              insert_id: 'i-2',
              field: 'time',
              message: expect.stringContaining('OCCURRED_AT_INVALID'),
            },
          ],
        }),
      ])
      expect(records()).toHaveLength(4)
      const lines = await post(
        '/import',
        `${JSON.stringify({ event: 'c', properties: {} })}\n\n{"event":"d","properties":{}}\n`,
        { ...headers, 'content-type': 'application/x-ndjson' },
      )
      expect(lines.json.num_records_imported).toBe(2)
      expect(records().map(({ event }) => event?.name)).toEqual([
        'a',
        undefined,
        'a',
        undefined,
        'c',
        'd',
      ])
    })

    it('by GET without events is a dead letter, with the response that old libraries read', async () => {
      const { key, records } = createSource(harness)
      for (const path of ['/track', '/import']) {
        const response = await harness.send(key, { method: 'GET', path })
        expect([response.status, response.text]).toEqual([200, '1'])
      }
      expect(records().map(({ refused }) => refused?.[0]?.code)).toEqual(
        Array(2).fill('INVALID_JSON'),
      )
    })

    it('is refused where it has events in its address and in its body', async () => {
      const { key, records } = createSource(harness, { kind: 'pub' })
      const sent = JSON.stringify({ event: 'a', properties: { token: key } })
      const path = `/track?data=${encodeURIComponent(sent)}`
      const response = await post(path, sent)
      expect([response.status, response.json.code]).toEqual([400, 'INVALID_QUERY'])
      expect((await post(path, '')).text).toBe('1')
      expect(records()).toHaveLength(1)
    })

    it('is refused where its events carry different keys', async () => {
      const of = (token: string) => ({ event: 'a', properties: { token } })
      const sent = JSON.stringify([of(harness.newKey()), of(harness.newKey())])
      const response = await post('/track', sent)
      expect([response.status, response.json.code]).toEqual([401, 'KEY_UNKNOWN'])
    })

    it("leaves PostHog's events on the same path to PostHog's format", async () => {
      const { key, records } = createSource(harness)
      const sent = { api_key: key, event: '$pageview', distinct_id: 'u1', properties: { time: 5 } }
      const response = await post('/track/', form(sent), {
        'content-type': 'application/x-www-form-urlencoded',
      })
      expect(response.json).toEqual({ status: 1 })
      expect(records()).toEqual([
        expect.objectContaining({
          route: 'posthog',
          event: expect.objectContaining({ properties: { time: 5 } }),
        }),
      ])
    })
  },
  undefined,
  ['node'],
)
