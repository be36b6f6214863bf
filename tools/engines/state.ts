import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isSameProcess, startStamp } from '../process/processes.ts'
import type { EnginePorts, Engines } from './engines.ts'

/** Where the engines of this folder are, written by their supervisor; it holds Postgres' password. */
export interface EnginesState {
  database_url: string
  redis_url: string
  /** The same Redis as the user of edges. */
  redis_bridge_url: string
  kafka_brokers: string[]
  /** The variables of a core on these engines: node --env-file=… core/main.ts */
  env_file: string
  postgres_pid: number
  redis_pid: number | undefined
  kafka_pids: (number | undefined)[]
  /** Of the supervisor; all engines end with it. */
  pid: number
  /** Distinguishes this process from a later one with the same id. */
  pid_stamp: string
  started_at: string
}

/** The engines that run on this folder now, or undefined. */
export function findRunningEngines(home: string): EnginesState | undefined {
  const state = readJson<EnginesState>(stateFile(home))
  return state && isSameProcess(state.pid, state.pid_stamp) ? state : undefined
}

export function writeState(home: string, engines: Engines, startedAt: Date): EnginesState {
  const state: EnginesState = {
    database_url: engines.postgres?.url ?? '',
    redis_url: engines.redis?.url ?? '',
    redis_bridge_url: engines.redis?.bridgeUrl ?? '',
    kafka_brokers: engines.kafka?.brokers ?? [],
    env_file: join(home, 'env'),
    postgres_pid: engines.postgres?.pid ?? 0,
    redis_pid: engines.redis?.pid,
    kafka_pids: engines.kafka?.pids ?? [],
    pid: process.pid,
    pid_stamp: startStamp(process.pid),
    started_at: startedAt.toISOString(),
  }
  replaceFile(stateFile(home), `${JSON.stringify(state, null, 2)}\n`)
  return state
}

export function removeState(home: string): void {
  rmSync(stateFile(home), { force: true })
}

/** What the next start uses again, so that URLs stay the same. */
export interface Saved {
  ports: Partial<EnginePorts>
  gatewayPassword: string
  redisToken: string
}

export function readSaved(home: string): Saved {
  return (
    readJson<Saved>(savedFile(home)) ?? {
      ports: {},
      gatewayPassword: randomBytes(24).toString('base64url'),
      redisToken: randomBytes(24).toString('base64url'),
    }
  )
}

/** @param ports of this start; of a larger cluster, the ports of its other brokers are preserved */
export function writeSaved(home: string, saved: Saved, ports: EnginePorts): void {
  const kafka = [...ports.kafka, ...(saved.ports.kafka ?? []).slice(ports.kafka.length)]
  const text = JSON.stringify({ ...saved, ports: { ...ports, kafka } }, null, 2)
  replaceFile(savedFile(home), `${text}\n`)
}

/** Readable by its owner only, like every file that holds a password. */
export function writeEnv(state: EnginesState, { gatewayPassword, redisToken }: Saved): void {
  const variables = {
    DATABASE_URL: state.database_url,
    SLUICE_LOG_DRIVER: 'kafka',
    KAFKA_BROKERS: state.kafka_brokers.join(','),
    REDIS_URL: state.redis_url,
    SLUICE_REDIS_BRIDGE_URL: state.redis_bridge_url,
    SLUICE_GATEWAY_PASSWORD: gatewayPassword,
    SLUICE_REDIS_TOKEN: redisToken,
  }
  const lines = Object.entries(variables).map(([name, value]) => `${name}=${value}`)
  replaceFile(state.env_file, `${lines.join('\n')}\n`)
}

function savedFile(home: string): string {
  return join(home, 'saved.json')
}

function stateFile(home: string): string {
  return join(home, 'engines.json')
}

/** A reader finds the old file or the new one, each complete. */
function replaceFile(file: string, text: string): void {
  writeFileSync(`${file}.new`, text, { mode: 0o600 })
  renameSync(`${file}.new`, file)
}

function readJson<T>(file: string): T | undefined {
  if (!existsSync(file)) return undefined
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as T
  } catch {
    // Its writer was killed.
    return undefined
  }
}
