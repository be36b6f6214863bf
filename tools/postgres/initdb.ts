import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DataDirectory } from './data-directory.ts'

const INITDB_MS_MAX = 120_000

/** Of all programs of Postgres: no locale, no time zone and no PG… variable of the machine gets in. */
export const POSTGRES_ENV = { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' }

/** Creates the data folder under another name and renames it when it is complete, so that no start finds half of one. */
export function initialiseDataFolder(
  { binaries, dataFolder, user }: DataDirectory,
  password: string,
): void {
  const incomplete = `${dataFolder}.new`
  rmSync(incomplete, { recursive: true, force: true })
  mkdirSync(incomplete, { mode: 0o700 })
  const secrets = mkdtempSync(join(tmpdir(), 'sluice-'))
  const passwordFile = join(secrets, 'password')
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 })
  if (user)
    for (const path of [incomplete, secrets, passwordFile]) chownSync(path, user.uid, user.gid)
  try {
    const { status, error, stderr } = spawnSync(
      binaries.initdb,
      [
        `--pgdata=${incomplete}`,
        '--username=sluice',
        `--pwfile=${passwordFile}`,
        '--auth=scram-sha-256',
        '--encoding=UTF8',
        // The same order of strings on every machine, whatever locales it has.
        '--locale=C',
        '--locale-provider=builtin',
        '--builtin-locale=C.UTF-8',
      ],
      { ...user, cwd: '/', env: POSTGRES_ENV, encoding: 'utf8', timeout: INITDB_MS_MAX },
    )
    if (status !== 0)
      throw new Error(
        `Postgres could not create its data folder ${dataFolder}: ${(error?.message ?? stderr).trim().split('\n').at(-1)}`,
      )
    rmSync(dataFolder, { recursive: true, force: true })
    renameSync(incomplete, dataFolder)
  } finally {
    rmSync(secrets, { recursive: true, force: true })
  }
}

/** The superuser's password: that of the last start, else a new one. */
export function ensurePassword(home: string): string {
  const file = join(home, 'postgres.password')
  if (existsSync(file)) return readFileSync(file, 'utf8').trim()
  const password = randomBytes(24).toString('base64url')
  writeFileSync(file, `${password}\n`, { mode: 0o600 })
  return password
}
