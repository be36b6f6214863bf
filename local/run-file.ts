import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isSameProcess } from '../tools/process/processes.ts'
import type { Part } from './parts.ts'

/** What a running Sluice writes down about itself: for commands, and for the next start to clean up after it. */
export interface RunFile {
  edge_url: string
  core_url: string
  graphql_url: string
  dashboard_url: string
  gateway_url: string
  database_url: string
  write_key: string
  read_key: string
  /** The log's driver. */
  log: string
  log_file: string
  pid: number
  /** Distinguishes this process from a later one with the same id. */
  pid_stamp: string
  /** 0 while a part is down. */
  core_pid: number
  edge_pid: number
  postgres_pid: number
  /** In the order of their start. */
  parts: Part[]
  started_at: string
}

export function runFilePath(home: string): string {
  return join(home, 'run.json')
}

/** Readable by its owner only: it holds keys. */
export function writeRunFile(home: string, run: RunFile): void {
  const file = `${runFilePath(home)}.new`
  writeFileSync(file, `${JSON.stringify(run, null, 2)}\n`, { mode: 0o600 })
  // A reader finds the old file or the new one, each complete.
  renameSync(file, runFilePath(home))
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
    // Its writer was killed; leftover processes are then found by their pid files.
    return undefined
  }
}

/** The instance that runs on this home now, or undefined. */
export function findRunning(home: string): RunFile | undefined {
  const run = readRunFile(home)
  return run && isSameProcess(run.pid, run.pid_stamp) ? run : undefined
}
