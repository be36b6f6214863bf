import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join, resolve } from 'node:path'
import { findBinaries, type PostgresBinaries } from './binaries.ts'

/**
 * Where Postgres lives and as whom. Usually that is the home folder and ourselves. As root it is
 * neither: Postgres refuses to run as root, so another user runs it, and that user may not enter
 * a home below /root or below any folder of mode 0700. Then the binaries (60 MB) are copied to,
 * and the data lies in, a folder under /var/tmp whose name is derived from the home.
 */
export interface DataDirectory {
  binaries: PostgresBinaries
  dataFolder: string
  /** Set when Postgres must run as somebody else. */
  user?: PostgresUser
}

export interface PostgresUser {
  uid: number
  gid: number
}

export function findDataDirectory(home: string): DataDirectory {
  const binaries = findBinaries()
  if (process.getuid?.() !== 0) {
    return { binaries, dataFolder: makeFolder(join(home, 'postgres', 'data'), 0o700) }
  }
  const user = findUser()
  const away = awayFolder(home)
  // Once data lies somewhere, it is there that the next start must look, whatever else has changed.
  const atHome = join(home, 'postgres')
  const settled = existsSync(join(atHome, 'data', 'PG_VERSION'))
    ? atHome
    : existsSync(join(away, 'data', 'PG_VERSION'))
      ? away
      : undefined
  const dataAt = settled ?? (mayEnter(makeFolder(atHome, 0o755), user) ? atHome : away)
  if (dataAt === away) makeOwnFolder(away)
  const dataFolder = makeFolder(join(dataAt, 'data'), 0o700)
  chownSync(dataFolder, user.uid, user.gid)
  if (!mayEnter(dataFolder, user))
    throw new Error(
      `Postgres cannot run as root, and its user (uid ${user.uid}) may not enter ${dataFolder}. Set SLUICE_HOME to a folder that every user may enter.`,
    )
  return {
    binaries: runnable(binaries, user) ? binaries : copyAway(binaries, away),
    dataFolder,
    user,
  }
}

/** Removes all that Postgres keeps for this home, wherever it lies. It must not run. */
export function removeDataDirectory(home: string): void {
  rmSync(join(home, 'postgres'), { recursive: true, force: true })
  const away = awayFolder(home)
  if (isOwnFolder(away)) rmSync(away, { recursive: true, force: true })
}

/** Derived, not stored: it is found again even when the home was emptied by hand. */
export function awayFolder(home: string): string {
  const hash = createHash('sha256').update(resolve(home)).digest('hex').slice(0, 12)
  return `/var/tmp/sluice-${hash}`
}

/** The user `postgres`, made if need be; on a machine without useradd, `nobody`. */
function findUser(): PostgresUser {
  const found = lookUp('postgres')
  if (found) return found
  try {
    execFileSync('groupadd', ['--system', '--force', 'postgres'], { stdio: 'ignore' })
    execFileSync(
      'useradd',
      ['--system', '--gid', 'postgres', '--no-create-home', '--shell', '/bin/false', 'postgres'],
      { stdio: 'ignore' },
    )
  } catch {
    // Busybox has neither; the look-up below decides.
  }
  const made = lookUp('postgres') ?? lookUp('nobody')
  if (!made)
    throw new Error(
      'Postgres cannot run as root, and this machine has no user "postgres" or "nobody". Run as another user, or make one: useradd postgres.',
    )
  return made
}

function lookUp(name: string): PostgresUser | undefined {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((each) => each.startsWith(`${name}:`))
  const [, , uid, gid] = line?.split(':') ?? []
  return uid && gid ? { uid: Number(uid), gid: Number(gid) } : undefined
}

/** Tried rather than worked out from the modes of all parents: access lists and mounts count too. */
function mayEnter(folder: string, user: PostgresUser): boolean {
  const tried = spawnSync('/bin/sh', ['-c', 'cd "$0"', folder], {
    ...user,
    cwd: '/',
    stdio: 'ignore',
    timeout: 10_000,
  })
  return tried.status === 0
}

function runnable(binaries: PostgresBinaries, user: PostgresUser): boolean {
  const tried = spawnSync(binaries.postgres, ['--version'], {
    ...user,
    cwd: '/',
    stdio: 'ignore',
    timeout: 10_000,
  })
  return tried.status === 0
}

function copyAway(binaries: PostgresBinaries, away: string): PostgresBinaries {
  makeOwnFolder(away)
  const native = join(away, 'native')
  const stamp = join(away, 'native.version')
  const copied = existsSync(stamp) ? readFileSync(stamp, 'utf8') : ''
  if (copied !== binaries.version) {
    const fresh = `${native}.new`
    rmSync(fresh, { recursive: true, force: true })
    cpSync(binaries.native, fresh, { recursive: true, verbatimSymlinks: true })
    rmSync(native, { recursive: true, force: true })
    renameSync(fresh, native)
    writeFileSync(stamp, binaries.version)
  }
  return {
    version: binaries.version,
    native,
    postgres: join(native, 'bin', 'postgres'),
    initdb: join(native, 'bin', 'initdb'),
  }
}

function makeFolder(path: string, mode: number): string {
  if (!existsSync(path)) {
    mkdirSync(path, { recursive: true })
    // Whatever the umask says.
    chmodSync(path, mode)
  }
  return path
}

/** /var/tmp belongs to everybody: a folder there is used only when it is ours and nobody else may write to it. */
function makeOwnFolder(path: string): void {
  if (!existsSync(path)) mkdirSync(path)
  if (!isOwnFolder(path))
    throw new Error(`${path} exists and is not ours. Look at it and remove it, then try again.`)
  chmodSync(path, 0o755)
}

function isOwnFolder(path: string): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  return (
    stat?.isDirectory() === true && stat.uid === process.getuid?.() && (stat.mode & 0o022) === 0
  )
}
