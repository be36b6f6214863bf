import { isCleartextBeyondPrivate } from '../../contract/cleartext.ts'
import { LIMITS } from '../../contract/limits.ts'
import { createRedis, type RedisSettings } from '../admission/redis/redis.ts'
import { createHttpKeyDirectory } from '../auth/key-directory.ts'
import { createRedisKeyDirectory } from '../auth/redis-key-directory.ts'
import type { Report } from '../http/report.ts'
import type { TimeoutStrategy } from '../lib/timeout.ts'
import { createPublisher } from '../publish/publisher.ts'
import { composeEdgeOn, type EdgeConnection } from './compose-on.ts'
import { createKafkaRestClient } from './kafka-rest-dialects.ts'
import type { EdgeSettings } from './settings.ts'

/** Where the runtimes differ. */
export interface EdgeRuntime extends EdgeConnection {
  timeout: TimeoutStrategy
}

/**
 * The edge that reaches core over HTTP: keys looked up in the gateway, limits and locks in this process's memory;
 * with a Redis, all three there.
 * @throws when a setting is invalid
 */
export function composeEdge(settings: EdgeSettings, runtime: EdgeRuntime) {
  refuseCleartext(settings)
  const gateway = {
    url: settings.SLUICE_GATEWAY_URL.replace(/\/+$/, ''),
    username: settings.SLUICE_GATEWAY_USERNAME,
    password: settings.SLUICE_GATEWAY_PASSWORD,
  }
  const core = createHttpKeyDirectory(gateway, runtime.timeout)
  const redis = readRedis(settings)
  return composeEdgeOn(
    {
      keys: (redis, now) => (redis ? createRedisKeyDirectory(redis, core, now) : core),
      redis: redis && createRedis(redis, runtime.timeout),
      publish: createPublisher(createKafkaRestClient(settings, gateway), runtime.timeout, report),
      report,
    },
    settings,
    runtime,
  )
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

/** One line of JSON an entry; what workerd, Deno and Cloudflare's log tail all show. */
const report: Report = ({ level, ...entry }) =>
  console[level](JSON.stringify({ level, time: new Date().toISOString(), ...entry }))
