import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { createSecureContext } from 'node:tls'
import { findFormerSetting } from '../contract/former-settings.ts'
import { TOPICS } from '../contract/log/topics.ts'
import { parseTrustedProxies, type TrustedProxies } from '../contract/trusted-proxies.ts'
import type { HttpDirectorySettings } from '../edge/auth/key-directory.ts'
import type { EdgeOptions } from '../edge/entry/settings.ts'
import { type AuditConfig, readAudit } from './audit-config.ts'
import { readCanaries } from './canary-config.ts'
import { checkCleartext } from './exposure.ts'
import { edgeUser, GATEWAY_USER, type GatewayUser, parseUsers } from './gateway/users.ts'
import type { SignInSettings } from './identity/sign-in/sign-in-settings.ts'
import { ROOT } from './lib/paths.ts'
import { UsageError } from './lib/usage-error.ts'
import type { KafkaConfig, LogConfig } from './log/log-config.ts'
import type { CanarySettings } from './proof/canaries/canary-settings.ts'
import { readSignIn } from './sign-in-config.ts'
import { readVerificationConfig, type VerificationConfig } from './verification-config.ts'

/** The settings of core and of the commands, from the environment; core/settings/ describes each. */
export interface Config {
  /** SLUICE_HOME */
  home: string
  /** DATABASE_URL; without it commands use the running instance's. */
  databaseUrl: string | undefined
  /** SLUICE_DATABASE_ADMIN_URL */
  databaseAdminUrl: string | undefined
  /** SLUICE_LOG_DRIVER and the settings of Kafka */
  log: LogConfig
  /** HOST and PORT */
  host: string
  corePort: number
  /** SLUICE_COLLECTOR_PORT, SLUICE_COLLECTOR_PROCESSES, SLUICE_REDIS_TIMEOUT_MS, and the settings of edges */
  collector: {
    port: number
    processes: number
    redisMsMax: number | undefined
    /** SLUICE_GATEWAY_URL, SLUICE_GATEWAY_USERNAME and SLUICE_GATEWAY_PASSWORD: where it finds keys without a database */
    gateway: HttpDirectorySettings | undefined
    settings: EdgeOptions
  }
  /** SLUICE_PUBLIC_URL */
  publicUrl: string | undefined
  /** SLUICE_TRUSTED_PROXIES */
  trustedProxies: TrustedProxies
  /** SLUICE_SIGN_IN_LINKS, SLUICE_PASSKEYS, SLUICE_OIDC_…, SLUICE_OPERATORS and SLUICE_SIGN_IN_CONTACT */
  signIn: SignInSettings
  /** SLUICE_METRICS_TOKEN */
  metricsToken: string | undefined
  /** SLUICE_GATEWAY_PASSWORD and SLUICE_GATEWAY_USERS */
  gatewayUsers: readonly GatewayUser[]
  /** The PEM texts of the files SLUICE_TLS_CERT and SLUICE_TLS_KEY */
  tls: { cert: string; key: string } | undefined
  /** REDIS_URL */
  redisUrl: string | undefined
  /** SLUICE_REDIS_BRIDGE_URL */
  redisBridgeUrl: string | undefined
  /** SLUICE_REDIS_TOKEN */
  redisToken: string | undefined
  /** SLUICE_ALLOW_CLEARTEXT */
  allowCleartext: boolean
  /** SLUICE_EDGE: what `npm start` runs to accept events */
  edge: 'collector' | 'workerd'
  /** SLUICE_EDGE_URL and SLUICE_KEY */
  edgeUrl: string | undefined
  key: string | undefined
  /** SLUICE_READ_KEY */
  readKey: string | undefined
  /** SLUICE_LOG_LEVEL */
  logLevel: string
  /** SLUICE_RETENTION_DAYS; that of contract/limits.ts unless set */
  retentionDays: number | undefined
  audit: AuditConfig
  canaries: CanarySettings
  verification: VerificationConfig
  /** SLUICE_WORKER_CONCURRENCY; that of contract/limits.ts unless set */
  workerConcurrency: number | undefined
  /** Whether to colour output: on a terminal, unless NO_COLOR is set (https://no-color.org) */
  colour: boolean
}

