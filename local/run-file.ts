import { existsSync, linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isAlive, startStamp } from './process/processes.ts'

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
  /** Tells this process from another that got its id later. */
  pid_stamp: string
  edge_pid: number
  postgres_pid: number
  started_at: string
}

export function runFilePath(home: string): string {
  return join(home, 'run.json')
}

/** Readable by its owner only: it holds keys. */
export function writeRunFile(home: string, run: RunFile): void {
  const fresh = `${runFilePath(home)}.new`
  writeFileSync(fresh, `${JSON.stringify(run, null, 2)}\n`, { mode: 0o600 })
  // Whoever reads it meanwhile finds the old one or the new one, whole.
  renameSync(fresh, runFilePath(home))
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
  return run && isStill(run.pid, run.pid_stamp) ? run : undefined
}

/**
 * Makes us the only one that starts or runs on this home; without it, two starts at once would each
 * take the other's Postgres for an orphan.
 * @returns the id of the process that was there first, or undefined when we may go on
 */
export function claimHome(home: string): number | undefined {
  const file = join(home, 'lock')
  const ours = `${file}.${process.pid}`
  writeFileSync(ours, `${process.pid} ${startStamp(process.pid)}\n`)
  for (;;) {
    try {
      // A link appears with its content, so nobody reads half of it.
      linkSync(ours, file)
      rmSync(ours)
      return undefined
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    const [, pid, stamp] = /^(\d+) (.*)$/m.exec(readIfThere(file)) ?? []
    if (pid && isStill(Number(pid), stamp)) {
      rmSync(ours)
      return Number(pid)
    }
    // Left by one that was killed.
    rmSync(file, { force: true })
  }
}

export function releaseHome(home: string): void {
  rmSync(join(home, 'lock'), { force: true })
}

function isStill(pid: number, stamp: string | undefined): boolean {
  return isAlive(pid) && startStamp(pid) === stamp
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
