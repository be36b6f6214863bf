import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The top of the tree. */
export const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** Everything the environment may say. Nothing else reads it. */
export interface Config {
  /** SLUICE_HOME: data, keys and logs of `npm start`; .sluice beside package.json unless set. */
  home: string
  /** DATABASE_URL: for commands, instead of the running system's; for core/main.ts. */
  databaseUrl: string | undefined
  /** PORT of core/main.ts. */
  port: number
  /** GATEWAY_PASSWORD: the secret that edges send. */
  gatewayPassword: string | undefined
  /** SLUICE_EDGE_URL and SLUICE_KEY: where and as whom `sluice send` sends. */
  edgeUrl: string | undefined
  key: string | undefined
  /** LOG_LEVEL: debug, info, warn or error. */
  logLevel: string
  /** Whole days, where they differ from contract/limits.ts. */
  rawRetentionDays: number | undefined
  logRetentionDays: number | undefined
}

/** @throws ConfigError that names the variable */
export function readConfig(env: NodeJS.ProcessEnv = process.env): Config {
  return {
    home: resolve(env.SLUICE_HOME || join(ROOT, '.sluice')),
    databaseUrl: env.DATABASE_URL || undefined,
    port: wholeNumber(env, 'PORT', 0, 65_535) ?? 4000,
    gatewayPassword: env.GATEWAY_PASSWORD || undefined,
    edgeUrl: env.SLUICE_EDGE_URL || undefined,
    key: env.SLUICE_KEY || undefined,
    logLevel: oneOf(env, 'LOG_LEVEL', ['debug', 'info', 'warn', 'error']) ?? 'info',
    rawRetentionDays: wholeNumber(env, 'RAW_RETENTION_DAYS', 1, 36_500),
    logRetentionDays: wholeNumber(env, 'LOG_RETENTION_DAYS', 1, 36_500),
  }
}

export class ConfigError extends Error {
  override name = 'ConfigError'
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
    throw new ConfigError(`${name} must be a whole number from ${min} to ${max}`)
  return value
}

function oneOf(
  env: NodeJS.ProcessEnv,
  name: string,
  choices: readonly string[],
): string | undefined {
  const text = env[name]
  if (!text) return undefined
  if (!choices.includes(text)) throw new ConfigError(`${name} must be one of ${choices.join(', ')}`)
  return text
}