/** @throws UsageError that names the variable */
export function readConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const former = findFormerSetting(env)
  if (former) throw new UsageError(`${former}.`, 'Rename it; CHANGELOG.md lists all former names.')
  const config: Config = {
    home: resolve(env.SLUICE_HOME || join(ROOT, '.sluice')),
    databaseUrl: env.DATABASE_URL || undefined,
    databaseAdminUrl: env.SLUICE_DATABASE_ADMIN_URL || undefined,
    log: readLog(env),
    host: env.HOST || '127.0.0.1',
    corePort: wholeNumber(env, 'PORT', 0, 65_535) ?? 4000,
    collector: {
      port: wholeNumber(env, 'SLUICE_COLLECTOR_PORT', 0, 65_535) ?? 8787,
      processes: wholeNumber(env, 'SLUICE_COLLECTOR_PROCESSES', 1, 64) ?? 1,
      redisMsMax: wholeNumber(env, 'SLUICE_REDIS_TIMEOUT_MS', 1, 60_000),
      gateway: readGateway(env),
      settings: readEdgeOptions(env),
    },
    publicUrl: readUrl(env, 'SLUICE_PUBLIC_URL'),
    trustedProxies: readTrustedProxies(env),
    signIn: readSignIn(env),
    metricsToken: env.SLUICE_METRICS_TOKEN || undefined,
    gatewayUsers: readGatewayUsers(env),
    tls: readCertificate(env),
    redisUrl: env.REDIS_URL || undefined,
    redisBridgeUrl: env.SLUICE_REDIS_BRIDGE_URL || undefined,
    redisToken: env.SLUICE_REDIS_TOKEN || undefined,
    allowCleartext: oneOf(env, 'SLUICE_ALLOW_CLEARTEXT', ['true', 'false']) === 'true',
    edge: oneOf(env, 'SLUICE_EDGE', ['collector', 'workerd']) ?? 'collector',
    edgeUrl: env.SLUICE_EDGE_URL || undefined,
    key: env.SLUICE_KEY || undefined,
    readKey: env.SLUICE_READ_KEY || undefined,
    logLevel: oneOf(env, 'SLUICE_LOG_LEVEL', ['debug', 'info', 'warn', 'error']) ?? 'info',
    retentionDays: wholeNumber(env, 'SLUICE_RETENTION_DAYS', 1, 36_500),
    audit: readAudit(env),
    canaries: readCanaries(env, env.SLUICE_ALLOW_CLEARTEXT === 'true'),
    verification: readVerificationConfig(env),
    workerConcurrency: wholeNumber(env, 'SLUICE_WORKER_CONCURRENCY', 1, TOPICS.raw.partitions),
    colour: process.stdout.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb',
  }
  checkCleartext(config)
  return config
}

/** What the collector has in common with edges, which check it. */
function readEdgeOptions(env: NodeJS.ProcessEnv): EdgeOptions {
  return {
    SLUICE_EDGE_NAME: env.SLUICE_EDGE_NAME || undefined,
    SLUICE_RATE_LIMITS: env.SLUICE_RATE_LIMITS || undefined,
    SLUICE_REDIS_FAILURE_POLICY: env.SLUICE_REDIS_FAILURE_POLICY || undefined,
    SLUICE_TRUSTED_PROXIES: env.SLUICE_TRUSTED_PROXIES || undefined,
    SLUICE_GEO_HEADERS: env.SLUICE_GEO_HEADERS || undefined,
    SLUICE_NDJSON_BYTES_MAX: env.SLUICE_NDJSON_BYTES_MAX || undefined,
    SLUICE_SITE_KEYS: env.SLUICE_SITE_KEYS || undefined,
    SLUICE_DOCS_KEY: env.SLUICE_DOCS_KEY || undefined,
  }
}

function readGateway(env: NodeJS.ProcessEnv): HttpDirectorySettings | undefined {
  const url = env.SLUICE_GATEWAY_URL
  if (!url) return undefined
  if (!/^https?:\/\/[^/]/.test(url) || !URL.canParse(url))
    throw new UsageError(
      'SLUICE_GATEWAY_URL is not a valid URL.',
      'Set it to a value such as https://core.example.com/gateway.',
    )
  return {
    url: url.replace(/\/+$/, ''),
    username: env.SLUICE_GATEWAY_USERNAME || GATEWAY_USER,
    password: env.SLUICE_GATEWAY_PASSWORD ?? '',
  }
}

function readTrustedProxies(env: NodeJS.ProcessEnv): TrustedProxies {
  try {
    return parseTrustedProxies(env.SLUICE_TRUSTED_PROXIES)
  } catch (error) {
    throw new UsageError(
      `SLUICE_TRUSTED_PROXIES: ${(error as Error).message}.`,
      'Set it to the addresses of your proxies, such as 10.0.0.0/8.',
    )
  }
}

