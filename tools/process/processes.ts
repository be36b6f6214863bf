import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** Whether a process with this id exists; a zombie does not count. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
  return !isZombie(pid)
}

/**
 * A process's command line, to tell whose id it is: after a reboot an id belongs to another process.
 * @returns arguments separated by spaces; empty when there is no such process
 */
export function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
  } catch {
    // No /proc: macOS, or the process is gone.
  }
  try {
    return execFileSync('ps', ['-ww', '-o', 'command=', '-p', String(pid)], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 5_000,
    }).trim()
  } catch {
    return ''
  }
}

/**
 * When a process started, in the system's own format: together with the id it identifies a process.
 * Empty when there is no such process.
 */
export function startStamp(pid: number): string {
  const stat = readStat(pid)
  // Field 22 of proc(5), in ticks since boot; readStat() starts with field 3.
  if (stat) return stat.split(' ')[19] ?? ''
  try {
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 5_000,
    }).trim()
  } catch {
    return ''
  }
}

/** Whether the process that had this id and start stamp is still alive. */
export function isSameProcess(pid: number, stamp: string | undefined): boolean {
  return isAlive(pid) && startStamp(pid) === stamp
}

export interface StopStep {
  signal: NodeJS.Signals
  /** How long to wait for the process to end before the next step. */
  graceMs: number
}

/** Sends one signal after the other until the process has ended. @returns whether it has */
export async function stopProcess(pid: number, steps: readonly StopStep[]): Promise<boolean> {
  for (const { signal, graceMs } of steps) {
    if (!isAlive(pid)) return true
    try {
      process.kill(pid, signal)
    } catch {
      // It ended between the check and the signal.
    }
    if (await waitUntilEnded(pid, graceMs)) return true
  }
  return !isAlive(pid)
}

/** @returns whether the process ended within this time */
export async function waitUntilEnded(pid: number, withinMs: number): Promise<boolean> {
  const deadline = Date.now() + withinMs
  while (isAlive(pid)) {
    if (Date.now() >= deadline) return false
    await sleep(20)
  }
  return true
}

function isZombie(pid: number): boolean {
  return readStat(pid)?.startsWith('Z') === true
}

/** Everything after the process name, which stands in brackets and may hold anything. */
function readStat(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2)
  } catch {
    return undefined
  }
}
