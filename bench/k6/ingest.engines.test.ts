import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startFleet } from '../../tests/lib/fleet.ts'
import { createTestHome, sendEvent } from '../../tests/lib/sluice.ts'
import { attack, type Verdict } from './attack.ts'
import { findOrBuildK6, whyNoK6 } from './binary.ts'
import { sum } from './oracle.ts'
import { makeTenants, type System } from './system.ts'

/** A minute in CI, five as documented: `npm run k6`. */
const SECONDS = Number(process.env.K6_SECONDS ?? 60)
const RATE = 1_000
const missing = await whyNoK6()
if (missing && process.env.CI) throw new Error(`k6 cannot run: ${missing}`)
if (missing) console.warn(`\n  SKIPPED, the load tests with k6: ${missing}\n`)

let k6: string
// Where others work too the machine is slow; so few at once wait for it, and nobody too long.
const load = { rate: RATE, seed: 5, waitingMax: 50, progress: false }

beforeAll(async () => {
  if (!missing) k6 = await findOrBuildK6((step) => console.log(`  k6: ${step} …`))
}, 1_000_000)

describe.skipIf(missing !== undefined)('under load from k6', () => {
  let place: Place
  let close: (() => Promise<void>) | undefined
  beforeAll(async () => {
    const home = createTestHome()
    close = () => home.remove()
    const { run } = await home.start('--no-demo')
    place = { edgeUrl: run.edge_url, coreUrl: run.core_url, databaseUrl: run.database_url }
  }, 120_000)
  afterAll(() => close?.())

  test(
    'every answer is as planned, and GraphQL and /metrics say exactly what was sent',
    { timeout: 300_000 + SECONDS * 1_000 },
    async () => allRight(await attack(await system(place, 4), { ...load, k6, seconds: SECONDS })),
  )

  test('one event that nobody planned is found out', { timeout: 180_000 }, async () => {
    const at = await system(place, 1)
    const by = { edge_url: place.edgeUrl, write_key: at.tenants[0]?.writeKey as string }
    expect((await sendEvent(by, { event: 'search', value: 7 })).status).toBe(202)
    const { faults } = await attack(at, { ...load, k6, rate: 100, seconds: 2 })
    expect(faults.join('\n')).toMatch(/ stored, and ought to be /)
    expect(faults.join('\n')).toMatch(/the sum of search is /)
  })
})

describe.skipIf(missing !== undefined)(
  'under load from k6, on Kafka and Redis with two workers',
  () => {
    let place: Place
    let close: (() => Promise<void>) | undefined
    beforeAll(async () => {
      const fleet = await startFleet()
      close = () => fleet.stop()
      place = { ...fleet, redis: true }
    }, 180_000)
    afterAll(() => close?.(), 60_000)

    test('the same', { timeout: 300_000 + SECONDS * 1_000 }, async () =>
      allRight(
        await attack(await system(place, 4), { ...load, k6, seconds: Math.ceil(SECONDS / 3) }),
      ),
    )
  },
)

interface Place {
  /** Of an edge with Redis. */
  redis?: boolean
  edgeUrl: string
  coreUrl: string
  databaseUrl: string
}

async function system(place: Place, tenants: number): Promise<System> {
  return {
    edgeUrls: [place.edgeUrl],
    coreUrl: place.coreUrl,
    graphqlUrl: `${place.coreUrl}/graphql`,
    ours: true,
    forgetful: place.redis === true,
    tenants: await makeTenants(place.databaseUrl, tenants),
  }
}

/** Time is told here and judged by nobody: other tests run beside. */
function allRight({ faults, slow, requests, latency, dropped, anew, tenants }: Verdict): void {
  const times = [latency.p50, latency.p95, latency.p99].map((ms) => ms.toFixed(0)).join(' / ')
  console.log(
    `  k6: ${requests} requests, ${dropped} dropped, p50 / p95 / p99 ${times} ms, ${anew} anew`,
  )
  for (const what of slow) console.log(`  k6: ${what}`)
  expect(faults).toEqual([])
  // The mix is worth its name: of every kind there was one.
  for (const fate of ['stored', 'duplicates', 'dead', 'rejected'] as const)
    expect(sum(tenants, (each) => each[fate])).toBeGreaterThan(0)
}
