import { execFileSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { dirname } from 'node:path'

/** As whom Postgres runs: undefined means as ourselves. */
export interface RunAs {
  uid: number
  gid: number
}

/** Postgres refuses root. Then it runs as the system's user `postgres`, made if missing, else as `nobody`. */
export function postgresUser(): RunAs | undefined {
  if (process.getuid?.() !== 0) return undefined
  return look('postgres') ?? make('postgres') ?? look('nobody')
}

function look(name: string): RunAs | undefined {
  try {
    const id = (flag: string) =>
      Number(execFileSync('id', [flag, name], { encoding: 'utf8', stdio: 'pipe' }))
    return { uid: id('-u'), gid: id('-g') }
  } catch {
    return undefined
  }
}

function make(name: string): RunAs | undefined {
  try {
    execFileSync('useradd', ['--system', '--no-create-home', name], { stdio: 'pipe' })
  } catch {
    return undefined
  }
  return look(name)
}

/** Whether a user who owns nothing on the way may walk to this folder (a clone under /root, or made by `mktemp -d`, is out of reach). */
export function reachable(folder: string): boolean {
  for (let at = folder; ; at = dirname(at)) {
    if ((statSync(at).mode & 0o001) === 0) return false
    if (at === dirname(at)) return true
  }
}
