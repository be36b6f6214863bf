import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { LOCKS } from './locks.ts'
import { TABLES_WITHOUT_RIGHTS } from './roles.ts'

/**
 * Brings a database to the newest of migrations/: plain numbered SQL, forward only, each file in one
 * transaction with the row that records it. A second process waits and finds the work done.
 */
export interface Migration {
  number: number
  name: string
  sha256: string
}

export const MIGRATIONS_FOLDER = join(import.meta.dirname, '..', '..', 'migrations')
const FILE = /^(\d{6})_([a-z0-9_]+)\.sql$/
const LOCK_WAIT = '60s'

/**
 * @param onStep called before each migration that is applied
 * @param through the last one to apply; the newest unless given
 * @returns what was applied now; empty when the database was up to date
 */
export async function migrate(
  database: string | pg.Pool,
  onStep: (migration: Migration) => void = () => {},
  folder: string = MIGRATIONS_FOLDER,
  through = Number.POSITIVE_INFINITY,
): Promise<Migration[]> {
  const files = readMigrations(folder)
  return withClient(database, async (client) => {
    await client.query(`SET lock_timeout = '${LOCK_WAIT}'`)
    await client.query(`SELECT pg_advisory_lock(${LOCKS.migrations.key})`)
    try {
      await client.query('RESET lock_timeout')
      const applied = await readApplied(client)
      checkHistory(applied, files)
      const missing = files.slice(applied.length).filter(({ number }) => number <= through)
      for (const migration of missing) {
        onStep(migration)
        await apply(client, migration)
      }
      // Also where nothing was missing: a restore may have left the rights out.
      await grantRoles(client)
      return missing.map(({ number, name, sha256 }) => ({ number, name, sha256 }))
    } finally {
      await client.query(`SELECT pg_advisory_unlock(${LOCKS.migrations.key})`).catch(() => {})
    }
  })
}

export interface MigrationFile extends Migration {
  sql: string
}

export function readMigrations(folder: string): MigrationFile[] {
  const files = readdirSync(folder)
    .filter((file) => file.endsWith('.sql'))
    .sort()
    .map((file) => {
      const [, number, name] = FILE.exec(file) ?? []
      if (!number || !name)
        throw new Error(`migrations/${file} is not named like 000001_what_it_does.sql`)
      const sql = readFileSync(join(folder, file), 'utf8')
      const sha256 = createHash('sha256').update(sql).digest('hex')
      return { number: Number(number), name, sha256, sql }
    })
  files.forEach((file, i) => {
    if (file.number !== i + 1) throw new Error(`migrations/ lacks number ${i + 1}`)
  })
  return files
}

async function readApplied(client: pg.ClientBase): Promise<Migration[]> {
  await client.query(`CREATE TABLE IF NOT EXISTS migration (
    number      int PRIMARY KEY,
    name        text NOT NULL,
    sha256      text NOT NULL,
    applied_at  timestamptz NOT NULL DEFAULT now()
  )`)
  const { rows } = await client.query<Migration>(
    'SELECT number, name, sha256 FROM migration ORDER BY number',
  )
  return rows
}

function checkHistory(applied: readonly Migration[], files: readonly MigrationFile[]): void {
  for (const [i, done] of applied.entries()) {
    const file = files[i]
    if (!file)
      throw new Error(
        `The database is newer than this program: it knows migration ${done.number} (${done.name}). Use the newer version.`,
      )
    if (file.sha256 !== done.sha256)
      throw new Error(
        `Migration ${done.number} (${done.name}) was changed after it was applied. Restore the file and put the change into a new migration.`,
      )
  }
}

/** A dump holds its locks for hours: meanwhile nobody else waits behind a migration that waits for it. */
const TABLE_LOCK_WAIT = '5s'
const TABLE_LOCK_ATTEMPTS = 120
const LOCK_NOT_AVAILABLE = '55P03'
/** With a reader that holds one table and waits for another. */
const DEADLOCK_DETECTED = '40P01'
const PASSING: readonly unknown[] = [LOCK_NOT_AVAILABLE, DEADLOCK_DETECTED]

async function apply(client: pg.ClientBase, migration: MigrationFile): Promise<void> {
  for (let attempt = 1; ; attempt++)
    try {
      return await applyOnce(client, migration)
    } catch (error) {
      const { code } = (error as Error).cause as { code?: unknown }
      if (!PASSING.includes(code) || attempt === TABLE_LOCK_ATTEMPTS) throw error
      await sleep(TABLE_LOCK_RETRY_MS)
    }
}

const TABLE_LOCK_RETRY_MS = 2_000

async function applyOnce(client: pg.ClientBase, migration: MigrationFile): Promise<void> {
  await client.query(`BEGIN; SET LOCAL lock_timeout = '${TABLE_LOCK_WAIT}'`)
  try {
    await client.query(migration.sql)
    await grantRoles(client)
    await client.query('INSERT INTO migration (number, name, sha256) VALUES ($1, $2, $3)', [
      migration.number,
      migration.name,
      migration.sha256,
    ])
    await client.query('COMMIT')
  } catch (cause) {
    await client.query('ROLLBACK').catch(() => {})
    throw new Error(
      `Migration ${migration.number} (${migration.name}) failed and was rolled back: ${(cause as Error).message}`,
      { cause },
    )
  }
}

/**
 * With every migration that creates tables, in its transaction: a table without its rights and policies could not be
 * read until the next migration. And until it has succeeded for the role that migrates.
 */
async function grantRoles(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query<{ exists: boolean; missing: boolean }>(
    `SELECT to_regprocedure('sluice_grant_roles()') IS NOT NULL AS exists,
            NOT EXISTS (SELECT FROM pg_default_acl WHERE defaclrole = to_regrole(quote_ident(current_user)))
            OR EXISTS (${TABLES_WITHOUT_RIGHTS}) AS missing`,
  )
  if (rows[0]?.exists && rows[0].missing) await client.query('SELECT sluice_grant_roles()')
}

async function withClient<T>(
  database: string | pg.Pool,
  work: (client: pg.ClientBase) => Promise<T>,
): Promise<T> {
  if (typeof database === 'string') {
    const client = new pg.Client({ connectionString: database, connectionTimeoutMillis: 10_000 })
    // The query under way rejects as well.
    client.on('error', () => {})
    await client.connect()
    try {
      return await work(client)
    } finally {
      await client.end().catch(() => {})
    }
  }
  const client = await database.connect()
  let broken: Error | undefined
  try {
    return await work(client)
  } catch (error) {
    broken = error as Error
    throw error
  } finally {
    client.release(broken)
  }
}
