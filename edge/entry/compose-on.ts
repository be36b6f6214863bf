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
import type { RedisClient } from '../admission/redis/redis.ts'
import { createRedisAdmission } from '../admission/redis/redis-admission.ts'
import { watchRedis } from '../admission/redis/redis-outage.ts'
import { createEdge } from '../app.ts'
import type { AddressOf } from '../auth/authenticate.ts'
import { createKeyCache } from '../auth/key-cache.ts'
import type { KeyDirectory } from '../auth/key-directory.ts'
import { createSharedUnknownKeys } from '../auth/shared-unknown-keys.ts'
import { parseSiteKeys } from '../auth/site-keys.ts'
import type { Report } from '../http/report.ts'
import type { GeoOf } from '../ingest/visitor.ts'
import type { Publish } from '../publish/publisher.ts'
import { createGeoOf } from './geo-headers.ts'
import type { EdgeOptions } from './settings.ts'

/** What the edge depends on: over HTTP in an edge of its own, directly in core's collector. */
export interface EdgeServices {
  /** @param redis the `redis` below, as the edge watches it */
  keys: (redis: RedisClient | undefined, now: () => number) => KeyDirectory
  publish: Publish
  /** For limits and locks; without it they are in this process's memory. */
  redis: RedisClient | undefined
  report: Report
}

/** What the runtime knows of a request's connection. */
export interface EdgeConnection {
  /** The runtime's own name for where it is. */
  edgeNameOf: (request: Request) => string
  /** The peer of the connection. Never from what a client can write itself; undefined where that is all there is. */
  addressOf: AddressOf
  /** Where the peer of the connection is, as the runtime's platform reports it. */
  geoOf?: GeoOf
  /** Whether the connection has TLS; by the scheme of its URL without it. */
  isHttps?: (request: Request) => boolean
}

/** @throws when a setting is invalid */
export function composeEdgeOn(
  services: EdgeServices,
  settings: EdgeOptions,
  connection: EdgeConnection,
) {
  const { keys, publish, redis: client, report } = services
  const { addressOf, isHttps, geoOf } = behindProxies(settings, connection)
  const now = () => Date.now()
  const name = settings.SLUICE_EDGE_NAME
  const limits = readRateLimits(settings)
  const policy = readPolicy(settings)
  const local = createAdmission(
    limits ? createMemoryRateLimiter() : undefined,
    createMemoryIdempotency(),
  )
  const redis = client && watchRedis({ redis: client, now, report, policy })
  return createEdge({
    findKey: createKeyCache({
      directory: keys(redis, now),
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
    publish,
    edgeNameOf: name ? () => name : connection.edgeNameOf,
    addressOf,
    geoOf,
    keyOfSite: parseSiteKeys(settings.SLUICE_SITE_KEYS),
    isHttps,
    now,
    report,
    ndjsonBytesMax: readNdjsonBytesMax(settings),
    docsKey: settings.SLUICE_DOCS_KEY,
  })
}

/** The client's address, location and scheme as declared proxies report them; the connection's own without any. */
function behindProxies(settings: EdgeOptions, connection: EdgeConnection) {
  const proxies = parseTrustedProxies(settings.SLUICE_TRUSTED_PROXIES)
  const isHttps = connection.isHttps ?? ((request: Request) => request.url.startsWith('https:'))
  const peerOf: AddressOf = (request, env) => bare(connection.addressOf(request, env))
  const geoOf = createGeoOf(settings.SLUICE_GEO_HEADERS, proxies, peerOf, connection.geoOf)
  if (proxies.isEmpty) return { addressOf: connection.addressOf, isHttps, geoOf }
  const addressOf: AddressOf = (request, env) =>
    proxies.clientAddress(peerOf(request, env), request.headers)
  return {
    addressOf,
    geoOf,
    isHttps(request: Request, env: unknown) {
      const peer = peerOf(request, env)
      if (peer === undefined || !proxies.isTrusted(peer)) return isHttps(request)
      return request.headers.get('x-forwarded-proto')?.split(',').at(-1)?.trim() === 'https'
    },
  }
}

/** Without the port that workerd adds to the address of a socket. */
function bare(peer: string | undefined): string | undefined {
  return peer?.replace(/^\[(.*)\]:\d+$/, '$1').replace(/^(\d+\.\d+\.\d+\.\d+):\d+$/, '$1')
}

function readRateLimits({ SLUICE_RATE_LIMITS: limits = 'on' }: EdgeOptions): boolean {
  if (!['on', 'off'].includes(limits)) throw new Error('SLUICE_RATE_LIMITS is either on or off')
  return limits === 'on'
}

function readNdjsonBytesMax({ SLUICE_NDJSON_BYTES_MAX: sent }: EdgeOptions): number {
  const bytes = Number(sent ?? LIMITS.ndjsonBytesMax)
  if (!(Number.isSafeInteger(bytes) && bytes > 0))
    throw new Error('SLUICE_NDJSON_BYTES_MAX is a number of bytes')
  return bytes
}

function readPolicy({
  SLUICE_REDIS_FAILURE_POLICY: sent = 'local',
}: EdgeOptions): RedisFailurePolicy {
  const policy = REDIS_FAILURE_POLICIES.find((policy) => policy === sent)
  if (!policy)
    throw new Error(`SLUICE_REDIS_FAILURE_POLICY is one of ${REDIS_FAILURE_POLICIES.join(', ')}`)
  return policy
}
