import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The top of the tree. */
export const ROOT = fileURLToPath(new URL('..', import.meta.url))
/** Where the dashboard is built to and served from. */
export const DASHBOARD_FOLDER = join(ROOT, 'dist', 'dashboard')

/** Everything the environment may say. Nothing else reads it. */
export interface Config {
  /** SLUICE_HOME: data, keys and logs of `npm start`; .sluice beside package.json unless set. */
  home: string
  /** DATABASE_URL: for core/main.ts, and for commands instead of the running system's. */
  databaseUrl: string | undefined
  /** HOST and PORT of core/main.ts. */
  host: string
  corePort: number
  /** SLUICE_GATEWAY_PASSWORD: the secret that edges send. */
  gatewayPassword: string | undefined
  /** SLUICE_EDGE_URL and SLUICE_KEY: where and as whom `sluice send` sends. */
  edgeUrl: string | undefined
  key: string | undefined
  /** LOG_LEVEL: debug, info, warn or error. */
  logLevel: string
  /** SLUICE_RETENTION_DAYS: of single events, where it differs from contract/limits.ts. */
  retentionDays: number | undefined
  /** Whether to colour what a person reads: on a terminal, unless NO_COLOR says otherwise (https://no-color.org). */
  colour: boolean
}

/** @throws UsageError that names the variable */
export function readConfig(env: NodeJS.ProcessEnv = process.env): Config {
  return {
    home: resolve(env.SLUICE_HOME || join(ROOT, '.sluice')),
    databaseUrl: env.DATABASE_URL || undefined,
    host: env.HOST || '127.0.0.1',
    corePort: wholeNumber(env, 'PORT', 0, 65_535) ?? 4000,
    gatewayPassword: env.SLUICE_GATEWAY_PASSWORD || undefined,
    edgeUrl: env.SLUICE_EDGE_URL || undefined,
    key: env.SLUICE_KEY || undefined,
    logLevel: oneOf(env, 'LOG_LEVEL', ['debug', 'info', 'warn', 'error']) ?? 'info',
    retentionDays: wholeNumber(env, 'SLUICE_RETENTION_DAYS', 1, 36_500),
    colour: process.stdout.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb',
  }
}

/** Something a person can mend: one line of what, one line of what to do. */
export class UsageError extends Error {
  readonly hint: string | undefined

  constructor(message: string, hint?: string) {
    super(message)
    this.name = 'UsageError'
    this.hint = hint
  }
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

function oneOf(
  env: NodeJS.ProcessEnv,
  name: string,
  choices: readonly string[],
): string | undefined {
  const text = env[name]
  if (!text) return undefined
  if (!choices.includes(text))
    throw new UsageError(`${name} has no meaning here.`, `Set it to one of ${choices.join(', ')}.`)
  return text
}
