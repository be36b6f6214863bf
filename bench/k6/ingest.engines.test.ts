import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  createTestHome,
  sendEvent,
  type TestHome,
  type TestSluice,
} from '../../core/testing/sluice.ts'
import { attack } from './attack.ts'
import { findOrBuildK6, whyNoK6 } from './binary.ts'
import { sum } from './oracle.ts'
import { makeTenants, type System } from './system.ts'

/** A minute in CI, five as documented: `npm run k6`. */
const SECONDS = Number(process.env.K6_SECONDS ?? 60)
const RATE = 1_000
const missing = await whyNoK6()
if (missing && process.env.CI) throw new Error(`k6 cannot run: ${missing}`)
if (missing) console.warn(`\n  SKIPPED, the load test with k6: ${missing}\n`)

describe.skipIf(missing !== undefined)('under load from k6', () => {
  let k6: string
  let home: TestHome
  let sluice: TestSluice
  beforeAll(async () => {
    k6 = await findOrBuildK6((step) => console.log(`  k6: ${step} …`))
    home = createTestHome()
    sluice = await home.start('--no-demo')
  }, 1_000_000)
  afterAll(() => home?.remove())

  async function newTenants(count: number): Promise<System> {
    const { run } = sluice
    return {
      edgeUrls: [run.edge_url],
      coreUrl: run.core_url,
      graphqlUrl: run.graphql_url,
      ours: true,
      tenants: await makeTenants(run.database_url, count),
    }
  }
  // Where others work too the machine is slow; so few at once wait for it, and nobody too long.
  const load = { rate: RATE, seed: 5, waitingMax: 50, progress: false }

  test('every answer is as planned, and GraphQL and /metrics say exactly what was sent', {
    timeout: 300_000 + SECONDS * 1_000,
  }, async () => {
    const { faults, slow, requests, latency, dropped, tenants } = await attack(
      await newTenants(4),
      { ...load, k6, seconds: SECONDS },
    )
    const { p50, p95, p99 } = latency
    const times = [p50, p95, p99].map((ms) => ms.toFixed(0)).join(' / ')
    console.log(`  k6: ${requests} requests, ${dropped} dropped, p50 / p95 / p99 ${times} ms`)
    // Time is told here and judged by nobody: other tests run beside.
    for (const what of slow) console.log(`  k6: ${what}`)
    expect(faults).toEqual([])
    // The mix is worth its name: of every kind there was one.
    for (const fate of ['stored', 'duplicates', 'dead', 'rejected'] as const)
      expect(sum(tenants, (each) => each[fate])).toBeGreaterThan(0)
  })

  test('one event that nobody planned is found out', { timeout: 180_000 }, async () => {
    const system = await newTenants(1)
    const write_key = system.tenants[0]?.writeKey as string
    const unplanned = await sendEvent({ ...sluice.run, write_key }, { event: 'search', value: 7 })
    expect(unplanned.status).toBe(202)
    const { faults } = await attack(system, { ...load, k6, rate: 100, seconds: 2 })
    expect(faults.join('\n')).toMatch(/ stored, and ought to be /)
    expect(faults.join('\n')).toMatch(/the sum of search is /)
  })
})
