import { setTimeout as pause } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { describeEdges } from '../../testing/edge-harness.ts'
import { startEdge } from '../../testing/runtimes.ts'
import { send } from '../../testing/send.ts'

const events = (count: number) => Array.from({ length: count }, () => ({ event: 'a' }))

describeEdges('the rate limit', (harness) => {
  it('counts events, not requests', async () => {
    const key = harness.newKey({ key_events_per_minute: 10, tenant_events_per_minute: 100 })
    const first = await harness.post(key, events(9))
    expect(first.status).toBe(202)
    const [, ofKey, ofTenant] =
      /^"key";q=10;w=60;pk=(:[\w+/]{12}:), "tenant";q=100;w=60;pk=(:[\w+/]{12}:)$/.exec(
        String(first.headers['ratelimit-policy']),
      ) ?? []
    expect([first.headers.ratelimit]).toEqual([
      expect.stringMatching(/^"key";r=1;t=5[345];pk=:.{12}:, "tenant";r=91;t=\d+;pk=:.{12}:$/),
    ])
    expect(first.headers.ratelimit).toContain(`pk=${ofKey}, "tenant"`)
    expect(first.headers.ratelimit).toContain(`pk=${ofTenant}`)
    expect(ofTenant).not.toBe(ofKey)
    const tooMany = await harness.post(key, events(2))
    expect(tooMany.status).toBe(429)
    expect(tooMany.json.code).toBe('RATE_LIMITED')
    // Two events need one more token, and one comes every six seconds.
    expect(Number(tooMany.headers['retry-after'])).toBeGreaterThanOrEqual(5)
    expect(Number(tooMany.headers['retry-after'])).toBeLessThanOrEqual(6)
    // A rejected request is not charged.
    expect((await harness.post(key, events(1))).status).toBe(202)
    expect((await harness.post(key, events(1))).status).toBe(429)
  })

  it('admits the same request after Retry-After seconds', async () => {
    const key = harness.newKey({ key_events_per_minute: 30, tenant_events_per_minute: 1_000 })
    expect((await harness.post(key, events(30))).status).toBe(202)
    const rejected = await harness.post(key, events(1))
    const wait = Number(rejected.headers['retry-after'])
    expect(wait).toBe(2)
    await pause(wait * 1000)
    expect((await harness.post(key, events(1))).status).toBe(202)
  })

  it('applies to all keys of a tenant together', async () => {
    const limits = { tenant: 'shared', key_events_per_minute: 50, tenant_events_per_minute: 60 }
    const [first, second] = [harness.newKey(limits), harness.newKey(limits)]
    expect((await harness.post(first, events(50))).status).toBe(202)
    const rejected = await harness.post(second, events(11))
    expect(rejected.status).toBe(429)
    expect(rejected.headers.ratelimit).toMatch(/"key";r=50;t=0;pk=:.{12}:, "tenant";r=10;/)
    expect(Number(rejected.headers['retry-after'])).toBeGreaterThanOrEqual(1)
    expect((await harness.post(second, events(10))).status).toBe(202)
    expect((await harness.post(harness.newKey(), events(100))).status).toBe(202)
  })

  it('rejects a batch that exceeds the limit with 422 instead of 429', async () => {
    const key = harness.newKey({ key_events_per_minute: 100, tenant_events_per_minute: 20 })
    const rejected = await harness.post(key, events(21))
    expect(rejected.status).toBe(422)
    expect(rejected.json.code).toBe('BATCH_OVER_LIMIT')
    expect(rejected.json.detail).toMatch(/21 events.*more than 20/)
    expect(rejected.headers['retry-after']).toBeUndefined()
    expect((await harness.post(key, events(20))).status).toBe(202)
  })

  it('counts invalid events, but no events that could not be published', async () => {
    const key = harness.newKey({ key_events_per_minute: 3 })
    expect((await harness.post(key, [{}, {}])).status).toBe(422)
    harness.gateway.produceFaults.push({ status: 500 }, { status: 500 })
    expect((await harness.post(key, events(1))).status).toBe(503)
    expect((await harness.post(key, events(1))).status).toBe(202)
    expect((await harness.post(key, events(1))).status).toBe(429)
  })

  it('can be turned off, which also removes its headers', async () => {
    const key = harness.newKey({ key_events_per_minute: 1, tenant_events_per_minute: 1 })
    const edge = await startEdge(harness.runtime, harness.gateway, { SLUICE_RATE_LIMITS: 'off' })
    try {
      const headers = { authorization: `Bearer ${key}` }
      for (let i = 0; i < 3; i++) {
        const response = await send(edge.port, { headers, body: JSON.stringify(events(3)) })
        expect(response.status).toBe(202)
        expect(
          Object.keys(response.headers).filter((name) => name.startsWith('ratelimit')),
        ).toEqual([])
      }
    } finally {
      await edge.stop()
    }
  })

  it('is not charged by requests with an invalid key', async () => {
    const key = harness.newKey({ key_events_per_minute: 1 })
    for (let i = 0; i < 3; i++) await harness.post(`${key.slice(0, -1)}!`, events(1))
    expect((await harness.post(key, events(1))).status).toBe(202)
  })
})
