import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isAlive, startStamp } from '../process/processes.ts'
import type { EnginePorts, Engines } from './engines.ts'

/** Where the engines of this folder are, as their keeper wrote it down; it holds Postgres' password. */
export interface EnginesState {
  database_url: string
  redis_url: string
  kafka_brokers: string[]
  /** Variables of core/config.ts for a core on these engines: node --env-file=… core/main.ts */
  env_file: string
  postgres_pid: number
  redis_pid: number | undefined
  kafka_pids: (number | undefined)[]
  /** Of the keeper, which all of them end with. */
  pid: number
  /** Tells this process from another that got its id later. */
  pid_stamp: string
  started_at: string
}

/** What runs on this folder right now. */
export function runningEngines(home: string): EnginesState | undefined {
  const state = read<EnginesState>(stateFile(home))
  return state && isAlive(state.pid) && startStamp(state.pid) === state.pid_stamp
    ? state
    : undefined
}

export function writeState(home: string, engines: Engines, startedAt: Date): EnginesState {
  const state: EnginesState = {
    database_url: engines.postgres?.url ?? '',
    redis_url: engines.redis?.url ?? '',
    kafka_brokers: engines.kafka?.brokers ?? [],
    env_file: join(home, 'env'),
    postgres_pid: engines.postgres?.pid ?? 0,
    redis_pid: engines.redis?.pid,
    kafka_pids: engines.kafka?.pids ?? [],
    pid: process.pid,
    pid_stamp: startStamp(process.pid),
    started_at: startedAt.toISOString(),
  }
  writeWhole(stateFile(home), `${JSON.stringify(state, null, 2)}\n`)
  return state
}

export function removeState(home: string): void {
  rmSync(stateFile(home), { force: true })
}

/** What the next start finds again, so that URLs stay good. */
export interface Kept {
  ports: Partial<EnginePorts>
  gatewayPassword: string
  redisToken: string
}

export function readKept(home: string): Kept {
  return (
    read<Kept>(join(home, 'kept.json')) ?? {
      ports: {},
      gatewayPassword: randomBytes(24).toString('base64url'),
      redisToken: randomBytes(24).toString('base64url'),
    }
  )
}

/** @param kept with the ports that came of it: a cluster of one forgets none of a larger one's */
export function writeKept(home: string, kept: Kept, ports: EnginePorts): void {
  const kafka = [...ports.kafka, ...(kept.ports.kafka ?? []).slice(ports.kafka.length)]
  const text = JSON.stringify({ ...kept, ports: { ...ports, kafka } }, null, 2)
  writeWhole(join(home, 'kept.json'), `${text}\n`)
}

/** Readable by its owner only, as everything that holds a password. */
export function writeEnv(state: EnginesState, { gatewayPassword, redisToken }: Kept): void {
  const variables = {
    DATABASE_URL: state.database_url,
    SLUICE_LOG_DRIVER: 'kafka',
    KAFKA_BROKERS: state.kafka_brokers.join(','),
    REDIS_URL: state.redis_url,
    SLUICE_GATEWAY_PASSWORD: gatewayPassword,
    SLUICE_REDIS_TOKEN: redisToken,
  }
  const lines = Object.entries(variables).map(([name, value]) => `${name}=${value}`)
  writeWhole(state.env_file, `${lines.join('\n')}\n`)
}

function stateFile(home: string): string {
  return join(home, 'engines.json')
}

/** Whoever reads it meanwhile finds the old one or the new one. */
function writeWhole(file: string, text: string): void {
  writeFileSync(`${file}.new`, text, { mode: 0o600 })
  renameSync(`${file}.new`, file)
}

function read<T>(file: string): T | undefined {
  if (!existsSync(file)) return undefined
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as T
  } catch {
    // Killed while writing it.
    return undefined
  }
}
