import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { createSecureContext } from 'node:tls'
import { TOPICS } from '../contract/log/topics.ts'
import { GATEWAY_USER, type GatewayUser, parseUsers } from './gateway/users.ts'
import { ROOT } from './lib/paths.ts'
import { UsageError } from './lib/usage-error.ts'
import type { KafkaConfig, LogConfig } from './log/log-config.ts'

/** Everything the environment may say. Nothing else reads it. */
export interface Config {
  /** SLUICE_HOME: data, keys and logs of `npm start`; .sluice beside package.json unless set. */
  home: string
  /** DATABASE_URL: for core/main.ts, and for commands instead of the running system's. */
  databaseUrl: string | undefined
  /** SLUICE_LOG_DRIVER: postgres, or kafka with KAFKA_BROKERS (host:port, …) and what those ask for. */
  log: LogConfig
  /** HOST and PORT of core/main.ts. */
  host: string
  corePort: number
  /** SLUICE_PUBLIC_URL: how browsers reach core, e.g. https://sluice.example.com; by a loopback name unless set. */
  publicUrl: string | undefined
  /** SLUICE_GATEWAY_PASSWORD: the secret that edges send; SLUICE_GATEWAY_USERS: name:password[:produce|consume|all], … */
  gatewayUsers: readonly GatewayUser[]
  /** SLUICE_TLS_CERT and SLUICE_TLS_KEY: PEM; core speaks HTTPS then. */
  tls: { cert: string; key: string } | undefined
  /** REDIS_URL: answers are cached and keys published there, and edges reach it through /redis. */
  redisUrl: string | undefined
  /** SLUICE_REDIS_BRIDGE_URL: as whom they do, a user with fewer rights than ours; without it as we do. */
  redisBridgeUrl: string | undefined
  /** SLUICE_REDIS_TOKEN: what edges send to /redis, which is closed without it. */
  redisToken: string | undefined
  /** SLUICE_EDGE_URL and SLUICE_KEY: where and as whom `sluice send` sends. */
  edgeUrl: string | undefined
  key: string | undefined
  /** SLUICE_LOG_LEVEL: debug, info, warn or error. */
  logLevel: string
  /** SLUICE_RETENTION_DAYS: of single events, where it differs from contract/limits.ts. */
  retentionDays: number | undefined
  /** SLUICE_WORKER_CONCURRENCY: connections of one worker that write, where that differs from contract/limits.ts. */
  workerLanes: number | undefined
  /** Whether to colour what a person reads: on a terminal, unless NO_COLOR says otherwise (https://no-color.org). */
  colour: boolean
}

/** @throws UsageError that names the variable */
export function readConfig(env: NodeJS.ProcessEnv = process.env): Config {
  return {
    home: resolve(env.SLUICE_HOME || join(ROOT, '.sluice')),
    databaseUrl: env.DATABASE_URL || undefined,
    log: readLog(env),
    host: env.HOST || '127.0.0.1',
    corePort: wholeNumber(env, 'PORT', 0, 65_535) ?? 4000,
    publicUrl: readUrl(env, 'SLUICE_PUBLIC_URL'),
    gatewayUsers: readGatewayUsers(env),
    tls: readCertificate(env),
    redisUrl: env.REDIS_URL || undefined,
    redisBridgeUrl: env.SLUICE_REDIS_BRIDGE_URL || undefined,
    redisToken: env.SLUICE_REDIS_TOKEN || undefined,
    edgeUrl: env.SLUICE_EDGE_URL || undefined,
    key: env.SLUICE_KEY || undefined,
    logLevel: oneOf(env, 'SLUICE_LOG_LEVEL', ['debug', 'info', 'warn', 'error']) ?? 'info',
    retentionDays: wholeNumber(env, 'SLUICE_RETENTION_DAYS', 1, 36_500),
    workerLanes: wholeNumber(env, 'SLUICE_WORKER_CONCURRENCY', 1, TOPICS.raw.partitions),
    colour: process.stdout.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb',
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
      'Set it to name:password:scope of each, with commas between; scopes are produce, consume and all.',
    )
  }
  if (!password) return users
  if (users.some(({ name }) => name === GATEWAY_USER))
    throw new UsageError(
      `SLUICE_GATEWAY_USERS: ${GATEWAY_USER} is the name that goes with SLUICE_GATEWAY_PASSWORD.`,
      'Give one of them up, or take another name.',
    )
  return [{ name: GATEWAY_USER, password, scope: 'all' }, ...users]
}

function readCertificate(env: NodeJS.ProcessEnv): Config['tls'] {
  const { SLUICE_TLS_CERT: cert, SLUICE_TLS_KEY: key } = env
  if (!cert && !key) return undefined
  const mend =
    'Set SLUICE_TLS_CERT and SLUICE_TLS_KEY to PEM files that belong together, or neither.'
  if (!cert || !key)
    throw new UsageError(
      `SLUICE_TLS_${cert ? 'KEY' : 'CERT'} is not set, but its other half is.`,
      mend,
    )
  try {
    const pair = { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') }
    createSecureContext(pair)
    return pair
  } catch (error) {
    throw new UsageError(`SLUICE_TLS_CERT, SLUICE_TLS_KEY: ${(error as Error).message}`, mend)
  }
}

function readLog(env: NodeJS.ProcessEnv): LogConfig {
  if (oneOf(env, 'SLUICE_LOG_DRIVER', ['postgres', 'kafka']) !== 'kafka')
    return { kind: 'postgres' }
  const brokers = (env.KAFKA_BROKERS ?? '').split(',').map((each) => each.trim())
  const wrong = brokers.find((each) => !/^[^\s:]+:\d+$/.test(each))
  if (wrong !== undefined)
    throw new UsageError(
      wrong === '' ? 'KAFKA_BROKERS is not set.' : `KAFKA_BROKERS: "${wrong}" is no broker.`,
      'Set it to host:port of a broker or several, with commas between.',
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
      'Set it to true, false, or the PEM file with the certificates that are to be trusted.',
    )
  }
}

/** Without what follows the host: no part of us lives below a path. */
function readUrl(env: NodeJS.ProcessEnv, name: string): string | undefined {
  const text = env[name]
  if (!text) return undefined
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!/^https?:$/.test(url?.protocol ?? '') || url?.pathname !== '/' || url.search || url.username)
    throw new UsageError(
      `${name} is not the address of a site.`,
      'Set it like https://name.example.com.',
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
      `${name} is not a number that makes sense here.`,
      `Set it to a whole number from ${min} to ${max}, or leave it out.`,
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
    throw new UsageError(`${name} has no meaning here.`, `Set it to one of ${choices.join(', ')}.`)
  return text as T
}
