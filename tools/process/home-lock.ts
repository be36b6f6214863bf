import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isSameProcess, startStamp } from './processes.ts'

/**
 * Makes this process the only one that starts or runs on this home; without the lock, each of two starts
 * at once would take the other's Postgres for an orphan.
 * @returns undefined when this process holds the lock, else the id of the process that does
 */
export function lockHome(home: string): number | undefined {
  const file = join(home, 'lock')
  const ours = `${file}.${process.pid}`
  writeFileSync(ours, `${process.pid} ${startStamp(process.pid)}\n`)
  for (;;) {
    try {
      // A link appears together with its content, so that nobody reads half of it.
      linkSync(ours, file)
      rmSync(ours)
      return undefined
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    const [, pid, stamp] = /^(\d+) (.*)$/m.exec(readIfExists(file)) ?? []
    if (pid && isSameProcess(Number(pid), stamp)) {
      rmSync(ours)
      return Number(pid)
    }
    // Its owner was killed.
    rmSync(file, { force: true })
  }
}

export function unlockHome(home: string): void {
  rmSync(join(home, 'lock'), { force: true })
}

function readIfExists(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
