import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startFleet } from '../../tests/lib/fleet.ts'
import { createTestHome, sendEvent } from '../../tests/lib/sluice.ts'
import { findOrBuildK6, whyK6IsMissing } from './binary.ts'
import { type LoadTestResult, runLoadTest } from './load-test.ts'
import { sum } from './oracle.ts'
import { createTenants, type System } from './system.ts'

/** Half a minute in CI; `npm run k6` takes five, `K6_SECONDS` any other. */
const SECONDS = Number(process.env.K6_SECONDS ?? 30)
const RATE = 1_000
const whyMissing = await whyK6IsMissing()
if (whyMissing && process.env.CI) throw new Error(`k6 cannot run: ${whyMissing}`)
if (whyMissing) console.warn(`\n  SKIPPED: load tests with k6: ${whyMissing}\n`)

let k6: string
// A busy machine is slow, so few requests are in flight and none waits for long.
const load = { rate: RATE, seed: 5, inFlightMax: 50, progress: false }

beforeAll(async () => {
  if (!whyMissing) k6 = await findOrBuildK6((step) => console.log(`  k6: ${step} …`))
}, 1_000_000)

describe.skipIf(whyMissing !== undefined)('Sluice under load from k6', () => {
  let place: TestSystem
  let close: (() => Promise<void>) | undefined
  beforeAll(async () => {
    const home = createTestHome()
    close = () => home.remove()
    const { run } = await home.start('--no-demo')
    place = { edgeUrl: run.edge_url, coreUrl: run.core_url, databaseUrl: run.database_url }
  }, 120_000)
  afterAll(() => close?.())

  test(
    'responds as planned, and GraphQL and /metrics report exactly what was sent',
    { timeout: 300_000 + SECONDS * 1_000 },
    async () =>
      expectAllCorrect(
        await runLoadTest(await system(place, 4), { ...load, k6, seconds: SECONDS }),
      ),
  )

  test('reports a different number for a single unplanned event', {
    timeout: 180_000,
  }, async () => {
    const at = await system(place, 1)
    const by = { edge_url: place.edgeUrl, write_key: at.tenants[0]?.writeKey as string }
    expect((await sendEvent(by, { event: 'search', value: 7 })).status).toBe(202)
    const { errors: faults } = await runLoadTest(at, { ...load, k6, rate: 100, seconds: 2 })
    expect(faults.join('\n')).toMatch(/ stored instead of /)
    expect(faults.join('\n')).toMatch(/the sum of search is /)
  })
})

describe.skipIf(whyMissing !== undefined)(
  'Sluice on Kafka and Redis with two workers under load from k6',
  () => {
    let place: TestSystem
    let close: (() => Promise<void>) | undefined
    beforeAll(async () => {
      const fleet = await startFleet()
      close = () => fleet.stop()
      place = { ...fleet, redis: true }
    }, 180_000)
    afterAll(() => close?.(), 60_000)

    test(
      'responds as planned, and GraphQL and /metrics report exactly what was sent',
      { timeout: 300_000 + SECONDS * 1_000 },
      async () =>
        expectAllCorrect(
          await runLoadTest(await system(place, 4), {
            ...load,
            k6,
            seconds: Math.ceil(SECONDS / 3),
          }),
        ),
    )
  },
)

interface TestSystem {
  /** Whether the edge uses Redis. */
  redis?: boolean
  edgeUrl: string
  coreUrl: string
  databaseUrl: string
}

async function system(place: TestSystem, tenants: number): Promise<System> {
  return {
    edgeUrls: [place.edgeUrl],
    coreUrl: place.coreUrl,
    graphqlUrl: `${place.coreUrl}/graphql`,
    isExclusive: true,
    mayForgetResponses: place.redis === true,
    tenants: await createTenants(place.databaseUrl, tenants),
  }
}

/** Latency is printed but not checked, because other tests run at the same time. */
function expectAllCorrect({
  errors: faults,
  exceededThresholds: slow,
  requests,
  latency,
  dropped,
  reprocessed,
  tenants,
}: LoadTestResult): void {
  const times = [latency.p50, latency.p95, latency.p99].map((ms) => ms.toFixed(0)).join(' / ')
  console.log(
    `  k6: ${requests} requests, ${dropped} dropped, p50 / p95 / p99 ${times} ms, ${reprocessed} reprocessed`,
  )
  for (const what of slow) console.log(`  k6: ${what}`)
  expect(faults).toEqual([])
  // Every kind of outcome occurs in the mix.
  for (const outcome of ['stored', 'duplicates', 'dead', 'rejected'] as const)
    expect(sum(tenants, (counts) => counts[outcome])).toBeGreaterThan(0)
}
