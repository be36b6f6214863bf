import { randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, inject } from 'vitest'
import { REDIS_KEYS } from '../../../contract/redis-rest.ts'
import type {} from '../../../tests/lib/engines.setup.ts'
import { startTestBridge, type TestBridge } from '../../../tests/lib/redis-bridge.ts'
import { abortOnTimeout } from '../../lib/timeout.ts'
import { gateSuite } from '../../testing/admission.suite.ts'
import { gateOnRedis } from '../../testing/admission-on-redis.ts'
import { idempotencySuite } from '../../testing/idempotency.suite.ts'
import { type DirectoryWorld, keyDirectorySuite } from '../../testing/key-directory.suite.ts'
import { limiterSuite } from '../../testing/limiter.suite.ts'
import { createFarDirectory, createFarGate } from '../../testing/remote-admission.ts'
import { type RunningEdge, startDeno, startWorkerd } from '../../testing/runtimes.ts'
import { type StubGateway, startStubGateway } from '../../testing/stub-gateway.ts'
import type { Admission } from '../admission.ts'
import type { RateLimiter } from '../rate-limiter.ts'

/** The suites of the memory's own, over Redis: asked from each runtime, through our bridge. */

let bridge: TestBridge
let direct: Redis
/** Core, for keys. */
let gateway: StubGateway
beforeAll(async () => {
  bridge = await startTestBridge(inject('redisUrl'), 10_000)
  direct = new Redis(inject('redisUrl'))
  gateway = await startStubGateway()
})
afterAll(async () => {
  await gateway.close()
  direct.disconnect()
  await bridge.close()
})

const settings = () => ({
  SLUICE_REDIS_REST_URL: bridge.url,
  SLUICE_REDIS_TOKEN: bridge.token,
  SLUICE_GATEWAY_URL: gateway.url,
  SLUICE_GATEWAY_USERNAME: gateway.username,
  SLUICE_GATEWAY_PASSWORD: gateway.password,
})

/** Where a gate runs; tests at random are fewer where every question is two journeys. */
const PLACES: [string, number, () => Promise<Partial<RunningEdge>>][] = [
  ['node', 100, async () => ({})],
  ['workerd', 20, () => startWorkerd(gateway, 'edge/testing/admission-worker.ts', settings())],
  ['deno', 20, () => startDeno('edge/testing/admission-deno.ts', settings())],
]

describe.each(PLACES)('on Redis, from %s', (_, numRuns, start) => {
  let running: Partial<RunningEdge>
  let gate: Admission
  let world: DirectoryWorld
  beforeAll(async () => {
    running = await start()
    const { url } = running
    const near = gateOnRedis(settings(), abortOnTimeout)
    gate = url ? createFarGate(url) : near.gate
    const directory = url ? createFarDirectory(url) : near.directory
    world = { gateway, directory, publish }
  })
  afterAll(() => running?.stop?.())

  describe('a limiter', () => limiterSuite(() => fresh(gate).rateLimiter as RateLimiter, numRuns))
  describe('leases and answers', () => idempotencySuite(() => fresh(gate).idempotency))
  describe('a gate', () => gateSuite(() => fresh(gate)))
  describe('a directory of keys', () => keyDirectorySuite(() => world))
})

const publish: DirectoryWorld['publish'] = async (sha, record, ageMs) => {
  const asOf = Date.now() - ageMs
  await direct.set(REDIS_KEYS.apiKey(sha), JSON.stringify(record), 'PX', 60_000)
  await direct.set(REDIS_KEYS.apiKeysAsOf, asOf, 'PX', 60_000)
}

/** One that has counted nothing yet: tenants and keys of its own in the same Redis. */
function fresh(gate: Admission): Admission {
  const own = randomUUID()
  const limiter = gate.rateLimiter as RateLimiter
  const ofKey = <T extends { key_id: string; tenant: string }>(key: T): T => ({
    ...key,
    key_id: own + key.key_id,
    tenant: own + key.tenant,
  })
  const ofRequest = <T extends { tenant: string }>(request: T): T => ({
    ...request,
    tenant: own + request.tenant,
  })
  return {
    rateLimiter: { limit: (key, ...rest) => limiter.limit(ofKey(key), ...rest) },
    idempotency: {
      begin: (request, now) => gate.idempotency.begin(ofRequest(request), now),
    },
    admit: ({ key, cost: events, idempotency: idempotent }, now) =>
      gate.admit(
        { key: ofKey(key), cost: events, idempotency: idempotent && ofRequest(idempotent) },
        now,
      ),
  }
}
