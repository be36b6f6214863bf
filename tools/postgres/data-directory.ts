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
 * Where Postgres keeps its data, and which user runs it. Usually these are the home folder and the current
 * user. As root they are neither: Postgres refuses to run as root, so another user runs it, and that user may
 * not enter a home below /root or below any folder of mode 0700. Then the binaries (60 MB) are copied to, and
 * the data lies in, a folder under /var/tmp whose name is derived from the home.
 */
export interface DataDirectory {
  binaries: PostgresBinaries
  dataFolder: string
  /** Set when another user must run Postgres. */
  user?: PostgresUser
}

export interface PostgresUser {
  uid: number
  gid: number
}

export function findDataDirectory(home: string): DataDirectory {
  const binaries = findBinaries()
  if (process.getuid?.() !== 0) {
    return { binaries, dataFolder: createFolder(join(home, 'postgres', 'data'), 0o700) }
  }
  const user = findUser()
  const outside = outsideFolder(home)
  const inside = join(home, 'postgres')
  // Existing data decides, whatever else has changed since it was created.
  const existing = [inside, outside].find((folder) =>
    existsSync(join(folder, 'data', 'PG_VERSION')),
  )
  const parent = existing ?? (mayEnter(createFolder(inside, 0o755), user) ? inside : outside)
  if (parent === outside) createOwnFolder(outside)
  const dataFolder = createFolder(join(parent, 'data'), 0o700)
  chownSync(dataFolder, user.uid, user.gid)
  if (!mayEnter(dataFolder, user))
    throw new Error(
      `Postgres cannot run as root, and its user (uid ${user.uid}) may not enter ${dataFolder}. Set SLUICE_HOME to a folder that every user may enter.`,
    )
  return {
    binaries: mayRun(binaries, user) ? binaries : copyBinaries(binaries, outside),
    dataFolder,
    user,
  }
}

/** Removes everything of this home's Postgres, inside and outside of the home. It must not run. */
export function removeDataDirectory(home: string): void {
  rmSync(join(home, 'postgres'), { recursive: true, force: true })
  const outside = outsideFolder(home)
  if (isOwnFolder(outside)) rmSync(outside, { recursive: true, force: true })
}

/** Its name is derived, not stored, so that it is found again even when the home was emptied by hand. */
export function outsideFolder(home: string): string {
  const hash = createHash('sha256').update(resolve(home)).digest('hex').slice(0, 12)
  return `/var/tmp/sluice-${hash}`
}

/** The user `postgres`, created if missing; on a machine without useradd, `nobody`. */
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
  const created = lookUp('postgres') ?? lookUp('nobody')
  if (!created)
    throw new Error(
      'Postgres cannot run as root, and this machine has no user "postgres" or "nobody". Run as another user, or create one: useradd postgres.',
    )
  return created
}

function lookUp(name: string): PostgresUser | undefined {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${name}:`))
  const [, , uid, gid] = line?.split(':') ?? []
  return uid && gid ? { uid: Number(uid), gid: Number(gid) } : undefined
}

/** Tried, not computed from the modes of all parents: access lists and mounts count too. */
function mayEnter(folder: string, user: PostgresUser): boolean {
  const result = spawnSync('/bin/sh', ['-c', 'cd "$0"', folder], {
    ...user,
    cwd: '/',
    stdio: 'ignore',
    timeout: 10_000,
  })
  return result.status === 0
}

function mayRun(binaries: PostgresBinaries, user: PostgresUser): boolean {
  const result = spawnSync(binaries.postgres, ['--version'], {
    ...user,
    cwd: '/',
    stdio: 'ignore',
    timeout: 10_000,
  })
  return result.status === 0
}

function copyBinaries(binaries: PostgresBinaries, folder: string): PostgresBinaries {
  createOwnFolder(folder)
  const native = join(folder, 'native')
  const stamp = join(folder, 'native.version')
  const copied = existsSync(stamp) ? readFileSync(stamp, 'utf8') : ''
  if (copied !== binaries.version) {
    const incomplete = `${native}.new`
    rmSync(incomplete, { recursive: true, force: true })
    cpSync(binaries.native, incomplete, { recursive: true, verbatimSymlinks: true })
    rmSync(native, { recursive: true, force: true })
    renameSync(incomplete, native)
    writeFileSync(stamp, binaries.version)
  }
  return {
    version: binaries.version,
    native,
    postgres: join(native, 'bin', 'postgres'),
    initdb: join(native, 'bin', 'initdb'),
  }
}

function createFolder(path: string, mode: number): string {
  if (!existsSync(path)) {
    mkdirSync(path, { recursive: true })
    // Whatever the umask says.
    chmodSync(path, mode)
  }
  return path
}

/** Everybody may write to /var/tmp: a folder there is used only if it is ours and nobody else may write to it. */
function createOwnFolder(path: string): void {
  if (!existsSync(path)) mkdirSync(path)
  if (!isOwnFolder(path))
    throw new Error(
      `${path} belongs to another user, or others may write to it. Look at it and remove it, then try again.`,
    )
  chmodSync(path, 0o755)
}

function isOwnFolder(path: string): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  return (
    stat?.isDirectory() === true && stat.uid === process.getuid?.() && (stat.mode & 0o022) === 0
  )
}
