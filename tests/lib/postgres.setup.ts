import { chmodSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import type { TestProject } from 'vitest/node'
import { migrate } from '../../core/db/migrate.ts'
import { findDataDirectory, removeDataDirectory } from '../../tools/postgres/data-directory.ts'
import { startPostgresServer, stopPostgresOf } from '../../tools/postgres/postgres-server.ts'
import { isAlive } from '../../tools/process/processes.ts'

/**
 * One real Postgres for all test files of a project, and in it a migrated template that each test copies
 * (tests/lib/database.ts). Only fsync is off: a test machine's power failure ruins nothing.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await sweep()
  const home = join(tmpdir(), `${PREFIX}${process.pid}-${project.name}`)
  mkdirSync(home, { recursive: true })
  chmodSync(home, 0o755)
  const server = await startPostgresServer({
    home,
    settings: { fsync: 'off', full_page_writes: 'off', max_connections: '200' },
  })
  const pool = new pg.Pool({ connectionString: server.adminUrl, max: 1 })
  await pool.query(`CREATE DATABASE ${TEMPLATE}`)
  await pool.end()
  await migrate(server.adminUrl.replace(/\/sluice$/, `/${TEMPLATE}`))
  project.provide('postgresUrl', server.adminUrl)
  return async () => {
    await server.stop()
    remove(home)
  }
}

export const TEMPLATE = 'sluice_template'
const PREFIX = 'sluice-test-'

/** What runs that were killed left behind. */
async function sweep(): Promise<void> {
  for (const name of readdirSync(tmpdir())) {
    const pid = Number(new RegExp(`^${PREFIX}(\\d+)-\\w+$`).exec(name)?.[1])
    if (!pid || isAlive(pid)) continue
    const home = join(tmpdir(), name)
    await stopPostgresOf(findDataDirectory(home).dataFolder)
    remove(home)
  }
}

function remove(home: string): void {
  removeDataDirectory(home)
  rmSync(home, { recursive: true, force: true })
}

declare module 'vitest' {
  export interface ProvidedContext {
    /** Of a database nobody uses, on the server of this run, as superuser. */
    postgresUrl: string
  }
}
