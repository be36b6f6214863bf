import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { type KeyRecord, mintApiKey, sha256Hex } from '../../../contract/api-key.ts'
import { REDIS_KEYS } from '../../../contract/redis-rest.ts'
import type {} from '../../../tests/lib/engines.setup.ts'
import { startTestBridge, type TestBridge } from '../../../tests/lib/redis-bridge.ts'
import { startTcpProxy, type TcpProxy } from '../../../tests/lib/tcp-proxy.ts'
import { RUNTIMES, type RunningEdge, type Runtime, startEdge } from '../../testing/runtimes.ts'
import { type Answer, send } from '../../testing/send.ts'
import { type StubGateway, startStubGateway } from '../../testing/stub-gateway.ts'

let direct: Redis
let bridge: TestBridge
beforeAll(async () => {
  direct = new Redis(inject('redisUrl'))
  bridge = await startTestBridge(inject('redisUrl'), 10_000)
})
afterAll(async () => {
  await bridge.close()
  direct.disconnect()
})

const portOf = (url: string) => Number(new URL(url).port)

interface World {
  gateway: StubGateway
  edge: RunningEdge
  /** Between this edge and the bridge. */
  line: TcpProxy
  post(key: string, body: unknown, headers?: Record<string, string>): Promise<Answer>
  newKey(record?: Partial<KeyRecord>): { key: string; record: KeyRecord }
  stop(): Promise<void>
}

let tenants = 0

