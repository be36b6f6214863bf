import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { commandLine, isAlive } from './processes.ts'

/** What a running Sluice on one machine tells about itself; DESIGN §7's fields and what a restart needs. */
export interface RunFile {
  edge_url: string
  core_url: string
  graphql_url: string
  dashboard_url: string
  gateway_url: string
  database_url: string
  write_key: string
  read_key: string
  /** Which engine keeps the log. */
  log: string
  log_file: string
  pid: number
  edge_pid: number
  postgres_pid: number
  started_at: string
}

export function runFilePath(home: string): string {
  return join(home, 'run.json')
}

/** Readable by its owner only: it holds keys. */
export function writeRunFile(home: string, run: RunFile): void {
  writeFileSync(runFilePath(home), `${JSON.stringify(run, null, 2)}\n`, { mode: 0o600 })
}

export function removeRunFile(home: string): void {
  rmSync(runFilePath(home), { force: true })
}

/** What the last start wrote, whether it still runs or was killed. */
export function readRunFile(home: string): RunFile | undefined {
  if (!existsSync(runFilePath(home))) return undefined
  try {
    return JSON.parse(readFileSync(runFilePath(home), 'utf8')) as RunFile
  } catch {
    // Killed while writing it; the processes it would have named are found by other marks.
    return undefined
  }
}

/** What runs on this home right now. */
export function running(home: string): RunFile | undefined {
  const run = readRunFile(home)
  return run && isAlive(run.pid) && commandLine(run.pid).includes('core/cli/') ? run : undefined
}
