import { setTimeout as pause } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { mintApiKey } from '../../../contract/api-key.ts'
import { LIMITS } from '../../../contract/limits.ts'
import { describeEdges } from '../../testing/edge-harness.ts'

const most = LIMITS.unknownKeysPerMinuteMax

describeEdges('a flood of invented keys', (harness) => {
  it('reaches the directory at most a hundred times a minute and does not affect cached keys', async () => {
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
    // One more look-up is allowed every 600 ms.
    const allowed = most + Math.ceil(((performance.now() - start) / 60_000) * most)
    expect(harness.gateway.requestCounts.keys - requestsBefore).toBeGreaterThanOrEqual(most)
    expect(harness.gateway.requestCounts.keys - requestsBefore).toBeLessThanOrEqual(allowed)
    for (const { status } of await Promise.all(others)) expect(status).toBe(202)

    const rejected = responses.filter(({ status }) => status === 429)
    const unknown = responses.filter(({ status }) => status === 401)
    expect(unknown.length).toBeLessThanOrEqual(allowed)
    expect(rejected.length + unknown.length).toBe(4 * most)
    const { json, headers } = rejected.at(-1) ?? {}
    expect(json.code).toBe('RATE_LIMITED')
    expect(json.detail).toContain('unknown API keys')
    expect(Number(headers?.['retry-after'])).toBeGreaterThanOrEqual(1)

    // A valid key that is not cached has to wait too, but no longer than Retry-After.
    const { late, waiting } = await rejectedKey()
    await pause(Number(waiting.headers['retry-after']) * 1000)
    expect((await harness.post(late, { event: 'a' })).status).toBe(202)
    const log = harness.edge.log().replace(/^edge on .*$/m, '')
    expect(log).not.toMatch(/127\.0\.0\.1|192\.0\.2|::1|slc_/)
  })

  /** On a slow machine a look-up may become available between flood and key: then it tries again with both. */
  async function rejectedKey() {
    for (let tries = 0; tries < 20; tries++) {
      const late = harness.newKey()
      const made = Array.from({ length: 5 }, () => harness.post(mintApiKey('sec'), { event: 'a' }))
      await Promise.all(made)
      const waiting = await harness.post(late, { event: 'a' })
      if (waiting.status === 429) return { late, waiting }
    }
    throw new Error('no valid key was rejected')
  }
})
