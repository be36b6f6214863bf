import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { KeyRecord } from '../contract/api-key.ts'
import { ENRICHMENT_NAMES, type EnrichmentName } from '../contract/enrichment.ts'
import { decodeRecord } from '../contract/log/record.ts'
import { recordKey, TOPICS } from '../contract/log/topics.ts'
import { createQueryFixture, type QueryFixture } from '../core/api/graphql/testing/fixture.ts'
import { setTenant } from '../core/identity/tenants.ts'
import { type TenantViewer, tenantViewer } from '../core/identity/viewer.ts'
import type { NewRecord } from '../core/log/log.ts'
import { declareMetric, retireMetric } from '../core/metrics/declare-metric.ts'
import { parseMetricDefinition } from '../core/metrics/metric-definition.ts'
import {
  activeMetric,
  countedByMetric,
  isBackfilled,
  recountOfMetric,
} from '../core/metrics/testing/recount.ts'
import { contributions } from '../core/queries/explore/contributions.ts'
import { eventProperties } from '../core/queries/explore/event-properties.ts'
import { topValues } from '../core/queries/explore/top-values.ts'
import { eventsOverTime } from '../core/queries/metrics/events-over-time.ts'
import { seededRandom } from '../core/queries/testing/seeded-random.ts'
import { enrich } from '../core/worker/enrich/enrich.ts'
import { replay } from '../core/worker/replay/replay.ts'
import { createWorker } from '../core/worker/worker.ts'
import { createMemoryEdge, KEY, RECORD } from '../edge/testing/memory-edge.ts'
import { rawValue } from './lib/records.ts'

const FIREFOX = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0'
const IPHONE =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1'
const GOOGLEBOT = 'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)'

interface Sent {
  path: string
  method?: 'GET'
  body?: unknown
  headers?: Record<string, string>
  key?: Partial<KeyRecord>
  geo?: object | undefined
  now?: number
}

