import { randomBytes } from 'node:crypto'
import { networkInterfaces } from 'node:os'
import { isCleartextBeyondPrivate, isPrivateHost } from '../contract/cleartext.ts'
import { LIMITS } from '../contract/limits.ts'
import type { GatewayUser } from './gateway/users.ts'
import { UsageError } from './lib/usage-error.ts'
import type { LogConfig } from './log/log-config.ts'

/** What core refuses to start with, because others could read or guess what protects the data. */

const ALLOW = 'or set SLUICE_ALLOW_CLEARTEXT=true if that network is yours alone'

/** The parts of core/config.ts that are about other machines. */
export interface Exposure {
  databaseUrl: string | undefined
  databaseAdminUrl: string | undefined
  log: LogConfig
  redisUrl: string | undefined
  redisBridgeUrl: string | undefined
  redisToken: string | undefined
  host: string
  tls: object | undefined
  publicUrl: string | undefined
  gatewayUsers: readonly GatewayUser[]
  allowCleartext: boolean
  collector: { gateway: { url: string } | undefined }
}

/** @throws UsageError for a connection that would be unencrypted beyond this machine and private networks */
export function checkCleartext(config: Exposure): void {
  const { databaseUrl, log, redisUrl, redisBridgeUrl, allowCleartext } = config
  if (allowCleartext) return
  const refuse = (name: string, hint: string) => {
    throw new UsageError(
      `${name}: the connection would be unencrypted and leave this machine's private networks.`,
      `${hint}, ${ALLOW}.`,
    )
  }
  for (const [name, url] of [
    ['DATABASE_URL', databaseUrl],
    ['SLUICE_DATABASE_ADMIN_URL', config.databaseAdminUrl],
  ] as const)
    if (url && isCleartextBeyondPrivate(url)) refuse(name, 'Add ?sslmode=verify-full')
  for (const [name, url] of [
    ['REDIS_URL', redisUrl],
    ['SLUICE_REDIS_BRIDGE_URL', redisBridgeUrl],
  ] as const)
    if (url && isCleartextBeyondPrivate(url)) refuse(name, 'Use rediss://')
  if (log.kind !== 'kafka' || log.tls !== false) return
  if (log.brokers.some((broker) => isCleartextBeyondPrivate(`kafka://${broker}`)))
    refuse('KAFKA_BROKERS', 'Set SLUICE_KAFKA_TLS=true')
}

/** @throws UsageError when credentials and sessions would cross public networks unencrypted, or be easy to guess there */
export function checkListening(config: Exposure, addresses = ownAddresses()): void {
  const { host, publicUrl, gatewayUsers } = config
  if (isLoopback(host)) return
  if (!publicUrl?.startsWith('https:') && speaksCleartextBeyondPrivate(config, addresses))
    throw new UsageError(
      `HOST=${host}: core would speak HTTP without TLS on a public address.`,
      `Set SLUICE_TLS_CERT and SLUICE_TLS_KEY; or, behind a proxy that has a certificate, SLUICE_PUBLIC_URL=https://… and HOST to a private address; ${ALLOW}.`,
    )
  const weak = gatewayUsers.find(({ password }) => password.length < LIMITS.gatewayPasswordCharsMin)
  if (weak)
    throw new UsageError(
      `The password of the gateway's user ${weak.name} is shorter than ${LIMITS.gatewayPasswordCharsMin} characters.`,
      `Use a random one, for example ${secret()}. Only a core that listens on loopback takes a shorter one.`,
    )
}

/**
 * SLUICE_PUBLIC_URL is of core's other port, so it does not excuse this one.
 * @throws UsageError when keys and events would cross public networks unencrypted, or the collector be core in Redis
 */
export function checkCollectorExposure(config: Exposure, addresses = ownAddresses()): void {
  if (speaksCleartextBeyondPrivate(config, addresses))
    throw new UsageError(
      `HOST=${config.host}: the collector would speak HTTP without TLS on a public address.`,
      `Set SLUICE_TLS_CERT and SLUICE_TLS_KEY; or, behind a proxy that has a certificate, HOST to a private address; ${ALLOW}.`,
    )
  const { gateway } = config.collector
  if (gateway && !config.allowCleartext && isCleartextBeyondPrivate(gateway.url))
    throw new UsageError(
      "SLUICE_GATEWAY_URL: the connection would be unencrypted and leave this machine's private networks.",
      `Set it to an https:// URL, ${ALLOW}.`,
    )
  checkRedisUsers(config)
}

/** @throws UsageError for what the role gateway needs */
export function checkGateway(config: Exposure): void {
  const { gatewayUsers, redisToken, redisBridgeUrl } = config
  if (gatewayUsers.length === 0)
    throw new UsageError(
      'SLUICE_GATEWAY_PASSWORD is not set.',
      `Set it to a secret that the edges share, for example ${secret()}.`,
    )
  if (redisBridgeUrl && !redisToken)
    throw new UsageError(
      'SLUICE_REDIS_TOKEN is not set, but SLUICE_REDIS_BRIDGE_URL is.',
      `Set it to a secret that the edges share, for example ${secret()}.`,
    )
  if (!redisToken) return
  if (!redisBridgeUrl)
    throw new UsageError(
      "SLUICE_REDIS_BRIDGE_URL is not set: requests of edges would have core's own rights in Redis.",
      'Create the user "edges" as docs/adr/0013-redis.md shows, and set it to redis://edges:password@host:6379.',
    )
  checkRedisUsers(config)
}

function checkRedisUsers({ redisUrl, redisBridgeUrl }: Exposure): void {
  if (redisUrl && redisBridgeUrl && userOf(redisUrl) === userOf(redisBridgeUrl))
    throw new UsageError(
      `SLUICE_REDIS_BRIDGE_URL and REDIS_URL name the same user (${userOf(redisUrl)}): requests of edges would have core's own rights in Redis.`,
      'Create the user "edges" as docs/adr/0013-redis.md shows, and use it in SLUICE_REDIS_BRIDGE_URL.',
    )
}

function speaksCleartextBeyondPrivate(
  { host, tls, allowCleartext }: Exposure,
  addresses: readonly string[],
): boolean {
  if (tls || allowCleartext || isLoopback(host)) return false
  const listensOn = /^(0\.0\.0\.0|::|\*)$/.test(host) ? addresses : [host]
  return !listensOn.every(isPrivateHost)
}

function userOf(redisUrl: string): string {
  return (URL.canParse(redisUrl) && decodeURIComponent(new URL(redisUrl).username)) || 'default'
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\./.test(host)
}

function ownAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((each) => (each ?? []).map((a) => a.address))
}

function secret(): string {
  return randomBytes(16).toString('hex')
}
