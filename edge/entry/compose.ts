import { LIMITS } from '../../contract/limits.ts'
import { createGate } from '../admission/admission.ts'
import { createMemoryIdempotency } from '../admission/memory-idempotency.ts'
import { createMemoryLimiter } from '../admission/memory-limiter.ts'
import {
  createGateWithoutRedis,
  WITHOUT_REDIS,
  type WithoutRedis,
} from '../admission/redis/failover-admission.ts'
import { createRedis, type RedisSettings } from '../admission/redis/redis.ts'
import { createUpstashGate } from '../admission/redis/redis-admission.ts'
import { watchRedis } from '../admission/redis/redis-outage.ts'
import { createEdge } from '../app.ts'
import type { AddressOf } from '../auth/authenticate.ts'
import { createKeyCache } from '../auth/key-cache.ts'
import { createHttpKeyDirectory } from '../auth/key-directory.ts'
import { createUpstashKeyDirectory } from '../auth/redis-key-directory.ts'
import type { Report } from '../http/http-problem.ts'
import type { Exchange } from '../lib/timeout.ts'
import { type PublishSettings, readBridge } from '../publish/dialects.ts'
import { createPublisher } from '../publish/publisher.ts'

/** What an edge must be told; the names are the same in every runtime. */
export interface EdgeSettings extends PublishSettings {
  /** Where keys are known and events are taken, e.g. http://127.0.0.1:4000/gateway */
  GATEWAY_URL: string
  GATEWAY_USERNAME: string
  GATEWAY_PASSWORD: string
  /** Which edge this is; left out, the runtime's own word for the place. */
  EDGE_NAME?: string
  /** `off`: as many events as anyone likes, and no RateLimit headers. Default: on. */
  RATE_LIMITS?: string
  /** Redis over REST, for edges in many places: where and with which token. Without both, all is in memory. */
  REDIS_URL_REST?: string
  REDIS_TOKEN?: string
  /** The same by Upstash's names. */
  UPSTASH_REDIS_REST_URL?: string
  UPSTASH_REDIS_REST_TOKEN?: string
  /** How long Redis may take, in ms, before it counts as away; 250 without it. */
  REDIS_MS_MAX?: string
  /** What holds while Redis is away: `open`, `local` (the default) or `closed`. */
  WITHOUT_REDIS?: string
  /** How long a stream of lines may be, decoded, in bytes; 64 MiB without it. */
  NDJSON_BYTES_MAX?: string
  /** A key to be filled in on /docs; only where the edge listens to this machine alone. */
  DOCS_KEY?: string
}

/** In what the runtimes differ. */
export interface EdgeRuntime {
  exchange: Exchange
  /** The runtime's own word for where it is. */
  placeOf: (request: Request) => string
  /** Never from what a client can write itself; undefined where that is all there is. */
  addressOf: AddressOf
}

/**
 * The edge: keys asked of the gateway, limits and leases in this process's memory; where it is told
 * of a Redis, all three there.
 */
export function composeEdge(settings: EdgeSettings, runtime: EdgeRuntime) {
  for (const name of ['GATEWAY_URL', 'GATEWAY_USERNAME', 'GATEWAY_PASSWORD'] as const)
    if (!settings[name]) throw new Error(`${name} is not set`)
  const gateway = {
    url: settings.GATEWAY_URL.replace(/\/+$/, ''),
    username: settings.GATEWAY_USERNAME,
    password: settings.GATEWAY_PASSWORD,
  }
  const now = () => Date.now()
  const { EDGE_NAME: name, RATE_LIMITS: limits = '' } = settings
  if (!['', 'on', 'off'].includes(limits)) throw new Error('RATE_LIMITS is either on or off')
  const ndjsonBytesMax = Number(settings.NDJSON_BYTES_MAX || LIMITS.ndjsonBytesMax)
  if (!(Number.isSafeInteger(ndjsonBytesMax) && ndjsonBytesMax > 0))
    throw new Error('NDJSON_BYTES_MAX is a number of bytes')
  const policy = readPolicy(settings)
  const core = createHttpKeyDirectory(gateway, runtime.exchange)
  const local = createGate(
    limits === 'off' ? undefined : createMemoryLimiter(),
    createMemoryIdempotency(),
  )
  const place = redisOf(settings)
  const redis =
    place && watchRedis({ redis: createRedis(place, runtime.exchange), now, report, policy })
  return createEdge({
    findKey: createKeyCache(
      redis ? createUpstashKeyDirectory(redis, core, now) : core,
      now,
      report,
    ),
    gate: redis
      ? createGateWithoutRedis({
          gate: createUpstashGate(redis, limits !== 'off'),
          redis,
          local,
          policy,
        })
      : local,
    publish: createPublisher(readBridge(settings, gateway), runtime.exchange, report),
    nameOf: name ? () => name : runtime.placeOf,
    addressOf: runtime.addressOf,
    now,
    report,
    ndjsonBytesMax,
    docsKey: settings.DOCS_KEY || undefined,
  })
}

/** @throws when only half of it is there */
function redisOf(settings: EdgeSettings): RedisSettings | undefined {
  const url = settings.REDIS_URL_REST || settings.UPSTASH_REDIS_REST_URL
  const token = settings.REDIS_TOKEN || settings.UPSTASH_REDIS_REST_TOKEN
  if (!url && !token) return undefined
  if (!url) throw new Error('REDIS_URL_REST is not set, but REDIS_TOKEN is')
  if (!token) throw new Error('REDIS_TOKEN is not set, but REDIS_URL_REST is')
  const msMax = Number(settings.REDIS_MS_MAX || LIMITS.redisMsMax)
  if (!(Number.isSafeInteger(msMax) && msMax > 0))
    throw new Error('REDIS_MS_MAX is a number of milliseconds')
  return { url: url.replace(/\/+$/, ''), token, msMax }
}

function readPolicy({ WITHOUT_REDIS: said }: EdgeSettings): WithoutRedis {
  const policy = WITHOUT_REDIS.find((policy) => policy === (said || 'local'))
  if (!policy) throw new Error(`WITHOUT_REDIS is one of ${WITHOUT_REDIS.join(', ')}`)
  return policy
}

/** One line of JSON an entry; what workerd, Deno and Cloudflare's log tail all show. */
const report: Report = ({ level, ...entry }) =>
  console[level](JSON.stringify({ level, time: new Date().toISOString(), ...entry }))
