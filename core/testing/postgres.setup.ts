import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import type { TestProject } from 'vitest/node'
import { migrate } from '../db/migrate.ts'
import { elsewhereFor, startPostgresServer } from '../embedded/postgres-server.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Of the server that all test files share. */
    postgresUrl: string
  }
}

/** One real Postgres for all test files, with a migrated database to copy from. */
export default async function setup(project: TestProject) {
  const home = mkdtempSync(join('/tmp', 'sluice-test-'))
  // Under root another user runs Postgres, and has to walk here.
  chmodSync(home, 0o755)
  const server = await startPostgresServer({ home, settings: { max_connections: '200' } })
  const template = server.url.replace(/sluice$/, 'template_sluice')
  const admin = new pg.Client(server.url)
  await admin.connect()
  await admin.query('CREATE DATABASE template_sluice')
  await admin.end()
  await migrate(template)
  project.provide('postgresUrl', server.url)
  return async () => {
    await server.stop()
    rmSync(home, { recursive: true, force: true })
    rmSync(elsewhereFor(home), { recursive: true, force: true })
  }
}
