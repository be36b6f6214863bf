import { expect, it } from 'vitest'
import { LIMITS } from '../contract/limits.ts'
import { createAdmission } from './admission/admission.ts'
import { createMemoryIdempotency } from './admission/memory-idempotency.ts'
import { createMemoryRateLimiter } from './admission/memory-rate-limiter.ts'
import type { RedisClient } from './admission/redis/redis.ts'
import { createRedisKeyDirectory } from './auth/redis-key-directory.ts'
import { createPace } from './formats/ndjson/pace.ts'
import { createStreamSlots } from './formats/ndjson/stream-slots.ts'
import { createMemoryEdge, KEY, RECORD } from './testing/memory-edge.ts'

/** Limits whose other tests stay clear of them: what is exactly at the limit passes, and one more does not. */
type Edge = ReturnType<typeof createMemoryEdge>
const bytesOf = (text: string) => new TextEncoder().encode(text)
const post = async (
  edge: Edge,
  path: string,
  body: Uint8Array<ArrayBuffer> | string,
  headers = {},
) => edge.request(path, { method: 'POST', headers: { 'x-api-key': KEY, ...headers }, body })

async function gzip(text: string): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream('gzip'))
  return new Uint8Array(await new Response(stream).arrayBuffer())
}
const padded = (json: string, bytes: number) => json + ' '.repeat(bytes - json.length)

it.each([
  ['/v1/events', '[{"event":"a"}]', { 'content-encoding': 'gzip' }, 202],
  ['/batch', '{"batch":[{"event":"a","distinct_id":"d"}]}', { 'content-encoding': 'gzip' }, 200],
  ['/batch', '{"batch":[{"event":"a","distinct_id":"d"}]}', { 'content-type': 'text/plain' }, 200],
])(
  'a body of %s may decompress to exactly 1 MiB: %s with %o',
  async (path, json, headers, status) => {
    const edge = createMemoryEdge()
    const whole = await gzip(padded(json, LIMITS.bodyBytesMax))
    expect((await post(edge, path, whole, headers)).status).toBe(status)
    const more = await gzip(padded(json, LIMITS.bodyBytesMax + 1))
    expect((await post(edge, path, more, headers)).status).toBe(413)
  },
)

it.each(['declared', 'chunked', 'gzip'])(
  'an NDJSON stream may be exactly as long as allowed: %s',
  async (form) => {
    const edge = createMemoryEdge({ ndjsonBytesMax: 1_000 })
    const send = async (bytes: number) => {
      const text = padded('{"event":"a"}\n{"event":"b"}\n', bytes)
      const body = form === 'gzip' ? await gzip(text) : bytesOf(text)
      const headers = {
        'x-api-key': KEY,
        'content-type': 'application/x-ndjson',
        ...(form === 'gzip' && { 'content-encoding': 'gzip' }),
        ...(form === 'declared' && { 'content-length': String(bytes) }),
      }
      const init = { method: 'POST', headers, body: new Blob([body]).stream(), duplex: 'half' }
      return (await edge.request('/v1/events', init as RequestInit)).status
    }
    expect([await send(1_000), await send(1_001)]).toEqual([202, 413])
  },
)

it('a batch may have as many events as the key’s minute, and no more', async () => {
  const edge = createMemoryEdge({
    findKey: async () => ({ ...RECORD, key_events_per_minute: 10 }),
    admission: createAdmission(createMemoryRateLimiter(), createMemoryIdempotency()),
  })
  const batch = (count: number) => JSON.stringify(Array(count).fill({ event: 'a' }))
  expect((await post(edge, '/v1/events', batch(11))).status).toBe(422)
  expect((await post(edge, '/v1/events', batch(10))).status).toBe(202)
  expect((await post(edge, '/v1/events', batch(1))).status).toBe(429)
})

