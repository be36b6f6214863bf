import { expect, it } from 'vitest'
import type { KeyRecord } from '../../contract/api-key.ts'
import { LIMITS } from '../../contract/limits.ts'
import { createMemoryEdge, KEY, RECORD } from '../testing/memory-edge.ts'

const BROWSER = 'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0'
const GEO = { country: 'DE', region: 'DE-BE', city: 'Berlin' }
const EVENT = '{"event":"a"}'

interface Sent {
  body?: string
  headers?: Record<string, string>
}

/** The one record that a request becomes, by an edge that knows where its requests come from. */
async function recordOf(key: Partial<KeyRecord>, { body = EVENT, headers = {} }: Sent = {}) {
  const values: string[] = []
  const edge = createMemoryEdge({
    findKey: async () => ({ ...RECORD, ...key }),
    geoOf: () => GEO,
    addressOf: () => '203.0.113.7',
    async publish(records) {
      values.push(...records.map(({ value }) => value as string))
      return records.map(({ topic }, offset) => ({ topic, partition: 0, offset, timestamp: 0 }))
    },
  })
  const all = { 'x-api-key': KEY, 'user-agent': BROWSER, ...headers }
  const { status } = await edge.request('/v1/events', { method: 'POST', headers: all, body })
  expect(status).toBe(202)
  expect(values).toHaveLength(1)
  expect(values[0]).not.toContain('203.0.113.7')
  return JSON.parse(values[0] as string)
}

it.each<[string[] | null | undefined, 'ua'[], 'geo'[]]>([
  [undefined, [], []],
  [null, [], []],
  [[], [], []],
  [['utm', 'referrer'], [], []],
  [['of a later version'], [], []],
  [['browser'], ['ua'], []],
  [['bots'], ['ua'], []],
  [['geo'], [], ['geo']],
  [['bots', 'browser', 'geo', 'utm'], ['ua'], ['geo']],
])(
  'a tenant that declares %j pays for no more of the request than that',
  async (enrich, ua, geo) => {
    const record = await recordOf({ kind: 'pub', ...(enrich !== undefined && { enrich }) })
    expect(Object.keys(record).filter((member) => ['ua', 'geo'].includes(member))).toEqual([
      ...ua,
      ...geo,
    ])
    if (ua.length > 0) expect(record.ua).toBe(BROWSER)
    if (geo.length > 0) expect(record.geo).toEqual(GEO)
    expect(record.client).toBe(BROWSER)
  },
)

const ALL = { enrich: ['browser', 'geo'] }

it.each([
  ['pub', BROWSER, true],
  ['pub', 'python-requests/2.32', true],
  ['sec', BROWSER, true],
  ['sec', 'Opera/9.80 (X11)', true],
  ['adm', BROWSER, true],
  ['sec', 'python-requests/2.32', false],
  ['sec', 'analytics-node Mozilla/5.0', false],
  ['sec', 'Mozilla', false],
] as const)(
  'with a key of the kind %s, %s is a visitor: %s',
  async (kind, userAgent, isVisitor) => {
    const record = await recordOf({ kind, ...ALL }, { headers: { 'user-agent': userAgent } })
    expect([record.ua, record.geo]).toEqual(isVisitor ? [userAgent, GEO] : [undefined, undefined])
  },
)

it('a request without a user agent has none, and is a visitor only with a public key', async () => {
  const headers = { 'user-agent': '' }
  const open = await recordOf({ kind: 'pub', ...ALL }, { headers })
  expect([open.ua, open.geo]).toEqual([undefined, GEO])
  const secret = await recordOf({ kind: 'sec', ...ALL }, { headers })
  expect([secret.ua, secret.geo]).toEqual([undefined, undefined])
})

it('a long user agent is cut, and loses what cannot be printed', async () => {
  const { userAgentCharsMax: max } = LIMITS
  const uaOf = async (userAgent: string) =>
    (await recordOf({ kind: 'pub', ...ALL }, { headers: { 'user-agent': userAgent } })).ua
  expect(await uaOf('x'.repeat(max))).toBe('x'.repeat(max))
  expect(await uaOf('x'.repeat(max + 1))).toBe('x'.repeat(max))
  expect(await uaOf(`y${'x'.repeat(10_000)}`)).toBe(`y${'x'.repeat(max - 1)}`)
  expect(await uaOf('a\u007fb')).toBe('ab')
})

it('a stream of lines has the visitor in each of its records', async () => {
  const record = await recordOf(
    { kind: 'pub', ...ALL },
    { body: `${EVENT}\n`, headers: { 'content-type': 'application/x-ndjson' } },
  )
  expect(record).toMatchObject({ ua: BROWSER, geo: GEO })
})
