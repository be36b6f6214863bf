import { setTimeout as pause } from 'node:timers/promises'
import { expect, it, type TestContext } from 'vitest'
import { LIMITS } from '../../contract/limits.ts'
import { RUNTIMES, startEdge } from '../testing/runtimes.ts'
import { send } from '../testing/send.ts'
import { type StubGateway, startStubGateway } from '../testing/stub-gateway.ts'

/** The promise is 60 s. These wait by the clock, so all of it goes on at once. */
const TEST_MS = 60_000
const SLACK_MS = 1_500

/** Every runtime's edge, one directory, and what each edge answers to a key. */
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

/** How long, in ms, until each edge refuses the key; in between none may answer anything but yes and no. */
async function untilRefused(statuses: (key: string) => Promise<number[]>, key: string) {
  const start = performance.now()
  for (;;) {
    const texts = await statuses(key)
    expect(new Set([...texts, 202, 401])).toEqual(new Set([202, 401]))
    if (texts.every((status) => status === 401)) return performance.now() - start
    await pause(200)
  }
}

const everywhere = (status: number) => RUNTIMES.map(() => status)

it.concurrent(
  'a revoked key is refused everywhere before a quarter of its minute has passed',
  async (test) => {
    const { gateway, statuses } = await setUp(test)
    const { key, record } = gateway.addKey()
    expect(await statuses(key)).toEqual(everywhere(202))
    // Sent all the time: that must not keep it fresh.
    record.revoked_at = new Date().toISOString()
    const ms = await untilRefused(statuses, key)
    expect(ms).toBeLessThan(LIMITS.keyCacheFreshMs + SLACK_MS)
  },
  TEST_MS,
)

it.concurrent(
  'a key that was revoked while the directory was down is refused as soon as that is back',
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
    // Each was told "no answer" at least once by now.
    expect(gateway.requestCounts.keys).toBeGreaterThanOrEqual(2 * RUNTIMES.length)
    gateway.keyFaults.length = 0
    expect(await untilRefused(statuses, key)).toBeLessThan(LIMITS.keyLookupMsMax + SLACK_MS)
  },
  TEST_MS,
)

it.concurrent(
  'a key whose time is over is refused at once, whatever was remembered of it',
  async (test) => {
    const { gateway, statuses } = await setUp(test)
    const { key } = gateway.addKey({ expires_at: new Date(Date.now() + 3_000).toISOString() })
    expect(await statuses(key)).toEqual(everywhere(202))
    expect(await untilRefused(statuses, key)).toBeLessThan(3_000 + SLACK_MS)
  },
  TEST_MS,
)

function silence({ keyFaults: keyMoods }: StubGateway): void {
  keyMoods.push(...Array.from({ length: 1_000 }, () => ({ status: 503 })))
}
