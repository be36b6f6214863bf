import { isCleartextBeyondPrivate } from '../../contract/cleartext.ts'
import { LIMITS } from '../../contract/limits.ts'
import { parseTrustedProxies } from '../../contract/trusted-proxies.ts'
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
import { createSharedUnknownKeys } from '../auth/shared-unknown-keys.ts'
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
  /** The peer of the connection. Never from what a client can write itself; undefined where that is all there is. */
  addressOf: AddressOf
  /** Whether the connection has TLS; by the scheme of its URL without it. */
  isHttps?: (request: Request) => boolean
}

/**
 * The edge: keys looked up in the gateway, limits and locks in this process's memory; with a Redis, all
 * three there.
 * @throws when a setting is invalid
 */
export function composeEdge(settings: EdgeSettings, runtime: EdgeRuntime) {
  refuseCleartext(settings)
  const { addressOf, isHttps } = behindProxies(settings, runtime)
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
  const client = redisSettings && createRedis(redisSettings, runtime.timeout)
  const redis = client && watchRedis({ redis: client, now, report, policy })
  return createEdge({
    findKey: createKeyCache({
      directory: redis ? createRedisKeyDirectory(redis, core, now) : core,
      now,
      report,
      sharedUnknownKeys: client && createSharedUnknownKeys(client, now, report),
    }),
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
    addressOf,
    isHttps,
    now,
    report,
    ndjsonBytesMax,
    docsKey: settings.SLUICE_DOCS_KEY,
  })
}

/** @throws when a password or events would cross a public network without TLS */
function refuseCleartext(settings: EdgeSettings): void {
  const { SLUICE_ALLOW_CLEARTEXT: allowed = 'false' } = settings
  if (!['true', 'false'].includes(allowed))
    throw new Error('SLUICE_ALLOW_CLEARTEXT is either true or false')
  if (allowed === 'true') return
  for (const name of URLS)
    if (settings[name] && isCleartextBeyondPrivate(settings[name]))
      throw new Error(
        `${name} sends passwords and events over http to a public host; use https, or set SLUICE_ALLOW_CLEARTEXT=true`,
      )
}

const URLS = [
  'SLUICE_GATEWAY_URL',
  'SLUICE_KAFKA_REST_URL',
  'SLUICE_REDIS_REST_URL',
  'UPSTASH_REDIS_REST_URL',
] as const

/** The client's address and scheme as declared proxies report them; the connection's own without any. */
function behindProxies(settings: EdgeSettings, runtime: EdgeRuntime) {
  const proxies = parseTrustedProxies(settings.SLUICE_TRUSTED_PROXIES)
  const isHttps = runtime.isHttps ?? ((request: Request) => request.url.startsWith('https:'))
  if (proxies.isEmpty) return { addressOf: runtime.addressOf, isHttps }
  const addressOf: AddressOf = (request, env) =>
    proxies.clientAddress(bare(runtime.addressOf(request, env)), request.headers)
  return {
    addressOf,
    isHttps(request: Request, env: unknown) {
      const peer = bare(runtime.addressOf(request, env))
      if (peer === undefined || !proxies.isTrusted(peer)) return isHttps(request)
      return request.headers.get('x-forwarded-proto')?.split(',').at(-1)?.trim() === 'https'
    },
  }
}

/** Without the port that workerd adds to the address of a socket. */
function bare(peer: string | undefined): string | undefined {
  return peer?.replace(/^\[(.*)\]:\d+$/, '$1').replace(/^(\d+\.\d+\.\d+\.\d+):\d+$/, '$1')
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
