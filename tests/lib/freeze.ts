import { readdirSync, readFileSync } from 'node:fs'

/**
 * Stops a process and all its descendants with SIGSTOP: they live and do not respond, as on a machine that
 * hangs. Linux only.
 * @returns what lets them go on
 */
export function freeze(pid: number): () => void {
  const stopped = new Set<number>()
  // The parent first, so that it starts no more children while we look.
  for (let found = [pid]; found.length > 0; found = descendants(pid).filter((p) => !stopped.has(p)))
    for (const each of found) {
      stopped.add(each)
      signal(each, 'SIGSTOP')
    }
  return () => {
    for (const each of stopped) signal(each, 'SIGCONT')
  }
}

function descendants(pid: number): number[] {
  const children = readdirSync('/proc').filter(
    (name) => /^\d+$/.test(name) && parentOf(name) === pid,
  )
  return children.map(Number).flatMap((child) => [child, ...descendants(child)])
}

function parentOf(pid: string): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
  } catch {
    // It has ended while we looked.
    return undefined
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // It has ended.
  }
}
