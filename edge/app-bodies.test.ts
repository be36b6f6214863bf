import { expect, it } from 'vitest'
import { mintApiKey } from '../contract/api-key.ts'
import { LIMITS } from '../contract/limits.ts'
import type { EdgeDeps } from './app.ts'
import { createMemoryEdge, KEY, RECORD } from './testing/memory-edge.ts'

/** Long after an edge in memory has done every step. */
const WAIT_MS = 500

/** An edge without limits on events, whose senders say in a header where they come from. */
function setUp(changed: Partial<EdgeDeps> = {}) {
  const edge = createMemoryEdge({
    addressOf: (request) => request.headers.get('x-from') ?? undefined,
    ...changed,
  })
  /** @param end whether the body ends after what was sent; otherwise it waits for more, for ever */
  return async (
    path: string,
    headers: Record<string, string>,
    sent: string | Uint8Array,
    end: boolean,
  ) => {
    const body = new ReadableStream({
      start(stream) {
        stream.enqueue(typeof sent === 'string' ? new TextEncoder().encode(sent) : sent)
        if (end) stream.close()
      },
    })
    const request = { method: 'POST', headers, body, duplex: 'half' }
    const response = Promise.resolve(edge.request(path, request as RequestInit)).then(
      async (done) => ({ status: done.status, code: (await done.json()).code }),
    )
    const waiting = new Promise<{ status: string; code?: string }>((resolve) =>
      setTimeout(() => resolve({ status: 'waiting' }), WAIT_MS),
    )
    return end ? response : Promise.race([response, waiting])
  }
}

type Send = ReturnType<typeof setUp>

/** Opens so many bodies without a known key, each from another address. @returns how many wait for their rest */
async function open(
  send: Send,
  count: number,
  headers: Record<string, string>,
  sent: string | Uint8Array,
) {
  const outcomes = await Promise.all(
    Array.from({ length: count }, (_, i) =>
      send('/batch', { ...headers, 'x-from': `192.0.${i >> 8}.${i & 255}` }, sent, false),
    ),
  )
  for (const { status, code } of outcomes)
    if (status !== 'waiting') expect([status, code]).toEqual([503, 'OVERLOADED'])
  return outcomes.filter(({ status }) => status === 'waiting').length
}

const GOOD_BODY = `[{"event":"a"}${' '.repeat(900_000)}]`
const HALF = 'x'.repeat(512 * 1024)

it('bodies without a known key, from however many addresses, leave the place of a good key’s', async () => {
  const send = setUp()
  expect(await open(send, 40, {}, HALF)).toBe(LIMITS.edgeBytesReadingUnknownMax / HALF.length)
  const good = { 'x-api-key': KEY, 'x-from': '203.0.113.1' }
  expect((await send('/v1/events', good, GOOD_BODY, true)).status).toBe(202)
  expect((await send('/batch', good, '{"batch":[{"event":"a"}]}', true)).status).toBe(200)
})

it.each(['16384', '60000'])(
  'a body without a known key counts from its first byte, and what it declares for nothing: %s',
  async (declared) => {
    expect(await open(setUp(), 1_100, { 'content-length': declared }, '{')).toBe(1_024)
  },
  30_000,
)

// Elsewhere the output of a chunk comes later, and is refused with the next chunk: `npm run mutate` runs in Node.
const itInWorkerd = it.runIf(navigator.userAgent === 'Cloudflare-Workers')

itInWorkerd('a compressed body counts as long as it is decompressed', async () => {
  const zipped = await new Response(
    new Blob([HALF]).stream().pipeThrough(new CompressionStream('gzip')),
  ).arrayBuffer()
  expect(zipped.byteLength).toBeLessThan(HALF.length / 100)
  // Its end is missing, so it waits.
  const waiting = await open(
    setUp(),
    40,
    { 'content-encoding': 'gzip' },
    new Uint8Array(zipped.slice(0, -10)),
  )
  expect(waiting).toBe(LIMITS.edgeBytesReadingUnknownMax / HALF.length)
})

