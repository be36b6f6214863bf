import { LIMITS } from '../../contract/limits.ts'
import { createAdmission } from '../admission/admission.ts'
import { createMemoryIdempotency } from '../admission/memory-idempotency.ts'
import { createMemoryRateLimiter } from '../admission/memory-rate-limiter.ts'
import {
  createFailoverAdmission,
  REDIS_FAILURE_POLICIES,
  type RedisFailurePolicy,
} from '../admission/redis/failover-admission.ts'
import { createRedis, type RedisSettings } from '../admission/redis/redis.ts'
import { createRedisAdmission } from '../admission/redis/redis-admission.ts'
import { watchRedis } from '../admission/redis/redis-outage.ts'
import { createEdge } from '../app.ts'
import type { AddressOf } from '../auth/authenticate.ts'
import { createKeyCache } from '../auth/key-cache.ts'
import { createHttpKeyDirectory } from '../auth/key-directory.ts'
import { createRedisKeyDirectory } from '../auth/redis-key-directory.ts'
import type { Report } from '../http/report.ts'
import type { TimeoutStrategy } from '../lib/timeout.ts'
import { createPublisher } from '../publish/publisher.ts'
import { createKafkaRestClient } from './kafka-rest-dialects.ts'
import type { EdgeSettings } from './settings.ts'

/** Where the runtimes differ. */
export interface EdgeRuntime {
  timeout: TimeoutStrategy
  /** The runtime's own name for where it is. */
  edgeNameOf: (request: Request) => string
  /** Never from what a client can write itself; undefined where that is all there is. */
  addressOf: AddressOf
}

/**
 * The edge: keys looked up in the gateway, limits and locks in this process's memory; with a Redis, all
 * three there.
 * @throws when a setting is invalid
 */
export function composeEdge(settings: EdgeSettings, runtime: EdgeRuntime) {
  const gateway = {
    url: settings.SLUICE_GATEWAY_URL.replace(/\/+$/, ''),
    username: settings.SLUICE_GATEWAY_USERNAME,
    password: settings.SLUICE_GATEWAY_PASSWORD,
  }
  const now = () => Date.now()
  const name = settings.SLUICE_EDGE_NAME
  const limits = readRateLimits(settings)
  const ndjsonBytesMax = readNdjsonBytesMax(settings)
  const policy = readPolicy(settings)
  const core = createHttpKeyDirectory(gateway, runtime.timeout)
  const local = createAdmission(
    limits ? createMemoryRateLimiter() : undefined,
    createMemoryIdempotency(),
  )
  const redisSettings = readRedis(settings)
  const redis =
    redisSettings &&
    watchRedis({ redis: createRedis(redisSettings, runtime.timeout), now, report, policy })
  return createEdge({
    findKey: createKeyCache(redis ? createRedisKeyDirectory(redis, core, now) : core, now, report),
    admission: redis
      ? createFailoverAdmission({
          admission: createRedisAdmission(redis, limits),
          redis,
          local,
          policy,
        })
      : local,
    publish: createPublisher(createKafkaRestClient(settings, gateway), runtime.timeout, report),
    edgeNameOf: name ? () => name : runtime.edgeNameOf,
    addressOf: runtime.addressOf,
    now,
    report,
    ndjsonBytesMax,
    docsKey: settings.SLUICE_DOCS_KEY,
  })
}

function readRateLimits({ SLUICE_RATE_LIMITS: limits = 'on' }: EdgeSettings): boolean {
  if (!['on', 'off'].includes(limits)) throw new Error('SLUICE_RATE_LIMITS is either on or off')
  return limits === 'on'
}

function readNdjsonBytesMax({ SLUICE_NDJSON_BYTES_MAX: sent }: EdgeSettings): number {
  const bytes = Number(sent ?? LIMITS.ndjsonBytesMax)
  if (!(Number.isSafeInteger(bytes) && bytes > 0))
    throw new Error('SLUICE_NDJSON_BYTES_MAX is a number of bytes')
  return bytes
}

/** Address and token come from one pair of settings, never one from each. @throws when the token is missing */
function readRedis(settings: EdgeSettings): RedisSettings | undefined {
  const [urlName, tokenName] =
    settings.SLUICE_REDIS_REST_URL === undefined && settings.UPSTASH_REDIS_REST_URL !== undefined
      ? (['UPSTASH_REDIS_REST_URL', 'UPSTASH_REDIS_REST_TOKEN'] as const)
      : (['SLUICE_REDIS_REST_URL', 'SLUICE_REDIS_TOKEN'] as const)
  const { [urlName]: url, [tokenName]: token } = settings
  // SLUICE_REDIS_TOKEN alone is core's: the two may share a file of settings.
  if (url === undefined) return undefined
  if (token === undefined) throw new Error(`${tokenName} is not set, but ${urlName} is`)
  const msMax = Number(settings.SLUICE_REDIS_TIMEOUT_MS ?? LIMITS.redisMsMax)
  if (!(Number.isSafeInteger(msMax) && msMax > 0))
    throw new Error('SLUICE_REDIS_TIMEOUT_MS is a number of milliseconds')
  return { url: url.replace(/\/+$/, ''), token, msMax }
}

function readPolicy({
  SLUICE_REDIS_FAILURE_POLICY: sent = 'local',
}: EdgeSettings): RedisFailurePolicy {
  const policy = REDIS_FAILURE_POLICIES.find((policy) => policy === sent)
  if (!policy)
    throw new Error(`SLUICE_REDIS_FAILURE_POLICY is one of ${REDIS_FAILURE_POLICIES.join(', ')}`)
  return policy
}

/** One line of JSON an entry; what workerd, Deno and Cloudflare's log tail all show. */
const report: Report = ({ level, ...entry }) =>
  console[level](JSON.stringify({ level, time: new Date().toISOString(), ...entry }))
