import { setTimeout as pause } from 'node:timers/promises'
import { expect, it, type TestContext } from 'vitest'
import { LIMITS } from '../../contract/limits.ts'
import { RUNTIMES, startEdge } from '../testing/runtimes.ts'
import { send } from '../testing/send.ts'
import { type StubGateway, startStubGateway } from '../testing/stub-gateway.ts'

/** The guarantee is 60 s. These tests wait in real time, so they run concurrently. */
const TEST_MS = 60_000
/** For a busy machine; the next step of a revocation would come far later. */
const SLACK_MS = 10_000

/** An edge in every runtime with one directory. @returns the status of each edge for a key */
async function setUp({ onTestFinished }: TestContext) {
  const gateway = await startStubGateway()
  const edges = await Promise.all(RUNTIMES.map((runtime) => startEdge(runtime, gateway)))
  onTestFinished(async () => {
    await Promise.all(edges.map((edge) => edge.stop()))
    await gateway.close()
  })
  const statuses = (key: string) =>
    Promise.all(
      edges.map(async ({ port }) => {
        const headers = { authorization: `Bearer ${key}` }
        return (await send(port, { headers, body: '{"event":"a"}' })).status
      }),
    )
  return { gateway, statuses }
}

/** Milliseconds until every edge rejects the key; until then each response must be 202 or 401. */
async function untilRejected(statuses: (key: string) => Promise<number[]>, key: string) {
  const start = performance.now()
  for (;;) {
    const current = await statuses(key)
    expect(new Set([...current, 202, 401])).toEqual(new Set([202, 401]))
    if (current.every((status) => status === 401)) return performance.now() - start
    await pause(200)
  }
}

const everywhere = (status: number) => RUNTIMES.map(() => status)

it.concurrent(
  'a revoked key is rejected in every runtime within keyCacheFreshMs',
  async (test) => {
    const { gateway, statuses } = await setUp(test)
    const { key, record } = gateway.addKey()
    expect(await statuses(key)).toEqual(everywhere(202))
    // Constant use of the key must not extend its time in the cache.
    record.revoked_at = new Date().toISOString()
    const ms = await untilRejected(statuses, key)
    expect(ms).toBeLessThan(LIMITS.keyCacheFreshMs + SLACK_MS)
  },
  TEST_MS,
)

it.concurrent(
  'a key revoked while the directory is unavailable is rejected as soon as the directory is back',
  async (test) => {
    const { gateway, statuses } = await setUp(test)
    const { key, record } = gateway.addKey()
    expect(await statuses(key)).toEqual(everywhere(202))
    record.revoked_at = new Date().toISOString()
    silence(gateway)
    const start = performance.now()
    while (performance.now() - start < LIMITS.keyCacheFreshMs + 3_000) {
      expect(await statuses(key)).toEqual(everywhere(202))
      await pause(500)
    }
    // By now each edge has had at least one failed look-up.
    expect(gateway.requestCounts.keys).toBeGreaterThanOrEqual(2 * RUNTIMES.length)
    gateway.keyFaults.length = 0
    expect(await untilRejected(statuses, key)).toBeLessThan(LIMITS.keyLookupMsMax + SLACK_MS)
  },
  TEST_MS,
)

it.concurrent(
  'an expired key is rejected at once, although it is cached',
  async (test) => {
    const { gateway, statuses } = await setUp(test)
    const { key } = gateway.addKey({ expires_at: new Date(Date.now() + 3_000).toISOString() })
    expect(await statuses(key)).toEqual(everywhere(202))
    expect(await untilRejected(statuses, key)).toBeLessThan(3_000 + SLACK_MS)
  },
  TEST_MS,
)

function silence({ keyFaults: keyMoods }: StubGateway): void {
  keyMoods.push(...Array.from({ length: 1_000 }, () => ({ status: 503 })))
}