it('one address holds no more than one whole body without a known key', async () => {
  const send = setUp()
  const from = { 'x-from': '192.0.2.1' }
  const size = LIMITS.edgeBytesPerAddressMax
  expect(size).toBe(LIMITS.bodyBytesMax)
  expect((await send('/batch', from, 'x'.repeat(size), false)).status).toBe('waiting')
  expect(await send('/batch', from, '{', true)).toEqual({ status: 503, code: 'OVERLOADED' })
  // As it is exactly at the limit, another address can still send it whole.
  const other = { 'x-from': '192.0.2.2' }
  expect((await send('/batch', other, ' '.repeat(size), true)).status).toBe(401)
})

it('a request that has ended leaves nothing of its body in any budget', async () => {
  const publish = async () => [{ partition: 0, offset: 0 }]
  const broken = async () => {
    throw new Error('the log is away')
  }
  const withKey = `{"api_key":"${KEY}","batch":[{"event":"a","distinct_id":"d"}]}`
  for (const [body, deps, status] of [
    // A key that is not cached: the body counts while it arrives, while the key is looked up, and from then on.
    [withKey, { publish }, 200],
    [withKey, { publish: broken }, 500],
    [withKey.replace(KEY, `${KEY.slice(0, -1)}x`), { publish }, 401],
    ['{"batch":[]', { publish }, 401],
  ] as const) {
    const send = setUp({
      ...deps,
      async findKey(key, addressOf) {
        addressOf?.()
        return key === KEY ? RECORD : undefined
      },
    })
    const from = { 'x-from': '192.0.2.1' }
    for (let i = 0; i < 5; i++)
      expect((await send('/batch', from, body + ' '.repeat(900_000), true)).status).toBe(status)
    for (let i = 0; i < 5; i++) await send('/batch', { ...from, 'x-api-key': KEY }, GOOD_BODY, true)
    expect(
      (await send('/v1/events', { ...from, 'x-api-key': KEY }, GOOD_BODY, true)).status,
    ).not.toBe(503)
  }
})

it('a body that carries its key counts in the share of the key until the log has its events', async () => {
  let confirm = () => {}
  const confirmed = new Promise<void>((resolve) => {
    confirm = resolve
  })
  const send = setUp({
    async publish(records) {
      await confirmed
      return records.map((_, offset) => ({ partition: 0, offset }))
    },
  })
  const body = `{"api_key":"${KEY}","batch":[{"event":"a","distinct_id":"d"}]}${' '.repeat(900_000)}`
  const sent = ['192.0.2.1', '192.0.2.2'].map((from) =>
    send('/batch', { 'x-from': from }, body, true),
  )
  expect(await Promise.race(sent)).toEqual({ status: 503, code: 'OVERLOADED' })
  confirm()
  expect((await Promise.all(sent)).map(({ status }) => status).sort()).toEqual([200, 503])
})

/** How many of so many unfinished bodies wait, sent with these keys in turn. */
async function openWithKeys(
  record: Partial<typeof RECORD>,
  keys: string[],
  count: number,
  sent: string,
) {
  const send = setUp({ findKey: async (key) => ({ ...RECORD, key_id: key, ...record }) })
  const outcomes = await Promise.all(
    Array.from({ length: count }, (_, i) =>
      send('/v1/events', { 'x-api-key': keys[i % keys.length] as string }, sent, false),
    ),
  )
  return outcomes.filter(({ status }) => status === 'waiting').length
}

it('the keys of a tenant together hold no more than its share of what arrives', async () => {
  const keys = Array.from({ length: 6 }, () => mintApiKey('sec'))
  const half = LIMITS.edgeBytesReadingPerTenantMax / HALF.length
  expect(await openWithKeys({ tenant: 'shop' }, keys, 40, HALF)).toBe(half)
})

it('the bodies of a public key count from their first byte', async () => {
  const most = LIMITS.edgeBytesReadingPerKeyMax / 1024
  expect(await openWithKeys({ kind: 'pub' }, [mintApiKey('pub')], most + 50, '{')).toBe(most)
}, 30_000)
