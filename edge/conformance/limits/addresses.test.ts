import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { RUNTIMES, type RunningEdge, startEdge } from '../../testing/runtimes.ts'
import { type EdgeResponse, send } from '../../testing/send.ts'
import { type StubGateway, startStubGateway } from '../../testing/stub-gateway.ts'

const FUZZ_MS = 6_000
const SEED = Number(process.env.FUZZ_SEED) || Math.floor(Math.random() * 2 ** 31)
let gateway: StubGateway
let edges: RunningEdge[]
beforeAll(async () => {
  gateway = await startStubGateway()
  edges = await Promise.all(RUNTIMES.map((runtime) => startEdge(runtime, gateway)))
}, 30_000)
afterAll(async () => {
  for (const edge of edges ?? []) await edge.stop()
  await gateway?.close()
})

const base64 = (text: string) => Buffer.from(text).toString('base64')
const PATHS = [
  ...['/v1/events', '/ingest', '/v1/pixel.gif', '/sluice.js', '/docs', '/openapi.json', '/healthz'],
  ...['/batch/', '/e/', '/capture', '/i/v0/e/', '/i/v1/analytics/events', '/engage/'],
  ...[
    '/flags/',
    '/decide/',
    '/array/x/config',
    '/array/x/config.js',
    '/v1/m',
    '/v1/batch',
    '/v1/t',
  ],
  ...['/v1/logs', '/track', '/import/', '/2/httpapi', '/mp/collect', '/api/event', '/api/send'],
  ...['/api/s/s2s/track', '/com.snowplowanalytics.snowplow/tp2', '/i'],
  ...['/v1/projects/KEY/settings', '/v1/projects/x/settings', '/nothing', '/v1/events/', '//', '/'],
]
const NAMES = [
  ...['event', 'name', 'data', 'properties', 'timestamp', 'event_id', 'actor', 'value', 'x', 'e'],
  ...['aid', 'eid', 'dtm', 'ue_px', 'cx', 'verbose', 'strict', 'measurement_id', 'api_secret'],
  ...['key', 'historical', 'compression', '_', 'sent_at', 'ver', 'token', 'api_key', 'v', 'ip'],
]
const VALUES = [
  ...['', '%', '%00', '%ff', '%ED%A0%80', '%F0%9F%98%80', 'a%20b', 'a+b', '[]', '{}', '__proto__'],
  ...['1e400', '-1', '99999999999999999999', 'true', 'NaN', 'gzip-js', 'x'.repeat(8_000)],
  ...['{"event":"a"}', '{"event":"\\u0000"}', '[1,2]', '{'].map(base64),
]
const requests = fc.record({
  method: fc.constantFrom('GET', 'POST', 'POST', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'),
  path: fc.constantFrom(...PATHS),
  query: fc.array(fc.tuple(fc.constantFrom(...NAMES), fc.constantFrom(...VALUES)), {
    maxLength: 3,
  }),
  keyed: fc.boolean(),
  type: fc.constantFrom(
    undefined,
    ...[
      'application/json',
      'text/plain',
      'application/x-ndjson',
      'multipart/form-data; boundary=x',
    ],
    ...['application/x-www-form-urlencoded', 'application/cloudevents+json', 'nonsense'],
  ),
  origin: fc.constantFrom(undefined, 'null', 'https://shop.example'),
  body: fc.constantFrom(
    ...['', '{"event":"a","distinct_id":"d"}', '{"type":"track","event":"a"}', '1\n{"event":"a"}'],
    ...[`data=${base64('{"event":"a"}')}`, base64('{"event":"a"}'), '{"batch":[{}]}', '\0'],
  ),
})

it('no request to any path gets a 500, and every runtime responds alike', async () => {
  const { key } = gateway.addKey({ kind: 'pub', may_import_history: true })
  let count = 0
  const sendToAll = async (request: typeof requests extends fc.Arbitrary<infer T> ? T : never) => {
    const { method, path, query, keyed, type, origin, body } = request
    const pairs = query.map(([name, value]) => `${name}=${value}`)
    const headers = {
      ...(type !== undefined && { 'content-type': type }),
      ...(origin !== undefined && { origin }),
      ...(method === 'OPTIONS' && { 'access-control-request-method': 'POST' }),
    }
    const sent = {
      method,
      path: `${path.replace('KEY', key)}?${[...(keyed ? [`key=${key}`] : []), ...pairs].join('&')}`,
      headers,
      ...((method === 'POST' || method === 'PUT') && { body }),
    }
    const responses = await Promise.all(edges.map(({ port }) => send(port, sent)))
    const [first, ...others] = responses.map(comparable)
    expect(first?.status).toBeLessThan(500)
    for (const other of others) expect(other).toEqual(first)
    count++
  }
  const property = fc.asyncProperty(requests, sendToAll)
  const until = performance.now() + FUZZ_MS
  for (let round = 0; count < 300 || performance.now() < until; round++)
    await fc.assert(property, { seed: SEED + round, numRuns: 50 })
  console.info(`${count} requests to each runtime, FUZZ_SEED=${SEED}`)
  for (const edge of edges) expect(edge.log()).not.toMatch(/unexpected error|Uncaught|slc_/)
}, 30_000)

/** The response without ids, offsets and times. */
function comparable({ status, headers, json, text }: EdgeResponse) {
  const { code, detail, accepted, rejected, errors } = json ?? {}
  return {
    status,
    type: headers['content-type'],
    origin: headers['access-control-allow-origin'],
    allow: headers.allow,
    length: json ? undefined : text.length,
    body: [code, detail, accepted, rejected, errors],
  }
}
