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
import type { Report } from '../http/http-problem.ts'
import type { TimeoutStrategy } from '../lib/timeout.ts'
import { createKafkaRestClient, type PublishSettings } from '../publish/dialects.ts'
import { createPublisher } from '../publish/publisher.ts'

/** What an edge must be told; the names are the same in every runtime. */
export interface EdgeSettings extends PublishSettings {
  /** Where keys are known and events are taken, e.g. http://127.0.0.1:4000/gateway */
  SLUICE_GATEWAY_URL: string
  SLUICE_GATEWAY_USERNAME: string
  SLUICE_GATEWAY_PASSWORD: string
  /** Which edge this is; left out, the runtime's own word for the place. */
  SLUICE_EDGE_NAME?: string
  /** `off`: as many events as anyone likes, and no RateLimit headers. Default: on. */
  SLUICE_RATE_LIMITS?: string
  /** Redis over REST, for edges in many places: where and with which token. Without both, all is in memory. */
  SLUICE_REDIS_REST_URL?: string
  SLUICE_REDIS_TOKEN?: string
  /** The same by Upstash's names. */
  UPSTASH_REDIS_REST_URL?: string
  UPSTASH_REDIS_REST_TOKEN?: string
  /** How long Redis may take, in ms, before it counts as away; 250 without it. */
  SLUICE_REDIS_TIMEOUT_MS?: string
  /** What holds while Redis is away: `fail-open`, `local` (the default) or `fail-closed`. */
  SLUICE_REDIS_FAILURE_POLICY?: string
  /** How long a stream of lines may be, decoded, in bytes; 64 MiB without it. */
  SLUICE_NDJSON_BYTES_MAX?: string
  /** A key to be filled in on /docs; only where the edge listens to this machine alone. */
  SLUICE_DOCS_KEY?: string
}

/** In what the runtimes differ. */
export interface EdgeRuntime {
  timeout: TimeoutStrategy
  /** The runtime's own word for where it is. */
  edgeNameOf: (request: Request) => string
  /** Never from what a client can write itself; undefined where that is all there is. */
  addressOf: AddressOf
}

/**
 * The edge: keys asked of the gateway, limits and leases in this process's memory; where it is told
 * of a Redis, all three there.
 */
export function composeEdge(settings: EdgeSettings, runtime: EdgeRuntime) {
  for (const name of [
    'SLUICE_GATEWAY_URL',
    'SLUICE_GATEWAY_USERNAME',
    'SLUICE_GATEWAY_PASSWORD',
  ] as const)
    if (!settings[name]) throw new Error(`${name} is not set`)
  const gateway = {
    url: settings.SLUICE_GATEWAY_URL.replace(/\/+$/, ''),
    username: settings.SLUICE_GATEWAY_USERNAME,
    password: settings.SLUICE_GATEWAY_PASSWORD,
  }
  const now = () => Date.now()
  const { SLUICE_EDGE_NAME: name, SLUICE_RATE_LIMITS: limits = '' } = settings
  if (!['', 'on', 'off'].includes(limits)) throw new Error('SLUICE_RATE_LIMITS is either on or off')
  const ndjsonBytesMax = Number(settings.SLUICE_NDJSON_BYTES_MAX || LIMITS.ndjsonBytesMax)
  if (!(Number.isSafeInteger(ndjsonBytesMax) && ndjsonBytesMax > 0))
    throw new Error('SLUICE_NDJSON_BYTES_MAX is a number of bytes')
  const policy = readPolicy(settings)
  const core = createHttpKeyDirectory(gateway, runtime.timeout)
  const local = createAdmission(
    limits === 'off' ? undefined : createMemoryRateLimiter(),
    createMemoryIdempotency(),
  )
  const place = redisOf(settings)
  const redis =
    place && watchRedis({ redis: createRedis(place, runtime.timeout), now, report, policy })
  return createEdge({
    findKey: createKeyCache(redis ? createRedisKeyDirectory(redis, core, now) : core, now, report),
    admission: redis
      ? createFailoverAdmission({
          admission: createRedisAdmission(redis, limits !== 'off'),
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
    docsKey: settings.SLUICE_DOCS_KEY || undefined,
  })
}

/** @throws when only half of it is there */
function redisOf(settings: EdgeSettings): RedisSettings | undefined {
  const url = settings.SLUICE_REDIS_REST_URL || settings.UPSTASH_REDIS_REST_URL
  const token = settings.SLUICE_REDIS_TOKEN || settings.UPSTASH_REDIS_REST_TOKEN
  if (!url && !token) return undefined
  if (!url) throw new Error('SLUICE_REDIS_REST_URL is not set, but SLUICE_REDIS_TOKEN is')
  if (!token) throw new Error('SLUICE_REDIS_TOKEN is not set, but SLUICE_REDIS_REST_URL is')
  const msMax = Number(settings.SLUICE_REDIS_TIMEOUT_MS || LIMITS.redisMsMax)
  if (!(Number.isSafeInteger(msMax) && msMax > 0))
    throw new Error('SLUICE_REDIS_TIMEOUT_MS is a number of milliseconds')
  return { url: url.replace(/\/+$/, ''), token, msMax }
}

function readPolicy({ SLUICE_REDIS_FAILURE_POLICY: said }: EdgeSettings): RedisFailurePolicy {
  const policy = REDIS_FAILURE_POLICIES.find((policy) => policy === (said || 'local'))
  if (!policy)
    throw new Error(`SLUICE_REDIS_FAILURE_POLICY is one of ${REDIS_FAILURE_POLICIES.join(', ')}`)
  return policy
}

/** One line of JSON an entry; what workerd, Deno and Cloudflare's log tail all show. */
const report: Report = ({ level, ...entry }) =>
  console[level](JSON.stringify({ level, time: new Date().toISOString(), ...entry }))
