import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** Whether a process of this id exists; one that only waits to be reaped does not count. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
  return !isZombie(pid)
}

/**
 * A process id alone proves nothing: after a reboot it belongs to somebody else.
 * @returns the command line, arguments separated by spaces; empty when there is no such process
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
 * When a process began, in whatever words the system has for it: together with the id it tells one
 * process from any other. Empty when there is none.
 */
export function startStamp(pid: number): string {
  const stat = readStat(pid)
  // Field 22 of proc(5), in ticks since boot; the fields begin anew with the third behind the name.
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

export interface StopStep {
  signal: NodeJS.Signals
  /** How long to wait for the end before the next step. */
  graceMs: number
}

/** Sends one signal after the other until the process is gone. @returns whether it is */
export async function stopProcess(pid: number, steps: readonly StopStep[]): Promise<boolean> {
  for (const { signal, graceMs } of steps) {
    if (!isAlive(pid)) return true
    try {
      process.kill(pid, signal)
    } catch {
      // Gone between the look and the signal.
    }
    if (await hasEnded(pid, graceMs)) return true
  }
  return !isAlive(pid)
}

export async function hasEnded(pid: number, withinMs: number): Promise<boolean> {
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

/** From the state on: the name in brackets before it may hold anything. */
function readStat(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2)
  } catch {
    return undefined
  }
}