/** What the edge writes into the log, the values as texts. */
async function valuesOf({ path, method, body, headers, key, geo, now = Date.now() }: Sent) {
  const values: string[] = []
  const edge = createMemoryEdge({
    now: () => now,
    findKey: async () => ({ ...RECORD, kind: 'pub', enrich: [...ENRICHMENT_NAMES], ...key }),
    geoOf: () => geo,
    async publish(records) {
      values.push(...records.map(({ value }) => value as string))
      return records.map(({ topic }, offset) => ({ topic, partition: 0, offset, timestamp: 0 }))
    },
  })
  const response = await edge.request(path, {
    method: method ?? 'POST',
    headers: { 'x-api-key': KEY, 'user-agent': FIREFOX, ...headers },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  expect([path, response.status < 300]).toEqual([path, true])
  return values
}

/** What is derived from the one event of a request. */
async function derived(sent: Sent, declared: readonly EnrichmentName[] = ENRICHMENT_NAMES) {
  const [value, ...others] = await valuesOf(sent)
  expect(others).toEqual([])
  const read = decodeRecord(value as string)
  if (!read.ok) throw new Error(read.detail)
  const found = enrich(read.record, declared) ?? {}
  return Object.fromEntries(Object.entries(found).filter(([, each]) => each !== undefined))
}

const SECRETS = 'token=s3cret&email=ada%40example.com'
const URL_ = `https://shop.example/cart?${SECRETS}&utm_source=news&utm_medium=e-mail&utm_campaign=sale%20%26%20more&utm_term=a+b&utm_content=top#utm_source=x`
const REFERRER = `https://user:pass@www.Search.example:8443/find?q=s3cret`
const attribute = (key: string, value: string) => ({ key, value: { stringValue: value } })
const url = encodeURIComponent

/** A page view in each format, by the names that its senders use. */
const FORMATS: Record<string, Sent> = {
  json: { path: '/v1/events', body: { event: 'a', properties: { url: URL_, referrer: REFERRER } } },
  'json of sluice.js': {
    path: '/v1/events',
    body: {
      event: 'page_view',
      context: { page: 'https://shop.example/cart' },
      properties: {
        ...{ utm_source: 'news', utm_medium: 'e-mail', utm_campaign: 'sale & more' },
        ...{ utm_term: 'a b', utm_content: 'top', referrer: REFERRER },
      },
    },
  },
  'a legacy system': { path: '/ingest', body: { event: 'a', page_url: URL_, referrer: REFERRER } },
  ndjson: {
    path: '/v1/events',
    headers: { 'content-type': 'application/x-ndjson' },
    body: `${JSON.stringify({ event: 'a', context: { url: URL_, referer: REFERRER } })}\n`,
  },
  cloudevents: {
    path: '/v1/events',
    headers: { 'content-type': 'application/cloudevents+json' },
    body: {
      ...{ specversion: '1.0', id: '1', source: '/s', type: 'a' },
      data: { url: URL_, referrer: REFERRER },
    },
  },
  'segment, rudderstack and jitsu': {
    path: '/v1/batch',
    body: {
      batch: [
        {
          ...{ type: 'page', anonymousId: 'u' },
          context: { page: { url: URL_, referrer: REFERRER } },
        },
      ],
    },
  },
  'segment with a campaign': {
    path: '/v1/page',
    body: {
      anonymousId: 'u',
      context: {
        page: { url: 'https://shop.example/cart', referrer: REFERRER },
        campaign: {
          ...{ source: 'news', medium: 'e-mail', name: 'sale & more', term: 'a b', content: 'top' },
        },
      },
    },
  },
  posthog: {
    path: '/batch/',
    body: {
      batch: [
        {
          ...{ event: '$pageview', distinct_id: 'u' },
          properties: { $current_url: URL_, $referrer: REFERRER },
        },
      ],
    },
  },
  mixpanel: {
    path: '/track',
    body: [
      {
        event: 'a',
        properties: { distinct_id: 'u', $current_url: URL_, $referrer: REFERRER },
      },
    ],
  },
  amplitude: {
    path: '/2/httpapi',
    body: {
      events: [
        {
          ...{ event_type: 'a', user_id: 'u' },
          event_properties: { '[Amplitude] Page URL': URL_, referrer: REFERRER },
        },
      ],
    },
  },
  snowplow: {
    path: '/com.snowplowanalytics.snowplow/tp2',
    body: {
      schema: 'iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4',
      data: [{ e: 'pv', url: URL_, refr: REFERRER, p: 'web', tv: 'js' }],
    },
  },
  plausible: {
    path: '/api/event',
    body: { n: 'pageview', u: URL_, d: 'shop.example', r: REFERRER },
  },
  umami: {
    path: '/api/send',
    body: {
      type: 'event',
      payload: { website: 'w', url: URL_.slice('https://shop.example'.length), referrer: REFERRER },
    },
  },
  ga4: {
    path: '/mp/collect',
    body: {
      client_id: 'u',
      events: [{ name: 'page_view', params: { page_location: URL_, page_referrer: REFERRER } }],
    },
  },
  otlp: {
    path: '/v1/logs',
    headers: { 'content-type': 'application/json' },
    body: {
      resourceLogs: [
        {
          scopeLogs: [
            {
              logRecords: [
                {
                  eventName: 'a',
                  attributes: [
                    attribute('url.full', URL_),
                    {
                      key: 'http.request.header.referer',
                      value: { arrayValue: { values: [{ stringValue: REFERRER }] } },
                    },
                  ],
                },
              ],
            },
          ],
        },
      ],
    },
  },
  pixel: {
    path: `/v1/pixel.gif?name=a&url=${url(URL_)}&referrer=${url(REFERRER)}`,
    method: 'GET',
  },
}

describe('a page view', () => {
  test.each(Object.entries(FORMATS))(
    'as %s has its campaign, its referrer and its browser, and no secret of an address',
    async (_, sent) => {
      const found = await derived(sent)
      expect(found).toEqual({
        ...{ utm_source: 'news', utm_medium: 'e-mail', utm_campaign: 'sale & more' },
        ...{ utm_term: 'a b', utm_content: 'top', referrer_host: 'search.example' },
        ...{ browser: 'Firefox', os: 'Windows', device: 'desktop', is_bot: 'false' },
      })
      expect(JSON.stringify(found)).not.toMatch(/s3cret|ada|pass/)
    },
  )
})

const BATCH = { anonymousId: 'u', event: 'a' }
/** Servers that send events of other people, each naming the browser in its own way. */
const SERVERS: Record<string, Sent> = {
  json: { path: '/v1/events', body: { event: 'a', context: { user_agent: IPHONE } } },
  segment: { path: '/v1/track', body: { ...BATCH, context: { userAgent: IPHONE } } },
  posthog: {
    path: '/capture',
    body: { event: 'a', distinct_id: 'u', properties: { $raw_user_agent: IPHONE } },
  },
  ga4: {
    path: '/mp/collect',
    body: { user_agent: IPHONE, client_id: 'u', events: [{ name: 'a' }] },
  },
  snowplow: {
    path: '/com.snowplowanalytics.snowplow/tp2',
    body: { schema: 'x', data: [{ e: 'pv', ua: IPHONE }] },
  },
  amplitude: {
    path: '/2/httpapi',
    body: { events: [{ event_type: 'a', user_id: 'u', user_agent: IPHONE }] },
  },
  otlp: {
    path: '/v1/logs',
    headers: { 'content-type': 'application/json' },
    body: {
      resourceLogs: [
        {
          scopeLogs: [
            {
              logRecords: [
                { eventName: 'a', attributes: [attribute('user_agent.original', IPHONE)] },
              ],
            },
          ],
        },
      ],
    },
  },
}
const GEO = { country: 'DE', region: 'DE-BE', city: 'Berlin' }

describe('the visitor of an event', () => {
  test.each(Object.entries(SERVERS))(
    'is the one that a server names, as %s, and not the server',
    async (_, sent) => {
      for (const userAgent of ['analytics-node/3', FIREFOX, GOOGLEBOT])
        expect(
          await derived({
            ...sent,
            key: { kind: 'sec' },
            headers: { ...sent.headers, 'user-agent': userAgent },
          }),
        ).toEqual({ browser: 'Safari', os: 'iOS', device: 'mobile', is_bot: 'false' })
    },
  )

  test('is not a server that names no visitor', async () => {
    const sent = {
      path: '/v1/events',
      body: { event: 'a' },
      key: { kind: 'sec' as const },
      geo: GEO,
    }
    expect(await derived({ ...sent, headers: { 'user-agent': 'python-requests/2' } })).toEqual({})
  })

  test('is elsewhere than the request where the event names an address, and the address is not derived from', async () => {
    const geoOf = async (fields: object) => {
      const body = { event: 'a', ...fields }
      return (await derived({ path: '/v1/events', body, geo: GEO }, ['geo'])) as object
    }
    expect(await geoOf({})).toEqual(GEO)
    for (const ip of ['198.51.100.1', '2001:db8::1', '0.0.0.0']) {
      expect(await geoOf({ context: { ip } })).toEqual({})
      expect(await geoOf({ properties: { $ip: ip } })).toEqual({})
    }
    // Not addresses: Amplitude's `$remote` asks for that of the request.
    for (const ip of ['$remote', '', null, 7]) expect(await geoOf({ context: { ip } })).toEqual(GEO)
  })

  test('cannot be moved by what a client writes into its event', async () => {
    const forged = {
      ...{ country: 'US', geo: { country: 'US' }, $geoip_country_code: 'US', is_bot: false },
      enrichment: { country: 'US', is_bot: 'false' },
    }
    const body = {
      event: 'a',
      properties: forged,
      context: forged,
      geo: { country: 'US' },
      ua: 'x',
    }
    const headers = { 'user-agent': GOOGLEBOT, 'cf-ipcountry': 'US' }
    expect(await derived({ path: '/v1/events', body, headers, geo: GEO }, ['geo', 'bots'])).toEqual(
      {
        ...GEO,
        is_bot: 'true',
      },
    )
  })
})

describe('what is derived', () => {
  const ofEvent = (fields: object, declared: readonly EnrichmentName[]) =>
    derived({ path: '/v1/events', body: { event: 'a', ...fields } }, declared)
  const referrerOf = async (referrer: unknown, page?: string) =>
    (await ofEvent({ properties: { referrer, url: page } }, ['referrer'])).referrer_host

  test.each<[unknown, string | undefined]>([
    ['https://www.example.com/a?b', 'example.com'],
    ['http://Sub.Example.CO.UK:80', 'sub.example.co.uk'],
    ['//cdn.example.com/x', 'cdn.example.com'],
    ['example.com/path', 'example.com'],
    ['example.com', 'example.com'],
    ['android-app://com.google.android.gm/', 'com.google.android.gm'],
    ['https://münchen.example/', 'münchen.example'],
    ['https://xn--mnchen-3ya.example/', 'xn--mnchen-3ya.example'],
    ['https://a:b@example.com/', 'example.com'],
    ['https://example.com\\@evil.example/', 'example.com'],
    ['$direct', undefined],
    ['', undefined],
    ['/cart?x', undefined],
    ['localhost', undefined],
    ['http://192.0.2.1/', undefined],
    ['http://[2001:db8::1]/', undefined],
    ['ada@example.com', undefined],
    ['javascript:alert(1)', undefined],
    [`https://${'a'.repeat(249)}.com/`, 'a'.repeat(249).concat('.com')],
    [`https://${'a'.repeat(250)}.com/`, undefined],
    [7, undefined],
    [{ url: 'https://example.com' }, undefined],
  ])('of the referrer %j is the host %j', async (referrer, host) => {
    // A host is cut as any text is.
    expect(await referrerOf(referrer)).toBe(host)
  })

  test('of a referrer of the same site is nothing, and of another host of it is that host', async () => {
    const from = 'https://www.shop.example/a'
    expect(await referrerOf(from, 'https://shop.example/b')).toBeUndefined()
    expect(await referrerOf(from, 'https://shop.example.com/b')).toBe('shop.example')
    expect(await referrerOf(from, '/b')).toBe('shop.example')
  })

  test('of a campaign are texts of 200 characters at most, without control characters and keys', async () => {
    const sourceOf = async (fields: object) => (await ofEvent(fields, ['utm'])).utm_source
    const sent = (utm_source: unknown) => sourceOf({ properties: { utm_source } })
    expect(await sent('x'.repeat(200))).toBe('x'.repeat(200))
    expect(await sent('x'.repeat(201))).toBe('x'.repeat(200))
    expect(await sent('😀'.repeat(201))).toBe('😀'.repeat(200))
    expect(await sent(' a\u001fb\n')).toBe('a b')
    expect(await sent(`x ${KEY}`)).toBe('x slc_sec_0000...')
    for (const none of ['', ' ', 7, null, ['a'], {}]) expect(await sent(none)).toBeUndefined()
    const page = (query: string) => sourceOf({ properties: { url: `/?${query}` } })
    expect(await page(`${'x'.repeat(4_000)}&utm_source=a`)).toBe('a')
    expect(await page(`${'x'.repeat(4_100)}&utm_source=a`)).toBeUndefined()
    expect(await page('utm_source=%E0%A4%A&utm_source=b')).toBe('\ufffdA'.replace('A', '%A'))
    // The sender's own word comes first.
    expect(await sourceOf({ properties: { utm_source: 'own', url: '/?utm_source=page' } })).toBe(
      'own',
    )
  })

  test('is nothing that the tenant does not declare', async () => {
    const sent = { ...(FORMATS.posthog as Sent), geo: GEO }
    expect(Object.keys(await derived(sent, ['geo']))).toEqual(['country', 'region', 'city'])
    expect(Object.keys(await derived(sent, ['bots']))).toEqual(['is_bot'])
    expect(Object.keys(await derived(sent, ['referrer']))).toEqual(['referrer_host'])
    expect(await derived(sent, [])).toEqual({})
  })

  test('ignores a visitor in a form that no edge writes', async () => {
    const [value] = await valuesOf({ path: '/v1/events', body: { event: 'a' } })
    const stamp = JSON.parse(value as string)
    for (const [ua, geo] of [
      [7, 'DE'],
      [{}, []],
      [null, { country: 'de' }],
      ['', { country: 'DEU', city: 'Berlin' }],
      [' ', { country: ['DE'] }],
    ]) {
      const read = decodeRecord(JSON.stringify({ ...stamp, ua, geo }))
      expect(read.ok && enrich(read.record, ENRICHMENT_NAMES)).toBeUndefined()
    }
    const partly = { country: 'DE', region: 'Berlin', city: 'a\u0000b\n', extra: 1 }
    const record = { ...stamp, geo: partly }
    expect(enrich(record, ['geo'])).toEqual({ country: 'DE', city: 'a b' })
  })
})

describe('events of a tenant that declares enrichment', () => {
  const random = seededRandom(23)
  // Whole buckets, so that a metric is read from its rollup alone.
  const NOW = Math.floor(Date.now() / 900_000) * 900_000
  const DAY_MS = 86_400_000
  const RANGE = {
    startTime: new Date(NOW - DAY_MS).toISOString(),
    endTime: new Date(NOW + DAY_MS).toISOString(),
  }
  const quiet = { info() {}, warn() {}, error() {} }
  let fixture: QueryFixture
  let viewer: TenantViewer
  let running: Promise<void>
  const stop = new AbortController()

  /** What a plain program expects of each event. */
  const expected: { name: string; country: string | null; browser: string; isBot: boolean }[] = []

  let sent = 0
  const toRecord = (value: string): NewRecord => {
    const { tenant, event } = JSON.parse(value)
    return rawValue(value, recordKey(tenant, event))
  }

  async function send(count: number, tenant = 'default') {
    const records: NewRecord[] = []
    for (let i = 0; i < count; i++) {
      const [userAgent, browser, isBot] = random.pick([
        [FIREFOX, 'Firefox', false],
        [IPHONE, 'Safari', false],
        [`${IPHONE} (compatible; Examplebot/1.0)`, 'Safari', true],
      ] as const)
      const country = random.pick(['DE', 'FR', 'US', null])
      const name = random.pick(['order', 'page_view'])
      const values = await valuesOf({
        path: '/v1/events',
        headers: { 'user-agent': userAgent },
        geo: country === null ? undefined : { country },
        key: { tenant, enrich: tenant === 'default' ? [...ENRICHMENT_NAMES] : null },
        body: {
          ...{
            event: name,
            event_id: `${tenant}-${sent++}`,
            timestamp: NOW - random.int(DAY_MS / 4),
          },
          // A sender's own property of the same name is another dimension.
          properties: { enrichment: { country: 'forged' }, url: '/?utm_source=news' },
        },
      })
      records.push(...values.map(toRecord))
      if (tenant === 'default') expected.push({ name, country, browser, isBot })
    }
    await fixture.log.append(TOPICS.raw.name, records)
    await applied()
  }

  async function applied() {
    const ends = await fixture.log.offsets(TOPICS.raw.name)
    const end = ends.reduce((sum, { lastStableOffset }) => sum + lastStableOffset, 0)
    await vi.waitFor(
      async () => {
        const { rows } = await fixture.database.pool.query(
          'SELECT sum(next_offset)::int AS n FROM log_position',
        )
        if (rows[0].n !== end) throw new Error(`${rows[0].n} of ${end} applied`)
      },
      { timeout: 30_000, interval: 50 },
    )
  }

  beforeAll(async () => {
    fixture = await createQueryFixture()
    await setTenant(fixture.db, 'default', { enrichments: ENRICHMENT_NAMES })
    viewer = await tenantViewer(fixture.db, { kind: 'SESSION' }, 'default')
    running = createWorker({
      databaseUrl: fixture.database.url,
      log: fixture.log,
      logger: quiet,
      concurrency: 1,
    }).run(stop.signal)
    await send(200)
    await declareMetric(
      fixture.db,
      viewer.tenantId,
      parseMetricDefinition({
        name: 'people',
        filter: { 'enrichment.is_bot': 'false' },
        dimensions: ['enrichment.country', 'enrichment.browser'],
      }),
      { kind: 'cli' },
    )
    await send(300)
    await send(20, 'other')
    await vi.waitUntil(() => isBackfilled(fixture.database.pool), { timeout: 30_000 })
  })
  afterAll(async () => {
    stop.abort()
    await running
    await fixture.close()
  })

  const countBy = (of: (event: (typeof expected)[number]) => string | null, only = expected) => {
    const counts = new Map<string | null, number>()
    for (const event of only) counts.set(of(event), (counts.get(of(event)) ?? 0) + 1)
    return counts
  }
  const grouped = async (name: string, dimension: string, filter: object[] = []) => {
    const { rows, info } = await eventsOverTime(fixture.db, viewer, {
      ...{ name, ...RANGE, interval: 'TOTAL', groupBy: [dimension], filter: filter as never },
    })
    const counts = new Map(rows.map((row) => [row.dimensions[dimension] ?? null, row.value]))
    return { counts, source: info.source }
  }

  test('are counted by a declared metric as a recount does, before and after its declaration', async () => {
    const metric = await activeMetric(fixture.database.pool, 'people')
    const counted = await countedByMetric(fixture.database.pool, metric)
    expect(counted).toEqual(await recountOfMetric(fixture.database.pool, metric))
    const people = expected.filter(({ isBot }) => !isBot)
    expect(Object.values(counted).reduce((sum, { count }) => sum + count, 0)).toBe(people.length)
    for (const [dimension, of] of [
      ['enrichment.country', countBy(({ country }) => country, people)],
      ['enrichment.browser', countBy(({ browser }) => browser, people)],
    ] as const)
      expect(await grouped('people', dimension)).toEqual({ counts: of, source: 'rollup' })
    const german = people.filter(({ country }) => country === 'DE')
    expect(
      await grouped('people', 'enrichment.browser', [
        { dimension: 'enrichment.country', in: ['DE'] },
      ]),
    ).toEqual({ counts: countBy(({ browser }) => browser, german), source: 'rollup' })
  })

  test('can be grouped, filtered and searched by each derived field, apart from properties of its name', async () => {
    expect((await grouped('*', 'enrichment.country')).counts).toEqual(
      countBy(({ country }) => country),
    )
    expect((await grouped('*', 'properties.enrichment.country')).counts).toEqual(
      new Map([['forged', expected.length]]),
    )
    const bots = [{ dimension: 'enrichment.is_bot', in: ['true'] }]
    expect((await grouped('order', 'enrichment.os', bots)).counts).toEqual(
      countBy(
        () => 'iOS',
        expected.filter(({ name, isBot }) => isBot && name === 'order'),
      ),
    )
    const unknown = [{ dimension: 'enrichment.country', in: [null] }]
    expect((await grouped('*', 'enrichment.utm_source', unknown)).counts).toEqual(
      new Map([['news', expected.filter(({ country }) => country === null).length]]),
    )
    const { rows } = await topValues(fixture.db, viewer, {
      ...{ name: '*', dimension: 'enrichment.browser', search: 'fire', ...RANGE },
    })
    expect(rows[0]).toMatchObject({
      value: 'Firefox',
      count: countBy(({ browser }) => browser).get('Firefox'),
    })
    const { rows: parts } = await contributions(fixture.db, viewer, {
      ...{ name: '*', dimension: 'enrichment.country', ...RANGE },
      baseline: { startTime: new Date(NOW - 3 * DAY_MS).toISOString(), endTime: RANGE.startTime },
    } as never)
    expect(parts.length).toBeGreaterThan(3)
  })

  test('offer their derived fields where dimensions are suggested', async () => {
    const { rows } = await eventProperties(fixture.db, viewer, { name: '*', ...RANGE })
    const counts = Object.fromEntries(
      rows.map(({ path, types, count }) => [path, [count, ...types]]),
    )
    const located = expected.filter(({ country }) => country !== null).length
    expect(counts).toEqual({
      'enrichment.browser': [expected.length, 'string'],
      'enrichment.os': [expected.length, 'string'],
      'enrichment.device': [expected.length, 'string'],
      'enrichment.is_bot': [expected.length, 'boolean'],
      'enrichment.country': [located, 'string'],
      'enrichment.utm_source': [expected.length, 'string'],
      'properties.enrichment.country': [expected.length, 'string'],
      url: [expected.length, 'string'],
    })
  })

  test('show what was derived apart from what was sent, and those of other tenants show nothing', async () => {
    const query = 'query ($id: ID!) { event(id: $id) { properties context enrichment storedAt } }'
    const of = async (tenant: string) => {
      const { data } = await fixture.execute(query, await fixture.keyOf(tenant), {
        id: tenant === 'default' ? 'default-1' : 'other-500',
      })
      return data.event
    }
    const { country, browser, isBot } = expected[1] as (typeof expected)[number]
    const event = await of('default')
    expect(event).toMatchObject({
      properties: { enrichment: { country: 'forged' }, url: '/?utm_source=news' },
      context: null,
      enrichment: {
        ...{ browser, is_bot: isBot, utm_source: 'news', processed_at: event.storedAt },
        ...(country !== null && { country }),
      },
    })
    expect(await of('other')).toMatchObject({ enrichment: null })
    const { data } = await fixture.execute(
      '{ viewer { tenants { id enrichments } } }',
      await fixture.session(),
    )
    expect(data.viewer.tenants).toEqual([
      { id: 'default', enrichments: [...ENRICHMENT_NAMES].sort() },
      { id: 'other', enrichments: [] },
    ])
    const { rows } = await fixture.database.pool.query(
      "SELECT count(enrichment)::int AS n FROM event JOIN tenant USING (tenant_id) WHERE slug = 'other'",
    )
    expect(rows).toEqual([{ n: 0 }])
  })

  test('stay as they are when the log is read again, whatever the tenant declares meanwhile', async () => {
    const { pool } = fixture.database
    const state = async () => {
      const { rows } = await pool.query(
        'SELECT event_id, enrichment FROM event ORDER BY event_id, enrichment',
      )
      return { rows, counted: await countedByMetric(pool, await activeMetric(pool, 'people')) }
    }
    const before = await state()
    await setTenant(fixture.db, 'default', { enrichments: ['utm'] })
    const ends = await fixture.log.offsets(TOPICS.raw.name)
    const replayAll = () =>
      replay({
        databaseUrl: fixture.database.url,
        log: fixture.log,
        ranges: ends.map(({ partition, lastStableOffset: to }) => ({ partition, from: 0, to })),
        signal: AbortSignal.timeout(20_000),
      })
    await replayAll()
    expect(await state()).toEqual(before)
    // Events that are lost come back with what is declared now.
    await pool.query("DELETE FROM event WHERE client_event_id = 'default-2'")
    await replayAll()
    const { rows } = await pool.query(
      "SELECT enrichment FROM event WHERE client_event_id = 'default-2'",
    )
    expect(rows[0].enrichment.replaceAll('\x1f', '')).toBe('news')
  })

  test('cannot be declared by a field that does not exist', async () => {
    const declare = (dimension: string) =>
      declareMetric(
        fixture.db,
        viewer.tenantId,
        parseMetricDefinition({ name: 'x', dimensions: [dimension] }),
        { kind: 'cli' },
      )
    for (const unknown of ['enrichment.', 'enrichment.ip', 'enrichment.browser.version'])
      expect(() => declare(unknown)).toThrow('/dimensions/0 is not a dimension')
    expect(() => parseMetricDefinition({ name: 'x', value: 'enrichment.country' })).toThrow(
      'is neither "value" nor the path of a property',
    )
    await declare('properties.enrichment.ip')
    await retireMetric(fixture.db, viewer.tenantId, 'x', { kind: 'cli' })
  })
})
