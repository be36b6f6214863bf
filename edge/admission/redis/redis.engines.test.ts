import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type KeyRecord, mintApiKey, sha256Hex } from '../../../contract/api-key.ts'
import { LIMITS } from '../../../contract/limits.ts'
import { REDIS_KEYS } from '../../../contract/redis-rest.ts'
import { startTestBridge, type TestBridge } from '../../../tests/lib/redis-bridge.ts'
import { startTestRedis, type TestRedis } from '../../../tests/lib/redis-server.ts'
import { startTcpProxy, type TcpProxy } from '../../../tests/lib/tcp-proxy.ts'
import {
  REMOTE_RUNTIMES,
  RUNTIMES,
  type RunningEdge,
  type Runtime,
  startEdge,
} from '../../testing/runtimes.ts'
import { type EdgeResponse, send } from '../../testing/send.ts'
import { type StubGateway, startStubGateway } from '../../testing/stub-gateway.ts'

/** Of this file alone: it is flushed, and its keys have names that all cores share. */
let server: TestRedis
let direct: Redis
let bridge: TestBridge
beforeAll(async () => {
  server = await startTestRedis()
  direct = new Redis(server.url)
  bridge = await startTestBridge(server.url, 10_000)
})
afterAll(async () => {
  await bridge.close()
  direct.disconnect()
  await server.remove()
})

const portOf = (url: string) => Number(new URL(url).port)

interface EdgeOnRedis {
  gateway: StubGateway
  edge: RunningEdge
  /** Between this edge and Redis over REST, or Redis itself for the collector. */
  line: TcpProxy
  post(key: string, body: unknown, headers?: Record<string, string>): Promise<EdgeResponse>
  newKey(record?: Partial<KeyRecord>): { key: string; record: KeyRecord }
  stop(): Promise<void>
}

let tenants = 0

