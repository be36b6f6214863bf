import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { isSameProcess, type StopStep, startStamp, stopProcess } from './processes.ts'

/** A file `pid` in a process's folder, by which the next start finds a process that outlived a killed parent. */
export function pidFilePath(home: string): string {
  return join(home, 'pid')
}

export function writePidFile(file: string, pid: number): void {
  writeFileSync(file, `${pid} ${startStamp(pid)}\n`)
}

/** Stops the process that a killed parent left running on this folder. */
export async function stopLeftover(file: string, steps: readonly StopStep[]): Promise<void> {
  const pid = readPid(file)
  if (pid !== undefined && !(await stopProcess(pid, steps)))
    throw new Error(`Process ${pid} still runs on ${dirname(file)}. Stop it: kill -9 ${pid}`)
  rmSync(file, { force: true })
}

/** Kills every leftover process whose pid file is below this folder. */
export async function stopLeftovers(home: string): Promise<void> {
  if (!existsSync(home)) return
  const files = readdirSync(home, { recursive: true, encoding: 'utf8' })
  for (const file of files.filter((name) => basename(name) === 'pid'))
    await stopLeftover(join(home, file), [{ signal: 'SIGKILL', graceMs: 5_000 }])
}

function readPid(file: string): number | undefined {
  try {
    const [pid, ...stamp] = readFileSync(file, 'utf8').trim().split(' ')
    return isSameProcess(Number(pid), stamp.join(' ')) ? Number(pid) : undefined
  } catch {
    return undefined
  }
}
