import { randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe } from 'vitest'
import { REDIS_KEYS } from '../../../contract/redis-rest.ts'
import { startTestBridge, type TestBridge } from '../../../tests/lib/redis-bridge.ts'
import { startTestRedis, type TestRedis } from '../../../tests/lib/redis-server.ts'
import { abortOnTimeout } from '../../lib/timeout.ts'
import { admissionSuite } from '../../testing/admission.suite.ts'
import { createAdmissionOnRedis } from '../../testing/admission-on-redis.ts'
import { idempotencySuite } from '../../testing/idempotency.suite.ts'
import { type DirectoryHarness, keyDirectorySuite } from '../../testing/key-directory.suite.ts'
import { limiterSuite } from '../../testing/limiter.suite.ts'
import { createRemoteAdmission, createRemoteKeyDirectory } from '../../testing/remote-admission.ts'
import { type RunningEdge, startDeno, startWorkerd } from '../../testing/runtimes.ts'
import { type StubGateway, startStubGateway } from '../../testing/stub-gateway.ts'
import type { Admission } from '../admission.ts'
import type { RateLimiter } from '../rate-limiter.ts'

/** The suites of the memory implementations, over Redis, from each runtime, through our Redis over REST. */

let bridge: TestBridge
/** Of this file alone: it is flushed, and its keys have names that all cores share. */
let server: TestRedis
let direct: Redis
/** Core, for keys. */
let gateway: StubGateway
beforeAll(async () => {
  server = await startTestRedis()
  bridge = await startTestBridge(server.url, 10_000)
  direct = new Redis(server.url)
  gateway = await startStubGateway()
})
afterAll(async () => {
  await gateway.close()
  direct.disconnect()
  await server.remove()
  await bridge.close()
})

const settings = () => ({
  SLUICE_REDIS_REST_URL: bridge.url,
  SLUICE_REDIS_TOKEN: bridge.token,
  SLUICE_GATEWAY_URL: gateway.url,
  SLUICE_GATEWAY_USERNAME: gateway.username,
  SLUICE_GATEWAY_PASSWORD: gateway.password,
})

/** Where the admission runs; fewer random tests where every call is two round trips. */
const RUNTIMES: [string, number, () => Promise<Partial<RunningEdge>>][] = [
  ['node', 100, async () => ({})],
  ['workerd', 20, () => startWorkerd(gateway, 'edge/testing/admission-worker.ts', settings())],
  ['deno', 20, () => startDeno('edge/testing/admission-deno.ts', settings())],
]

describe.each(RUNTIMES)('on Redis, from %s', (_, numRuns, start) => {
  let running: Partial<RunningEdge>
  let admission: Admission
  let harness: DirectoryHarness
  beforeAll(async () => {
    running = await start()
    const { url } = running
    const inProcess = createAdmissionOnRedis(settings(), abortOnTimeout)
    admission = url ? createRemoteAdmission(url) : inProcess.admission
    const directory = url ? createRemoteKeyDirectory(url) : inProcess.directory
    harness = { gateway, directory, publish }
  })
  afterAll(() => running?.stop?.())

  describe('the rate limiter', () =>
    limiterSuite(() => fresh(admission).rateLimiter as RateLimiter, numRuns))
  describe('the idempotency store', () => idempotencySuite(() => fresh(admission).idempotency))
  describe('the admission', () => admissionSuite(() => fresh(admission)))
  describe('the key directory', () => keyDirectorySuite(() => harness))
})

const publish: DirectoryHarness['publish'] = async (sha, record, ageMs) => {
  const asOf = Date.now() - ageMs
  await direct.set(REDIS_KEYS.apiKey(sha), JSON.stringify(record), 'PX', 60_000)
  await direct.set(REDIS_KEYS.apiKeysAsOf, asOf, 'PX', 60_000)
}

/** An admission without state: tenants and keys of its own in the same Redis. */
function fresh(admission: Admission): Admission {
  const own = randomUUID()
  const limiter = admission.rateLimiter as RateLimiter
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
      begin: (request, now) => admission.idempotency.begin(ofRequest(request), now),
    },
    admit: ({ key, cost, idempotency }, now) =>
      admission.admit(
        { key: ofKey(key), cost, idempotency: idempotency && ofRequest(idempotency) },
        now,
      ),
  }
}
