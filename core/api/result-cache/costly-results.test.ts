import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { tenantViewer } from '../../identity/viewer.ts'
import { QUERY_LIMITS } from '../../queries/limits.ts'
import { createQueryFixture, type QueryFixture } from '../graphql/testing/fixture.ts'
import { createInvalidation, type Invalidation } from './invalidation.ts'
import { createMemoryStore } from './memory-store.ts'
import { createResultCache } from './result-cache.ts'

let fixture: QueryFixture
let invalidation: Invalidation
let headers: Record<string, string>
beforeAll(async () => {
  fixture = await createQueryFixture(['default', 'other'], ({ db, databaseUrl }) => {
    invalidation = createInvalidation({ databaseUrl, logger: { warn() {} } })
    return createResultCache({ db, store: createMemoryStore(), invalidation })
  })
  headers = await fixture.keyOf('default')
  await fixture.store('default', [
    { occurredAt: '2026-11-10T10:00:00Z', actor: 'ann', name: 'order' },
  ])
  await vi.waitFor(() => {
    if (!invalidation.unchanged(99, { startMs: 0, endMs: 1 }, Date.now()))
      throw new Error('not yet')
  })
})
afterAll(async () => {
  await invalidation.close()
  await fixture.close()
})

/** Of events if it counts actors, of rollups if not. */
const query = (aggregate: string) => `{ metrics(name: "order", startTime: "2026-11-10T00:00:00Z",
  endTime: "2026-11-11T00:00:00Z", interval: DAY, aggregate: ${aggregate}) { value } }`
const countOf = async (aggregate: string) =>
  (await fixture.execute(query(aggregate), headers)).data.metrics[0].value

/** Executes the query while nobody can read the table for a while. */
async function executeSlowly(aggregate: string, table: string) {
  const client = await fixture.database.pool.connect()
  await client.query(`BEGIN; LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`)
  const value = countOf(aggregate)
  await new Promise((resolve) => setTimeout(resolve, 2 * QUERY_LIMITS.cacheCostMsMin))
  await client.query('ROLLBACK')
  client.release()
  return value
}

test('an expensive result of single events is kept while others are stored, a result of rollups is not', async () => {
  expect(await executeSlowly('UNIQUES', 'event')).toBe(1)
  expect(await executeSlowly('COUNT', 'rollup_15m')).toBe(1)
  await fixture.store('default', [
    { occurredAt: '2026-11-10T10:01:00Z', actor: 'bob', name: 'order' },
  ])
  await expect.poll(() => countOf('COUNT')).toBe(2)
  const kept = await fixture.execute(query('UNIQUES'), headers)
  expect(kept.data.metrics[0].value).toBe(1)
  expect(kept.extensions).not.toMatchObject({ cache: { ageMs: 0 } })
})

test('a result is kept for a multiple of what it cost, within limits', async () => {
  let at = 1_000_000
  const stored: number[] = []
  const memory = createMemoryStore({ now: () => at })
  const cache = createResultCache({
    db: fixture.db,
    store: {
      get: memory.get,
      async set(name, bytes, ms) {
        await memory.set(name, bytes, ms)
        stored.push(ms)
      },
    },
    invalidation: { unchanged: () => false, close: async () => {} },
    now: () => at,
  })
  const viewer = await tenantViewer(fixture.db, { kind: 'SESSION' }, 'default')
  const { cacheCostMsMin, cacheCostMultiple, cacheCostlyMsMax } = QUERY_LIMITS
  const keptMs = async (costMs: number) => {
    const range = { start: '2026-11-10T00:00:00Z', end: '2026-11-11T00:00:00Z' }
    const cached = {
      viewer: { kind: 'SESSION' as const },
      query: `${costMs}`,
      variables: {},
      operationName: null,
    }
    const dependencies = [{ viewer, range, interval: 'DAY' as const, final: true }]
    const before = stored.length
    await cache.set(cached, { data: {}, extensions: {}, dependencies, costMs }, at)
    await expect.poll(() => stored.length).toBe(before + 1)
    const began = at
    while ((await cache.get(cached)) !== undefined) at += 500
    return at - began
  }
  expect(await keptMs(cacheCostMsMin - 1)).toBe(0)
  expect(await keptMs(cacheCostMsMin)).toBe(cacheCostMsMin * cacheCostMultiple)
  expect(await keptMs(1_000)).toBe(1_000 * cacheCostMultiple)
  expect(await keptMs(9_000)).toBe(cacheCostlyMsMax)
  // The store keeps it for as long as it is served.
  expect(Math.min(...stored.slice(1))).toBeGreaterThanOrEqual(cacheCostMsMin * cacheCostMultiple)
})