async function startEdgeOnRedis(
  runtime: Runtime,
  settings: Record<string, string> = {},
): Promise<EdgeOnRedis> {
  const gateway = await startStubGateway()
  const isDirect = runtime === 'collector'
  const line = await startTcpProxy(portOf(isDirect ? server.url : bridge.url))
  const edge = await startEdge(runtime, gateway, {
    ...(isDirect
      ? { REDIS_URL: `redis://127.0.0.1:${line.port}` }
      : {
          SLUICE_REDIS_REST_URL: `http://127.0.0.1:${line.port}/redis`,
          SLUICE_REDIS_TOKEN: bridge.token,
        }),
    // Tests that are not about time get plenty of it on a busy machine.
    SLUICE_REDIS_TIMEOUT_MS: '10000',
    ...settings,
  })
  return {
    gateway,
    edge,
    line,
    post: (key, body, headers = {}) =>
      send(edge.port, {
        headers: { authorization: `Bearer ${key}`, ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
    // One Redis for all of them, so every harness needs tenants of its own.
    newKey: (record) => {
      const name = `${runtime}-${process.pid}-${tenants++}`
      return gateway.addKey({ tenant: name, key_id: name, ...record })
    },
    async stop() {
      await edge.stop()
      await line.close()
      await gateway.close()
    },
  }
}

describe.each(RUNTIMES)('an edge on Redis, in %s', (runtime) => {
  let harness: EdgeOnRedis
  let other: EdgeOnRedis
  beforeAll(async () => {
    harness = await startEdgeOnRedis(runtime)
    other = await startEdgeOnRedis(runtime)
  })
  afterAll(async () => {
    await harness?.stop()
    await other?.stop()
  })

  /** Requests to Redis so far: those that the bridge saw, or the collector's scripts. */
  async function requests(): Promise<number> {
    if (runtime !== 'collector') return bridge.requests
    const stats = await direct.info('commandstats')
    return Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1] ?? 0)
  }

  /** How many requests it takes, once key and script are known. */
  async function counted(act: () => Promise<unknown>): Promise<number> {
    const before = await requests()
    await act()
    return (await requests()) - before
  }

  it('it asks for rate limit and lock in one request, and stores the response in another', async () => {
    const { key } = harness.newKey()
    await harness.post(key, { event: 'warm' }, { 'idempotency-key': 'warm' })
    expect(await counted(() => harness.post(key, { event: 'a' }))).toBe(1)
    expect(await counted(() => harness.post(key, Array(1_000).fill({ event: 'a' })))).toBe(1)
    const once = { 'idempotency-key': 'once' }
    expect(await counted(() => harness.post(key, { event: 'a' }, once))).toBe(2)
    expect(await counted(() => harness.post(key, { event: 'a' }, once))).toBe(1)
    expect(await counted(() => harness.post(key, { event: 'other' }, once))).toBe(1)
    // A request that is refused before the rate limit costs nothing.
    expect(await counted(() => harness.post(key, 'nonsense'))).toBe(0)
  })

  it('it acquires the lock before anything is published, and gives lock and events back when publishing fails', async () => {
    const { key, record } = harness.newKey({
      key_events_per_minute: 3,
      tenant_events_per_minute: 3,
    })
    await harness.post(key, { event: 'warm' })
    const published = harness.gateway.requestCounts.produce
    harness.gateway.produceFaults.push('hang')
    const before = await requests()
    const doomed = harness.post(key, { event: 'a' }, { 'idempotency-key': 'k' })
    await expect.poll(() => harness.gateway.requestCounts.produce).toBe(published + 1)
    expect((await requests()) - before).toBe(1)
    // Sent to another edge it is still in flight.
    const { key: twin } = other.newKey(record)
    const inFlight = await other.post(twin, { event: 'a' }, { 'idempotency-key': 'k' })
    expect([inFlight.status, inFlight.json.code]).toEqual([409, 'IDEMPOTENCY_IN_FLIGHT'])
    expect((await doomed).status).toBe(503)
    // Lock and events were given back.
    const again = await other.post(twin, { event: 'a' }, { 'idempotency-key': 'k' })
    expect(again.status).toBe(202)
    expect((await other.post(twin, { event: 'a' })).status).toBe(202)
  })

  it('it shares its counts with every other edge: one bucket per key, one window per tenant', async () => {
    const limits = { key_events_per_minute: 10, tenant_events_per_minute: 15 }
    const tenant = `${runtime}-shared-${process.pid}`
    const shared = { ...limits, tenant, key_id: `${tenant}-a` }
    const { key: here } = harness.newKey(shared)
    const { key: there } = other.newKey(shared)
    const { key: second } = other.newKey({ ...shared, key_id: `${tenant}-b` })
    expect((await harness.post(here, Array(6).fill({ event: 'a' }))).status).toBe(202)
    const refused = await other.post(there, Array(5).fill({ event: 'a' }))
    expect([refused.status, refused.json.code]).toEqual([429, 'RATE_LIMITED'])
    expect(refused.headers.ratelimit).toMatch(/"key";r=4;t=\d+;pk=\S+, "tenant";r=9/)
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
    expect((await other.post(second, Array(9).fill({ event: 'a' }))).status).toBe(202)
    expect((await other.post(second, { event: 'a' })).status).toBe(429)
  })

  it('it replays the response to a request that another edge completed', async () => {
    const name = `${runtime}-twins-${process.pid}`
    const { key: here } = harness.newKey({ tenant: name, key_id: name })
    const { key: there } = other.newKey({ tenant: name, key_id: name })
    const once = { 'idempotency-key': '"with {braces} and spaces no"'.replaceAll(' ', '_') }
    const first = await harness.post(here, { event: 'žluť' }, once)
    const replayed = await other.post(there, { event: 'žluť' }, once)
    expect([replayed.status, replayed.text]).toEqual([202, first.text])
    expect(replayed.headers['idempotency-replayed']).toBe('true')
    expect(other.gateway.records).not.toContainEqual(expect.objectContaining({ key: name }))
  })

  it('it processes streams of lines with one lock and a limit per chunk, and another edge resumes them', async () => {
    const name = `${runtime}-lines-${process.pid}`
    const limits = { key_events_per_minute: 1_000, tenant_events_per_minute: 1_000 }
    const record = { tenant: name, key_id: name, ...limits }
    const { key: here } = harness.newKey(record)
    const { key: there } = other.newKey(record)
    const headers = { 'content-type': 'application/x-ndjson', 'idempotency-key': 'lines' }
    const lines = Array.from({ length: 1_200 }, (_, i) => `{"event":"a","n":${i}}`).join('\n')
    const first = await harness.post(here, lines, headers)
    expect([first.status, first.json.code, first.json.lines]).toEqual([429, 'RATE_LIMITED', 1_000])
    // The other edge reads what was completed, and waits for the rate limit with the rest.
    const second = await other.post(there, lines, headers)
    expect([second.status, second.json.code]).toEqual([429, 'RATE_LIMITED'])
    expect(second.json.lines).toBeGreaterThanOrEqual(1_000)
    const taken = [...harness.gateway.records, ...other.gateway.records]
    const ids = taken
      .filter(({ value }) => value.includes(name))
      .map(({ value }) => JSON.parse(value).event.event_id)
    expect(ids.length).toBeGreaterThanOrEqual(1_000)
    expect(new Set(ids).size).toBe(ids.length)
  })

  it('it works on after Redis was flushed, without what Redis has lost', async () => {
    const { key } = harness.newKey({ key_events_per_minute: 5, tenant_events_per_minute: 5 })
    const once = { 'idempotency-key': 'flushed' }
    const first = await harness.post(key, Array(5).fill({ event: 'a' }), once)
    expect((await harness.post(key, { event: 'a' })).status).toBe(429)
    await direct.flushall()
    await direct.script('FLUSH')
    const again = await harness.post(key, Array(5).fill({ event: 'a' }), once)
    expect([again.status, again.headers['sluice-degraded']]).toEqual([202, undefined])
    // It was published twice, with the same ids: Postgres counts them once.
    const ids = ({ json }: EdgeResponse) =>
      json.events.map((event: { event_id: string }) => event.event_id)
    expect(ids(again)).toEqual(ids(first))
  })

  it('it counts nothing where limits are turned off, and locks all the same', async () => {
    const free = await startEdgeOnRedis(runtime, { SLUICE_RATE_LIMITS: 'off' })
    try {
      const { key, record } = free.newKey({ key_events_per_minute: 1 })
      const once = { 'idempotency-key': 'k' }
      const responses = []
      for (let i = 0; i < 3; i++) responses.push(await free.post(key, { event: 'a' }, once))
      expect(responses.map(({ headers }) => headers['idempotency-replayed'])).toEqual([
        undefined,
        'true',
        'true',
      ])
      expect(responses[0]?.headers.ratelimit).toBeUndefined()
      expect((await free.post(key, [{ event: 'a' }, { event: 'b' }])).status).toBe(202)
      expect(await direct.keys(`sluice:{${record.tenant}}:*`)).toEqual([
        `sluice:{${record.tenant}}:claim:k`,
      ])
    } finally {
      await free.stop()
    }
  })

  it('every key that it writes to Redis expires', async () => {
    const { key, record } = harness.newKey()
    await harness.post(key, { event: 'a' }, { 'idempotency-key': 'k' })
    const names = await direct.keys(`sluice:{${record.tenant}}:*`)
    expect(names).toHaveLength(3)
    for (const name of names) {
      const ms = await direct.pttl(name)
      expect(ms).toBeGreaterThan(0)
      expect(ms).toBeLessThanOrEqual(31 * 60_000)
    }
  })

  it('it reports at /healthz whether it reaches Redis', async () => {
    const response = await fetch(`${harness.edge.url}/healthz`)
    expect(await response.json()).toEqual({
      status: 'ok',
      redis: { up: true, policy: 'local', requests_without: 0, forgotten: 0 },
    })
  })
})

describe.each(REMOTE_RUNTIMES)('keys that core has published, in %s', (runtime) => {
  let harness: EdgeOnRedis
  beforeAll(async () => {
    harness = await startEdgeOnRedis(runtime)
  })
  afterAll(() => harness?.stop())

  /** As core does it. @param ageMs since Redis was last known to agree with the truth */
  async function publish(key: string, record: KeyRecord, ageMs = 0) {
    await direct.set(REDIS_KEYS.apiKey(await sha256Hex(key)), JSON.stringify(record), 'PX', 60_000)
    await direct.set(REDIS_KEYS.apiKeysAsOf, Date.now() - ageMs, 'PX', 60_000)
  }
  const status = async (key: string) => (await harness.post(key, { event: 'a' })).status
  async function asked(act: () => Promise<unknown>): Promise<number> {
    const before = harness.gateway.requestCounts.keys
    await act()
    return harness.gateway.requestCounts.keys - before
  }

  it('they are accepted without asking core', async () => {
    const { key, record } = harness.newKey()
    await publish(key, record)
    expect(await asked(async () => expect(await status(key)).toBe(202))).toBe(0)
    // Core does not know this one.
    const stranger = mintApiKey('sec')
    await publish(stranger, { ...record, key_id: 'stranger' })
    expect(await asked(async () => expect(await status(stranger)).toBe(202))).toBe(0)
  })

  it('they are looked up in core when Redis has no copy, or none younger than 15 s', async () => {
    const { key } = harness.newKey()
    expect(await asked(async () => expect(await status(key)).toBe(202))).toBe(1)
    const { key: old, record } = harness.newKey()
    await publish(old, { ...record, revoked_at: '2026-11-21T09:00:00Z' }, 15_000)
    expect(await asked(async () => expect(await status(old)).toBe(202))).toBe(1)
    const unknown = mintApiKey('sec')
    expect(await asked(async () => expect(await status(unknown)).toBe(401))).toBe(1)
  })

  it('they are refused when Redis has the revocation and the cached record is 15 s old', async () => {
    const { key, record } = harness.newKey()
    await publish(key, record, 14_000)
    expect(await status(key)).toBe(202)
    await publish(key, { ...record, revoked_at: new Date().toISOString() })
    await expect.poll(() => status(key), { timeout: 3_000 }).toBe(401)
    expect(await asked(() => status(key))).toBe(0)
  })

  it('they are not trusted when the record has another shape', async () => {
    const { key, record } = harness.newKey()
    await publish(key, { ...record, scopes: 'ingest' } as never)
    expect(await asked(async () => expect(await status(key)).toBe(202))).toBe(1)
  })

  it('they are looked up in core while Redis is away', async () => {
    const { key, record } = harness.newKey()
    await publish(key, record)
    const reopen = await harness.line.refuse()
    expect(await asked(async () => expect(await status(key)).toBe(202))).toBe(1)
    await reopen()
  })

  it('made-up keys of an address are counted by all edges together, and no good key is refused for them', async () => {
    await forgetUnknownKeys()
    const other = await startEdgeOnRedis(runtime)
    const statusAt = async (edge: EdgeOnRedis, key: string) =>
      (await edge.post(key, { event: 'a' })).status
    try {
      const many = Array.from({ length: LIMITS.unknownKeysPerMinuteMax }, (_, i) =>
        statusAt(i % 2 === 0 ? harness : other, mintApiKey('sec')),
      )
      expect(new Set(await Promise.all(many))).toEqual(new Set([401]))
      // The one that is too many is still refused as unknown; from then on the edge knows. Two minutes may share them.
      await expect
        .poll(() => statusAt(other, mintApiKey('sec')), { interval: 1, timeout: 20_000 })
        .toBe(429)
      expect(await statusAt(other, other.newKey().key)).toBe(202)
      const names = await direct.keys(`${REDIS_KEYS.unknownKeys}:*`)
      expect(names.length).toBeGreaterThanOrEqual(1)
      for (const name of names) expect(await direct.pttl(name)).toBeGreaterThan(0)
    } finally {
      await other.stop()
      await forgetUnknownKeys()
    }
  })

  it('a made-up key is refused as ever while Redis is away', async () => {
    const reopen = await harness.line.refuse()
    expect(await status(mintApiKey('sec'))).toBe(401)
    await reopen()
  })

  async function forgetUnknownKeys() {
    const names = await direct.keys(`${REDIS_KEYS.unknownKeys}:*`)
    if (names.length > 0) await direct.del(...names)
  }
})

/** How Redis may be away, and how it is brought back. */
const OUTAGES: Record<string, (harness: EdgeOnRedis) => Promise<() => unknown> | (() => unknown)> =
  {
    'a line that swallows everything': ({ line }) => {
      line.blackHole = true
      return () => {
        line.blackHole = false
        line.cut()
      }
    },
    'a response after 400 ms': ({ line }) => {
      line.delayMs = 200
      return () => {
        line.delayMs = 0
      }
    },
    'a refused connection': refuse,
  }

function refuse({ line }: EdgeOnRedis) {
  return line.refuse()
}

describe.each(RUNTIMES)('without Redis, in %s', (runtime) => {
  describe.each(['fail-open', 'local', 'fail-closed'] as const)('and the policy "%s"', (policy) => {
    let harness: EdgeOnRedis
    beforeAll(async () => {
      harness = await startEdgeOnRedis(runtime, {
        SLUICE_REDIS_FAILURE_POLICY: policy,
        SLUICE_REDIS_TIMEOUT_MS: '',
      })
    })
    afterAll(() => harness?.stop())

    const linesOf = (of: EdgeOnRedis, what: RegExp) =>
      of.edge
        .log()
        .split('\n')
        .filter((line) => what.test(line)).length
    const healthOf = async (of: EdgeOnRedis) =>
      (await (await fetch(`${of.edge.url}/healthz`)).json()).redis

    it.each(Object.entries(OUTAGES))('with %s', async (_, cause) => {
      const { key } = harness.newKey({ key_events_per_minute: 50, tenant_events_per_minute: 50 })
      const warm = await harness.post(key, { event: 'warm' })
      expect([warm.status, warm.headers['sluice-degraded']]).toEqual([202, undefined])
      const before = {
        away: linesOf(harness, /does not answer/),
        back: linesOf(harness, /is back/),
      }
      const { requests_without: sinceStart } = await healthOf(harness)

      const restore = await cause(harness)
      harness.line.written.length = 0
      const responses: EdgeResponse[] = []
      const began = performance.now()
      for (let i = 0; i < 60; i++)
        responses.push(await harness.post(key, { event: 'a' }, { 'idempotency-key': `k${i >> 1}` }))
      const seconds = (performance.now() - began) / 1000
      for (const { headers } of responses)
        expect(headers['sluice-degraded']).toBe(`redis;policy=${policy}`)
      const statuses = responses.map(({ status }) => status)
      const replayed = responses.filter(({ headers }) => headers['idempotency-replayed']).length
      if (policy === 'fail-closed') {
        expect(new Set(statuses)).toEqual(new Set([503]))
        expect(responses[0]?.json.code).toBe('LIMITER_UNAVAILABLE')
        expect(responses[0]?.headers['retry-after']).toBe('2')
      } else if (policy === 'fail-open') {
        expect(new Set(statuses)).toEqual(new Set([202]))
        expect(replayed).toBe(0)
        expect(responses[0]?.headers.ratelimit).toBeUndefined()
      } else {
        // Every second response comes from memory, and costs nothing.
        expect(replayed).toBe(30)
        expect(new Set(statuses)).toEqual(new Set([202]))
        expect(responses.at(-1)?.headers.ratelimit).toMatch(/^"key";r=(19|2\d);/)
      }
      // One request a second probes Redis; the others do not ask it.
      const heads = harness.line.written.join('').match(/POST \/redis/g) ?? []
      expect(heads.length).toBeLessThanOrEqual(2 + seconds)
      if (cause === refuse) {
        await sleep(2_200)
        await harness.post(key, { event: 'a' })
      }
      expect(linesOf(harness, /does not answer/) - before.away).toBe(1)
      expect((await healthOf(harness)).up).toBe(false)

      await restore()
      await expect
        .poll(async () => (await harness.post(key, { event: 'a' })).headers['sluice-degraded'], {
          timeout: 10_000,
        })
        .toBeUndefined()
      expect(linesOf(harness, /is back/) - before.back).toBe(1)
      expect(harness.edge.log()).toMatch(/Redis is back after \d+ s; \d+ requests went without it/)
      const health = await healthOf(harness)
      expect(health.up).toBe(true)
      expect(health.requests_without - sinceStart).toBeGreaterThanOrEqual(60)
    })
  })
})