it('a key is accepted until the millisecond of its expiry', async () => {
  const at = (ms: number) =>
    createMemoryEdge({
      findKey: async () => ({ ...RECORD, expires_at: '2026-11-21T09:00:00.000Z' }),
      now: () => Date.parse('2026-11-21T09:00:00.000Z') + ms,
    })
  expect((await post(at(-1), '/v1/events', '{"event":"a"}')).status).toBe(202)
  expect((await post(at(0), '/v1/events', '{"event":"a"}')).status).toBe(401)
  const unreadable = createMemoryEdge({ findKey: async () => ({ ...RECORD, expires_at: 'soon' }) })
  expect((await post(unreadable, '/v1/events', '{"event":"a"}')).status).toBe(401)
})

it('a request id of 128 characters is kept, and a longer one replaced', async () => {
  const ask = async (id: string) =>
    (await createMemoryEdge().request('/healthz', { headers: { 'x-request-id': id } })).headers.get(
      'x-request-id',
    )
  const longest = 'x'.repeat(LIMITS.requestIdCharsMax)
  expect(await ask(longest)).toBe(longest)
  expect(await ask(`${longest}x`)).toMatch(/^[0-9a-f-]{36}$/)
})

it('a preflight may name 64 headers of 64 characters each', async () => {
  const ask = async (names: string[]) =>
    (
      await createMemoryEdge().request('/v1/events', {
        method: 'OPTIONS',
        headers: { 'access-control-request-headers': names.join(',') },
      })
    ).headers.get('access-control-allow-headers')
  const names = Array(64).fill('x'.repeat(64))
  expect(await ask(names)).toBe(names.join(','))
  expect(await ask([...names, 'x'])).toMatch(/^authorization, /)
  expect(await ask(['x'.repeat(65)])).toMatch(/^authorization, /)
})

it('a token in a path of PostHog’s may have 128 characters', async () => {
  const ask = async (length: number) =>
    (await createMemoryEdge().request(`/array/${'t'.repeat(length)}/config.js`)).status
  expect([await ask(128), await ask(129)]).toEqual([200, 404])
})

it.each([
  ['8 bytes in 10 s', '12345678', LIMITS.bodyReadMsMax, undefined],
  ['7 bytes in 10 s', '1234567', LIMITS.bodyReadMsMax, 'BODY_TOO_SLOW'],
  ['7 bytes in 9.999 s', '1234567', LIMITS.bodyReadMsMax - 1, undefined],
  ['a millisecond less than an hour', '12345678', LIMITS.ndjsonStreamMsMax - 1, undefined],
  ['an hour', '12345678', LIMITS.ndjsonStreamMsMax, 'STREAM_TOO_LONG'],
])('the pace of a stream: %s', (_, text, ms, code) => {
  let at = 1_000_000
  const pace = createPace(() => at)
  at += ms
  const check = () => pace.check(bytesOf(text))
  if (code) expect(check).toThrow(expect.objectContaining({ code }))
  else expect(check).not.toThrow()
})

it('a stream’s place is free a millisecond after it could last have shown that it lives', () => {
  let at = 0
  const slots = createStreamSlots(() => at)
  for (let i = 0; i < LIMITS.ndjsonStreamsPerKeyMax; i++) slots.open('k')
  at = LIMITS.bodyReadMsMax + 4 * LIMITS.publishMsMax
  expect(() => slots.open('k')).toThrow(expect.objectContaining({ code: 'TOO_MANY_STREAMS' }))
  at++
  slots.open('k')
})

it('a key in Redis counts while it is younger than a fresh one in the cache', async () => {
  const asked: string[] = []
  const find = (ageMs: number) =>
    createRedisKeyDirectory(
      { get: async () => [RECORD, 1_000_000 - ageMs] } as unknown as RedisClient,
      {
        async find(sha) {
          asked.push(sha)
          return undefined
        },
      },
      () => 1_000_000,
    ).find('sha')
  const youngest = LIMITS.keyCacheFreshMs - 1
  expect(await find(youngest)).toMatchObject({ ageMs: youngest })
  expect(asked).toEqual([])
  expect(await find(LIMITS.keyCacheFreshMs)).toBeUndefined()
  expect(asked).toEqual(['sha'])
})