function readGatewayUsers(env: NodeJS.ProcessEnv): GatewayUser[] {
  const { SLUICE_GATEWAY_PASSWORD: password, SLUICE_GATEWAY_USERS: text = '' } = env
  let users: GatewayUser[]
  try {
    users = parseUsers(text)
  } catch (error) {
    throw new UsageError(
      `SLUICE_GATEWAY_USERS: ${(error as Error).message}.`,
      'Set it to name:password:scope:topics:group-prefix of each user, separated by commas; a scope is produce, consume or all, and scope, topics (with | between them) and group prefix may be left out.',
    )
  }
  if (!password) return users
  if (users.some(({ name }) => name === GATEWAY_USER))
    throw new UsageError(
      `SLUICE_GATEWAY_USERS: the user ${GATEWAY_USER} is the one of SLUICE_GATEWAY_PASSWORD.`,
      'Use another name, or unset one of the two.',
    )
  return [edgeUser(password), ...users]
}

function readCertificate(env: NodeJS.ProcessEnv): Config['tls'] {
  const { SLUICE_TLS_CERT: cert, SLUICE_TLS_KEY: key } = env
  if (!cert && !key) return undefined
  const hint =
    'Set both SLUICE_TLS_CERT and SLUICE_TLS_KEY to PEM files that belong together, or neither.'
  if (!cert || !key)
    throw new UsageError(
      `SLUICE_TLS_${cert ? 'KEY' : 'CERT'} is not set, but SLUICE_TLS_${cert ? 'CERT' : 'KEY'} is.`,
      hint,
    )
  try {
    const pair = { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') }
    createSecureContext(pair)
    return pair
  } catch (error) {
    throw new UsageError(`SLUICE_TLS_CERT, SLUICE_TLS_KEY: ${(error as Error).message}`, hint)
  }
}

function readLog(env: NodeJS.ProcessEnv): LogConfig {
  if (oneOf(env, 'SLUICE_LOG_DRIVER', ['postgres', 'kafka']) !== 'kafka') {
    // Under the former name it would be ignored, and events would go into a log that no worker on Kafka reads.
    if (env.LOG === 'kafka' && !env.SLUICE_LOG_DRIVER)
      throw new UsageError('LOG=kafka is now SLUICE_LOG_DRIVER=kafka.', 'Rename it.')
    return { kind: 'postgres' }
  }
  const brokers = (env.KAFKA_BROKERS ?? '').split(',').map((broker) => broker.trim())
  const invalid = brokers.find((broker) => !/^[^\s:]+:\d+$/.test(broker))
  if (invalid !== undefined)
    throw new UsageError(
      invalid === ''
        ? 'KAFKA_BROKERS is not set.'
        : `KAFKA_BROKERS: invalid broker address "${invalid}".`,
      'Set it to host:port of one or more brokers, separated by commas.',
    )
  return {
    kind: 'kafka',
    brokers,
    username: env.SLUICE_KAFKA_USERNAME || undefined,
    password: env.SLUICE_KAFKA_PASSWORD || undefined,
    mechanism: oneOf(env, 'SLUICE_KAFKA_MECHANISM', MECHANISMS) ?? 'plain',
    tls: readTls(env),
    prefix: env.SLUICE_KAFKA_TOPIC_PREFIX ?? '',
  }
}

const MECHANISMS = ['plain', 'scram-sha-256', 'scram-sha-512'] as const

function readTls({ SLUICE_KAFKA_TLS: text }: NodeJS.ProcessEnv): KafkaConfig['tls'] {
  if (!text || text === 'false') return false
  if (text === 'true') return true
  try {
    return { ca: readFileSync(text, 'utf8') }
  } catch (error) {
    throw new UsageError(
      `SLUICE_KAFKA_TLS: ${(error as Error).message}`,
      'Set it to true, false, or a PEM file with the certificates to trust.',
    )
  }
}

/** An origin: core and edges are never below a path. */
function readUrl(env: NodeJS.ProcessEnv, name: string): string | undefined {
  const text = env[name]
  if (!text) return undefined
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!/^https?:$/.test(url?.protocol ?? '') || url?.pathname !== '/' || url.search || url.username)
    throw new UsageError(
      `${name} is not a valid URL of a host.`,
      'Set it to a value such as https://sluice.example.com.',
    )
  return url.origin
}

function wholeNumber(
  env: NodeJS.ProcessEnv,
  name: string,
  min: number,
  max: number,
): number | undefined {
  const text = env[name]
  if (!text) return undefined
  const value = Number(text)
  if (!Number.isInteger(value) || value < min || value > max)
    throw new UsageError(
      `${name} is not a valid number.`,
      `Set it to a whole number from ${min} to ${max}, or unset it.`,
    )
  return value
}

function oneOf<T extends string>(
  env: NodeJS.ProcessEnv,
  name: string,
  choices: readonly T[],
): T | undefined {
  const text = env[name]
  if (!text) return undefined
  if (!choices.includes(text as T))
    throw new UsageError(`${name} has an unknown value.`, `Set it to one of ${choices.join(', ')}.`)
  return text as T
}