async function startWorld(runtime: Runtime, settings: Record<string, string> = {}): Promise<World> {
  const gateway = await startStubGateway()
  const line = await startTcpProxy(portOf(bridge.url))
  const edge = await startEdge(runtime, gateway, {
    SLUICE_REDIS_REST_URL: `http://127.0.0.1:${line.port}/redis`,
    SLUICE_REDIS_TOKEN: bridge.token,
    // What is not about time has plenty of it on a busy machine.
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
    // One Redis for all of them, so a tenant of one world must be none of another's.
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
  let world: World
  let other: World
  beforeAll(async () => {
    world = await startWorld(runtime)
    other = await startWorld(runtime)
  })
  afterAll(async () => {
    await world?.stop()
    await other?.stop()
  })

  /** How many requests the bridge sees for it, once key and script are known. */
  async function counted(act: () => Promise<unknown>): Promise<number> {
    const before = bridge.requests
    await act()
    return bridge.requests - before
  }

  it('asks for limits and lease in one request, and writes the answer down in another', async () => {
    const { key } = world.newKey()
    await world.post(key, { event: 'warm' }, { 'idempotency-key': 'warm' })
    expect(await counted(() => world.post(key, { event: 'a' }))).toBe(1)
    expect(await counted(() => world.post(key, Array(1_000).fill({ event: 'a' })))).toBe(1)
    const once = { 'idempotency-key': 'once' }
    expect(await counted(() => world.post(key, { event: 'a' }, once))).toBe(2)
    expect(await counted(() => world.post(key, { event: 'a' }, once))).toBe(1)
    expect(await counted(() => world.post(key, { event: 'other' }, once))).toBe(1)
    // What is refused before limits are asked costs nothing.
    expect(await counted(() => world.post(key, 'nonsense'))).toBe(0)
  })

  it('has asked for the lease before anything is published, and gives it and the events back', async () => {
    const { key, record } = world.newKey({ key_events_per_minute: 3, tenant_events_per_minute: 3 })
    await world.post(key, { event: 'warm' })
    const published = world.gateway.asked.produce
    world.gateway.produceMoods.push('hang')
    const before = bridge.requests
    const doomed = world.post(key, { event: 'a' }, { 'idempotency-key': 'k' })
    await expect.poll(() => world.gateway.asked.produce).toBe(published + 1)
    expect(bridge.requests - before).toBe(1)
    // Gone on with elsewhere it is still in flight.
    const { key: twin } = other.newKey(record)
    const inFlight = await other.post(twin, { event: 'a' }, { 'idempotency-key': 'k' })
    expect([inFlight.status, inFlight.json.code]).toEqual([409, 'IDEMPOTENCY_IN_FLIGHT'])
    expect((await doomed).status).toBe(503)
    // Lease and events were given back.
    const again = await other.post(twin, { event: 'a' }, { 'idempotency-key': 'k' })
    expect(again.status).toBe(202)
    expect((await other.post(twin, { event: 'a' })).status).toBe(202)
  })

  it('counts with every other edge: one bucket a key, one window a tenant', async () => {
    const limits = { key_events_per_minute: 10, tenant_events_per_minute: 15 }
    const tenant = `${runtime}-shared-${process.pid}`
    const shared = { ...limits, tenant, key_id: `${tenant}-a` }
    const { key: here } = world.newKey(shared)
    const { key: there } = other.newKey(shared)
    const { key: second } = other.newKey({ ...shared, key_id: `${tenant}-b` })
    expect((await world.post(here, Array(6).fill({ event: 'a' }))).status).toBe(202)
    const refused = await other.post(there, Array(5).fill({ event: 'a' }))
    expect([refused.status, refused.json.code]).toEqual([429, 'RATE_LIMITED'])
    expect(refused.headers.ratelimit).toMatch(/"key";r=4;t=\d+;pk=\S+, "tenant";r=9/)
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
    expect((await other.post(second, Array(9).fill({ event: 'a' }))).status).toBe(202)
    expect((await other.post(second, { event: 'a' })).status).toBe(429)
  })

  it('answers what another edge has done already', async () => {
    const name = `${runtime}-twins-${process.pid}`
    const { key: here } = world.newKey({ tenant: name, key_id: name })
    const { key: there } = other.newKey({ tenant: name, key_id: name })
    const once = { 'idempotency-key': '"with {braces} and spaces no"'.replaceAll(' ', '_') }
    const first = await world.post(here, { event: 'žluť' }, once)
    const replayed = await other.post(there, { event: 'žluť' }, once)
    expect([replayed.status, replayed.text]).toEqual([202, first.text])
    expect(replayed.headers['idempotency-replayed']).toBe('true')
    expect(other.gateway.taken).not.toContainEqual(expect.objectContaining({ key: name }))
  })

  it('takes streams of lines: one lease for all, limits for each part, and goes on elsewhere', async () => {
    const name = `${runtime}-lines-${process.pid}`
    const limits = { key_events_per_minute: 1_000, tenant_events_per_minute: 1_000 }
    const record = { tenant: name, key_id: name, ...limits }
    const { key: here } = world.newKey(record)
    const { key: there } = other.newKey(record)
    const headers = { 'content-type': 'application/x-ndjson', 'idempotency-key': 'lines' }
    const lines = Array.from({ length: 1_200 }, (_, i) => `{"event":"a","n":${i}}`).join('\n')
    const first = await world.post(here, lines, headers)
    expect([first.status, first.json.code, first.json.lines]).toEqual([429, 'RATE_LIMITED', 1_000])
    // The other edge reads what was done, and waits for its turn with the rest.
    const second = await other.post(there, lines, headers)
    expect([second.status, second.json.code]).toEqual([429, 'RATE_LIMITED'])
    expect(second.json.lines).toBeGreaterThanOrEqual(1_000)
    const taken = [...world.gateway.taken, ...other.gateway.taken]
    const ids = taken
      .filter(({ value }) => value.includes(name))
      .map(({ value }) => JSON.parse(value).event.event_id)
    expect(ids.length).toBeGreaterThanOrEqual(1_000)
    expect(new Set(ids).size).toBe(ids.length)
  })

  it('does not notice that Redis was flushed, but for what it has forgotten', async () => {
    const { key } = world.newKey({ key_events_per_minute: 5, tenant_events_per_minute: 5 })
    const once = { 'idempotency-key': 'flushed' }
    const first = await world.post(key, Array(5).fill({ event: 'a' }), once)
    expect((await world.post(key, { event: 'a' })).status).toBe(429)
    await direct.flushall()
    await direct.script('FLUSH')
    const again = await world.post(key, Array(5).fill({ event: 'a' }), once)
    expect([again.status, again.headers['sluice-degraded']]).toEqual([202, undefined])
    // It was done twice, with the same ids: Postgres counts them once.
    const ids = ({ json }: Answer) =>
      json.events.map((event: { event_id: string }) => event.event_id)
    expect(ids(again)).toEqual(ids(first))
  })

  it('counts nothing where limits are turned off, and lends all the same', async () => {
    const free = await startWorld(runtime, { SLUICE_RATE_LIMITS: 'off' })
    try {
      const { key, record } = free.newKey({ key_events_per_minute: 1 })
      const once = { 'idempotency-key': 'k' }
      const answers = []
      for (let i = 0; i < 3; i++) answers.push(await free.post(key, { event: 'a' }, once))
      expect(answers.map(({ headers }) => headers['idempotency-replayed'])).toEqual([
        undefined,
        'true',
        'true',
      ])
      expect(answers[0]?.headers.ratelimit).toBeUndefined()
      expect((await free.post(key, [{ event: 'a' }, { event: 'b' }])).status).toBe(202)
      expect(await direct.keys(`sluice:{${record.tenant}}:*`)).toEqual([
        `sluice:{${record.tenant}}:claim:k`,
      ])
    } finally {
      await free.stop()
    }
  })

  it('leaves nothing in Redis for ever', async () => {
    const { key, record } = world.newKey()
    await world.post(key, { event: 'a' }, { 'idempotency-key': 'k' })
    const names = await direct.keys(`sluice:{${record.tenant}}:*`)
    expect(names).toHaveLength(3)
    for (const name of names) {
      const ms = await direct.pttl(name)
      expect(ms).toBeGreaterThan(0)
      expect(ms).toBeLessThanOrEqual(31 * 60_000)
    }
  })

  it('says at /healthz how it stands with Redis', async () => {
    const response = await fetch(`${world.edge.url}/healthz`)
    expect(await response.json()).toEqual({
      status: 'ok',
      redis: { up: true, policy: 'local', requests_without: 0, forgotten: 0 },
    })
  })
})

describe.each(RUNTIMES)('keys that core has published, in %s', (runtime) => {
  let world: World
  beforeAll(async () => {
    world = await startWorld(runtime)
  })
  afterAll(() => world?.stop())

  /** As core does it. @param ageMs since Redis was last known to agree with the truth */
  async function publish(key: string, record: KeyRecord, ageMs = 0) {
    await direct.set(REDIS_KEYS.apiKey(await sha256Hex(key)), JSON.stringify(record), 'PX', 60_000)
    await direct.set(REDIS_KEYS.apiKeysAsOf, Date.now() - ageMs, 'PX', 60_000)
  }
  const status = async (key: string) => (await world.post(key, { event: 'a' })).status
  async function asked(act: () => Promise<unknown>): Promise<number> {
    const before = world.gateway.asked.keys
    await act()
    return world.gateway.asked.keys - before
  }

  it('are good without asking core', async () => {
    const { key, record } = world.newKey()
    await publish(key, record)
    expect(await asked(async () => expect(await status(key)).toBe(202))).toBe(0)
    // Core knows nothing of this one.
    const stranger = mintApiKey('sec')
    await publish(stranger, { ...record, key_id: 'stranger' })
    expect(await asked(async () => expect(await status(stranger)).toBe(202))).toBe(0)
  })

  it('are asked for when they are not there, or when nobody has compared them for 15 s', async () => {
    const { key } = world.newKey()
    expect(await asked(async () => expect(await status(key)).toBe(202))).toBe(1)
    const { key: old, record } = world.newKey()
    await publish(old, { ...record, revoked_at: '2026-11-21T09:00:00Z' }, 15_000)
    expect(await asked(async () => expect(await status(old)).toBe(202))).toBe(1)
    const unknown = mintApiKey('sec')
    expect(await asked(async () => expect(await status(unknown)).toBe(401))).toBe(1)
  })

  it('that were revoked are refused as soon as Redis says so and the last answer is 15 s old', async () => {
    const { key, record } = world.newKey()
    await publish(key, record, 14_000)
    expect(await status(key)).toBe(202)
    await publish(key, { ...record, revoked_at: new Date().toISOString() })
    await expect.poll(() => status(key), { timeout: 3_000 }).toBe(401)
    expect(await asked(() => status(key))).toBe(0)
  })

  it('of another form than agreed are not believed', async () => {
    const { key, record } = world.newKey()
    await publish(key, { ...record, scopes: 'ingest' } as never)
    expect(await asked(async () => expect(await status(key)).toBe(202))).toBe(1)
  })

  it('are asked of core while Redis is away', async () => {
    const { key, record } = world.newKey()
    await publish(key, record)
    const reopen = await world.line.refuse()
    expect(await asked(async () => expect(await status(key)).toBe(202))).toBe(1)
    await reopen()
  })
})

/** How Redis may be away, and how it is brought back. */
const WAYS: Record<string, (world: World) => Promise<() => unknown> | (() => unknown)> = {
  'a line that swallows everything': ({ line }) => {
    line.hole = true
    return () => {
      line.hole = false
      line.cut()
    }
  },
  'an answer that comes after 400 ms': ({ line }) => {
    line.delayMs = 200
    return () => {
      line.delayMs = 0
    }
  },
  'a refused connection': refuse,
}

function refuse({ line }: World) {
  return line.refuse()
}

describe.each(RUNTIMES)('without Redis, in %s', (runtime) => {
  describe.each(['fail-open', 'local', 'fail-closed'] as const)('and the policy "%s"', (policy) => {
    let world: World
    beforeAll(async () => {
      world = await startWorld(runtime, {
        SLUICE_REDIS_FAILURE_POLICY: policy,
        SLUICE_REDIS_TIMEOUT_MS: '',
      })
    })
    afterAll(() => world?.stop())

    const linesOf = (of: World, what: RegExp) =>
      of.edge
        .log()
        .split('\n')
        .filter((line) => what.test(line)).length
    const healthOf = async (of: World) =>
      (await (await fetch(`${of.edge.url}/healthz`)).json()).redis

    it.each(Object.entries(WAYS))('with %s', async (_, takeAway) => {
      const { key } = world.newKey({ key_events_per_minute: 50, tenant_events_per_minute: 50 })
      const warm = await world.post(key, { event: 'warm' })
      expect([warm.status, warm.headers['sluice-degraded']]).toEqual([202, undefined])
      const before = { away: linesOf(world, /does not answer/), back: linesOf(world, /is back/) }
      const { requests_without: sinceStart } = await healthOf(world)

      const bringBack = await takeAway(world)
      world.line.written.length = 0
      const answers: Answer[] = []
      const began = performance.now()
      for (let i = 0; i < 60; i++)
        answers.push(await world.post(key, { event: 'a' }, { 'idempotency-key': `k${i >> 1}` }))
      const seconds = (performance.now() - began) / 1000
      for (const { headers } of answers)
        expect(headers['sluice-degraded']).toBe(`redis;policy=${policy}`)
      const statuses = answers.map(({ status }) => status)
      const replayed = answers.filter(({ headers }) => headers['idempotency-replayed']).length
      if (policy === 'fail-closed') {
        expect(new Set(statuses)).toEqual(new Set([503]))
        expect(answers[0]?.json.code).toBe('LIMITER_UNAVAILABLE')
        expect(answers[0]?.headers['retry-after']).toBe('2')
      } else if (policy === 'fail-open') {
        expect(new Set(statuses)).toEqual(new Set([202]))
        expect(replayed).toBe(0)
        expect(answers[0]?.headers.ratelimit).toBeUndefined()
      } else {
        // Each second one is answered from memory, and takes nothing.
        expect(replayed).toBe(30)
        expect(new Set(statuses)).toEqual(new Set([202]))
        expect(answers.at(-1)?.headers.ratelimit).toMatch(/^"key";r=(19|2\d);/)
      }
      // One request a second finds out that Redis is still away; the others do not even ask.
      const heads = world.line.written.join('').match(/POST \/redis/g) ?? []
      expect(heads.length).toBeLessThanOrEqual(2 + seconds)
      if (takeAway === refuse) {
        await sleep(2_200)
        await world.post(key, { event: 'a' })
      }
      expect(linesOf(world, /does not answer/) - before.away).toBe(1)
      expect((await healthOf(world)).up).toBe(false)

      await bringBack()
      await expect
        .poll(async () => (await world.post(key, { event: 'a' })).headers['sluice-degraded'], {
          timeout: 10_000,
        })
        .toBeUndefined()
      expect(linesOf(world, /is back/) - before.back).toBe(1)
      expect(world.edge.log()).toMatch(/Redis is back after \d+ s; \d+ requests went without it/)
      const health = await healthOf(world)
      expect(health.up).toBe(true)
      expect(health.requests_without - sinceStart).toBeGreaterThanOrEqual(60)
    })
  })
})
