import { expect, it } from 'vitest'
import { mintApiKey } from '../../../contract/api-key.ts'
import { LIMITS } from '../../../contract/limits.ts'
import { describeEdges } from '../../testing/edge-harness.ts'

const most = LIMITS.unknownKeysPerMinuteMax

describeEdges('a flood of invented keys', (harness) => {
  it('reaches the directory seldom and turns no good key from the same address away for good', async () => {
    const good = harness.newKey()
    expect((await harness.post(good, { event: 'a' })).status).toBe(202)
    const requestsBefore = harness.gateway.requestCounts.keys
    const start = performance.now()
    const flood = Array.from({ length: 4 * most }, (_, i) =>
      // Forwarding headers do not change the client's address.
      harness.post(
        mintApiKey('sec'),
        { event: 'a' },
        {
          headers: {
            'cf-connecting-ip': `192.0.2.${i % 256}`,
            'x-forwarded-for': `192.0.2.${i % 256}`,
            'x-real-ip': `192.0.2.${i % 256}`,
            forwarded: `for=192.0.2.${i % 256}`,
          },
        },
      ),
    )
    const others = Array.from({ length: 20 }, () => harness.post(good, { event: 'a' }))
    const responses = await Promise.all(flood)
    // One more look-up is allowed every 600 ms, and one over the limit has its turn every 100 ms.
    const passed = performance.now() - start
    const unlimited = most + Math.ceil((passed / 60_000) * most)
    const allowed =
      unlimited + Math.ceil((passed + LIMITS.lookupWaitMsMax) / LIMITS.lookupOverLimitMs) + 1
    expect(harness.gateway.requestCounts.keys - requestsBefore).toBeGreaterThanOrEqual(most)
    expect(harness.gateway.requestCounts.keys - requestsBefore).toBeLessThanOrEqual(allowed)
    for (const { status } of await Promise.all(others)) expect(status).toBe(202)

    const codes = (status: number) => responses.filter((response) => response.status === status)
    const [rejected, unknown, waited] = [codes(429), codes(401), codes(503)]
    expect(unknown.length).toBeLessThanOrEqual(unlimited)
    expect(rejected.length).toBeGreaterThan(0)
    expect(rejected.length + unknown.length + waited.length).toBe(4 * most)
    const { json, headers } = rejected.at(-1) ?? {}
    expect(json.code).toBe('RATE_LIMITED')
    expect(json.detail).toContain('unknown API keys')
    expect(Number(headers?.['retry-after'])).toBeGreaterThanOrEqual(1)
    for (const { json } of waited) expect(json.code).toBe('KEYS_UNAVAILABLE')

    // A good key that this edge does not know yet comes from the same address, in the middle of the flood.
    const late = harness.newKey()
    const made = Array.from({ length: 5 }, () => harness.post(mintApiKey('sec'), { event: 'a' }))
    const statuses: number[] = []
    await expect
      .poll(
        async () => {
          const { status } = await harness.post(late, { event: 'a' })
          statuses.push(status)
          return status
        },
        { timeout: 15_000, interval: 500 },
      )
      .toBe(202)
    await Promise.all(made)
    expect(statuses).not.toContain(429)
    const log = harness.edge.log()
    expect(log).toContain('"security":{"name":"limit-exceeded","outcome":"denied"')
    expect(log).not.toMatch(/192\.0\.2|slc_/)
  })
})
