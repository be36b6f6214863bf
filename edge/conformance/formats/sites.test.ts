import {
  buildPageView,
  buildSelfDescribingEvent,
  buildStructEvent,
  newTracker,
} from '@snowplow/node-tracker'
import { Umami } from '@umami/node'
import { expect, it, onTestFinished, vi } from 'vitest'
import type { KeyRecord } from '../../../contract/api-key.ts'
import { describeEdges, type EdgeHarness } from '../../testing/edge-harness.ts'
import { send } from '../../testing/send.ts'
import type { SourceRecord } from '../../testing/source.ts'
import { startStubGateway } from '../../testing/stub-gateway.ts'

/** Formats whose requests have no place for a key: it belongs to the site, the app or the property. */
const SITES = ['shop.example', '94db1cb1-74f4-4a40-ad6c-962362670409', 'my-app', 'G-1'] as const
const keys = new Map<string, { key: string; record: KeyRecord }>()

async function createOptions() {
  const gateway = await startStubGateway()
  for (const site of SITES) keys.set(site, gateway.addKey({ kind: 'pub' }))
  const settings = {
    SLUICE_SITE_KEYS: SITES.map((site) => `${site}=${keys.get(site)?.key}`).join(', '),
  }
  return { gateway, settings }
}

describeEdges(
  'the libraries of formats without a key',
  (harness) => {
    it('@plausible-analytics/tracker delivers events, with the domain for the key', async () => {
      const records = recordsOf(harness, 'shop.example')
      standInForPage()
      const plausible = await import('@plausible-analytics/tracker')
      plausible.init({
        domain: 'shop.example',
        endpoint: `${harness.edge.url}/api/event`,
        autoCapturePageviews: false,
        captureOnLocalhost: true,
        bindToWindow: false,
      })
      const status = await new Promise((resolve) =>
        plausible.track('Signup', {
          props: { plan: 'pro' },
          revenue: { amount: 12.5, currency: 'EUR' },
          callback: resolve,
        }),
      )
      expect(status).toEqual({ status: 202 })
      expect(records()).toEqual([
        expect.objectContaining({
          route: 'plausible',
          trust: 'public',
          event: {
            event_id: expect.any(String),
            name: 'Signup',
            occurred_at: expect.any(String),
            value: 12.5,
            properties: {
              plan: 'pro',
              url: 'https://shop.example/pricing',
              referrer: 'https://news.example/',
              revenue: { amount: 12.5, currency: 'EUR' },
            },
            context: { domain: 'shop.example', script_version: expect.any(Number) },
          },
        }),
      ])
    })

    it('@umami/node delivers events, with the website id for the key', async () => {
      const [, website] = SITES
      const records = recordsOf(harness, website)
      const client = new Umami({ websiteId: website, hostUrl: harness.edge.url })
      const statuses = [
        await client.track({ url: '/home', title: 'Home', referrer: '' }),
        await client.track('signup', { plan: 'pro' }),
        await client.identify({ plan: 'pro' }),
      ].map(({ status }) => status)
      expect(statuses).toEqual([200, 200, 200])
      expect(records().map(({ event, route }) => [route, event.name, event.properties])).toEqual([
        ['umami', 'pageview', { url: '/home', title: 'Home', referrer: '' }],
        ['umami', 'signup', { plan: 'pro' }],
        ['umami', 'identify', { plan: 'pro' }],
      ])
      expect(records()[0]?.event.context).toEqual({ website })
    })

    it.each(['post', 'get'] as const)(
      '@snowplow/node-tracker delivers events by %s, with the app id for the key',
      async (eventMethod) => {
        const records = recordsOf(harness, 'my-app')
        const failures: unknown[] = []
        const statuses: number[] = []
        const tracker = newTracker(
          { namespace: 'ns', appId: 'my-app', encodeBase64: eventMethod === 'get' },
          {
            endpoint: harness.edge.url,
            eventMethod,
            bufferSize: eventMethod === 'get' ? 1 : 3,
            onRequestSuccess: (_, { status }) => statuses.push(status),
            onRequestFailure: (failure) => failures.push(failure),
          },
        )
        tracker.setUserId('u1')
        const entity = { schema: 'iglu:com.acme/cart/jsonschema/1-0-0', data: { items: 2 } }
        const page = { pageUrl: 'https://shop.example/', pageTitle: 'Ünique' }
        tracker.track(buildPageView(page), [entity])
        const struct = { category: 'shop', action: 'add-to-cart', label: 'sku', value: 3.5 }
        tracker.track(buildStructEvent(struct))
        const schema = 'iglu:com.acme/order_placed/jsonschema/1-0-0'
        tracker.track(buildSelfDescribingEvent({ event: { schema, data: { total: 49.9 } } }))
        await expect.poll(() => records().length).toBe(3)
        await expect.poll(() => new Set(statuses)).toEqual(new Set([200]))
        expect(failures).toEqual([])

        const byName = new Map(records().map((record) => [record.event.name, record]))
        const { event: view, client, route } = byName.get('page_view') as SourceRecord
        expect([route, client]).toEqual(['snowplow', expect.stringMatching(/^snowplow-node-\d/)])
        expect(view).toEqual({
          event_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
          name: 'page_view',
          occurred_at: expect.any(String),
          actor: 'u1',
          properties: { url: 'https://shop.example/', title: 'Ünique' },
          context: {
            aid: 'my-app',
            e: 'pv',
            contexts: [entity],
            p: 'srv',
            tna: 'ns',
            tv: expect.any(String),
          },
        })
        expect(Math.abs(Date.parse(view.occurred_at) - Date.now())).toBeLessThan(60_000)
        expect(byName.get('add-to-cart')?.event).toMatchObject({
          value: 3.5,
          properties: { category: 'shop', action: 'add-to-cart', label: 'sku' },
        })
        expect(byName.get('order_placed')?.event).toMatchObject({
          properties: { total: 49.9 },
          context: { schema },
        })
      },
    )

    it("Google's Measurement Protocol gets 204, with the measurement id for the key", async () => {
      const records = recordsOf(harness, 'G-1')
      const micros = (Date.now() - 60_000) * 1_000
      const body = {
        client_id: '12.34',
        timestamp_micros: String(micros),
        user_properties: { plan: { value: 'pro' } },
        events: [
          { name: 'purchase', params: { session_id: 17, value: 49.9, currency: 'EUR' } },
          { name: '$mine', params: { a: 1 } },
          { name: 'page_view', timestamp_micros: micros - 1_000_000, params: 'text' },
          'text',
        ],
      }
      // As Google's own example sends it: without a media type.
      const response = await send(harness.edge.port, {
        path: '/mp/collect?measurement_id=G-1&api_secret=of-google',
        body: JSON.stringify(body),
      })
      expect([response.status, response.text]).toEqual([204, ''])
      const [purchase, ...dead] = records()
      expect(purchase?.event).toEqual({
        event_id: expect.any(String),
        name: 'purchase',
        occurred_at: new Date(micros / 1_000).toISOString(),
        actor: '12.34',
        session: '17',
        value: 49.9,
        properties: { session_id: 17, value: 49.9, currency: 'EUR' },
        context: { user_properties: { plan: { value: 'pro' } } },
      })
      expect(
        dead.map(({ refused }) => refused?.map(({ code, pointer }) => `${code} ${pointer}`)),
      ).toEqual([['NAME_RESERVED /name'], ['PROPERTIES_INVALID /params'], ['EVENT_NOT_OBJECT ']])
    })

    it.each([
      ['/api/event', { name: 'a', domain: 'other.example' }],
      ['/api/send', { payload: { website: 'other' } }],
      ['/com.snowplowanalytics.snowplow/tp2', { data: [{ e: 'pv', aid: 'other' }] }],
      ['/com.snowplowanalytics.snowplow/tp2', { data: [{ aid: 'my-app' }, { aid: 'G-1' }] }],
      ['/mp/collect?measurement_id=G-2&api_secret=x', { events: [] }],
    ])('are refused at %s for a site that has no key: %j', async (path, body) => {
      const response = await send(harness.edge.port, { path, body: JSON.stringify(body) })
      expect([response.status, response.json.code]).toEqual([401, 'KEY_MISSING'])
    })

    it.each([
      ['/api/event', (key: string) => ({ name: 'a', domain: key })],
      ['/api/send', (key: string) => ({ payload: { website: key } })],
      ['/com.snowplowanalytics.snowplow/tp2', (key: string) => ({ data: [{ e: 'pv', aid: key }] })],
    ])('may have a key in place of the site at %s, which is not kept', async (path, bodyOf) => {
      const { key, record } = harness.gateway.addKey({})
      const body = JSON.stringify(bodyOf(key))
      const response = await send(harness.edge.port, { path, body })
      expect(response.status).toBeLessThan(300)
      const found = harness.gateway.records
        .map(({ value }) => value)
        .filter((value) => JSON.parse(value).tenant === record.tenant)
      expect(found).toHaveLength(1)
      expect(found[0]).toContain('"event"')
      expect(found[0]).not.toContain('slc_')
    })

    it('make a dead letter of what is not valid, with the name of the field as it was sent', async () => {
      const { key, record } = harness.gateway.addKey({})
      const requests: [string, unknown][] = [
        ['/api/event', { n: '$mine', p: '{"a":' }],
        ['/api/event', '{"n":"a","p":{"big":9007199254740993}}'],
        [
          '/api/send',
          { payload: { name: 'a', id: 'x'.repeat(300), data: [1], timestamp: 'noon' } },
        ],
        ['/api/send', { payload: 7 }],
        [
          '/com.snowplowanalytics.snowplow/tp2',
          {
            data: [
              { e: 'se', eid: 'ü' },
              { e: 'ue', ue_px: '%' },
              { e: 'pv', page: '\ud800', dtm: 'noon' },
            ],
          },
        ],
        ['/com.snowplowanalytics.snowplow/tp2', '{'],
        ['/mp/collect', []],
      ]
      for (const [path, body] of requests) {
        const { status } = await harness.post(key, body, { path })
        expect(status).toBeLessThan(300)
      }
      const records = harness.gateway.records
        .map(({ value }) => JSON.parse(value) as SourceRecord)
        .filter(({ tenant }) => tenant === record.tenant)
      expect(
        records.map(({ refused }) => refused?.map(({ code, pointer }) => `${code} ${pointer}`)),
      ).toEqual([
        ['NAME_RESERVED /n', 'PROPERTIES_INVALID /p'],
        ['NUMBER_UNREPRESENTABLE /p/big'],
        [
          'OCCURRED_AT_INVALID /payload/timestamp',
          'ACTOR_INVALID /payload/id',
          'PROPERTIES_INVALID /payload/data',
        ],
        ['EVENT_NOT_OBJECT /payload'],
        ['EVENT_ID_INVALID /eid', 'NAME_MISSING /se_ac'],
        ['PROPERTIES_INVALID /ue_px'],
        ['OCCURRED_AT_INVALID /dtm', 'STRING_UNSTORABLE /page'],
        ['INVALID_JSON '],
        ['EVENT_NOT_OBJECT /events'],
      ])
    })

    it('get an image from /i, also where the event is not valid', async () => {
      for (const query of ['e=pv&aid=my-app', 'e=ue&aid=my-app&ue_px=x']) {
        const { status, headers } = await send(harness.edge.port, {
          method: 'GET',
          path: `/i?${query}`,
        })
        expect([status, headers['content-type']]).toEqual([200, 'image/gif'])
      }
      const secret = harness.newKey()
      const refused = await send(harness.edge.port, {
        method: 'GET',
        path: `/i?e=pv&aid=${secret}`,
      })
      expect(refused.status).toBe(401)
    })
  },
  createOptions,
  ['node'],
)

/** The records of a site's tenant that come from now on. */
function recordsOf(harness: EdgeHarness, site: string): () => SourceRecord[] {
  const from = harness.gateway.records.length
  return () =>
    harness.gateway.records
      .slice(from)
      .map(({ value }) => JSON.parse(value) as SourceRecord)
      .filter(({ tenant }) => tenant === keys.get(site)?.record.tenant)
}

/** As much of a page as the tracker looks at. */
function standInForPage(): void {
  const none = () => {}
  const globals = {
    window: { fetch, addEventListener: none, localStorage: {}, navigator: {} },
    document: {
      referrer: 'https://news.example/',
      documentElement: {},
      body: {},
      addEventListener: none,
    },
    location: {
      hostname: 'shop.example',
      href: 'https://shop.example/pricing',
      protocol: 'https:',
    },
    ResizeObserver: class {
      observe() {}
    },
  }
  for (const [name, value] of Object.entries(globals)) vi.stubGlobal(name, value)
  onTestFinished(() => void vi.unstubAllGlobals())
}
