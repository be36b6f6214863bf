import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { migrate } from '../../core/db/migrate.ts'
import { findDatabaseRoles } from '../../core/db/roles.ts'
import { findDataDirectory, removeDataDirectory } from './data-directory.ts'
import { type PostgresServer, startPostgresServer } from './postgres-server.ts'

let home: string
let server: PostgresServer | undefined
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'sluice-postgres-'))
})
afterEach(async () => {
  await server?.stop()
  server = undefined
  removeDataDirectory(home)
  rmSync(home, { recursive: true, force: true })
})

async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}

test('Postgres has durability on, sorts strings by code point, and refuses a wrong password', async () => {
  server = await startPostgresServer({ home })
  const settings = await query(
    server.url,
    `SELECT name, setting FROM pg_settings WHERE name IN
       ('fsync', 'synchronous_commit', 'full_page_writes', 'listen_addresses', 'server_encoding') ORDER BY 1`,
  )
  expect(Object.fromEntries(settings.map(({ name, setting }) => [name, setting]))).toEqual({
    fsync: 'on',
    full_page_writes: 'on',
    listen_addresses: '127.0.0.1',
    server_encoding: 'UTF8',
    synchronous_commit: 'on',
  })
  expect(await query(server.url, "SELECT 'Z' < 'a' AS by_code_point")).toEqual([
    { by_code_point: true },
  ])
  const guess = server.url.replace(/:[^:@]+@/, ':a-guess@')
  await expect(query(guess, 'SELECT 1')).rejects.toThrow('password authentication failed')
})

test('Sluice connects as a role that owns its database and cannot do what superusers can', async () => {
  server = await startPostgresServer({ home })
  const roleOf = (url: string) =>
    query(url, 'SELECT rolname, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user')
  expect(await roleOf(server.url)).toEqual([
    { rolname: 'sluice_owner', rolsuper: false, rolbypassrls: false },
  ])
  await query(server.url, 'CREATE TABLE made (a int)')
  await expect(query(server.url, "COPY made TO PROGRAM 'true'")).rejects.toMatchObject({
    code: '42501',
  })
})

test('a database that the superuser owned up to version 0.2 is taken over with its data', async () => {
  server = await startPostgresServer({ home })
  // As version 0.2 left it: no other role, and all tables the superuser's.
  await migrate(server.adminUrl)
  await query(server.adminUrl, "INSERT INTO tenant (slug) VALUES ('shop')")
  await query(
    server.adminUrl,
    `ALTER DATABASE sluice OWNER TO sluice; REASSIGN OWNED BY sluice_owner TO sluice;
     DROP OWNED BY sluice_owner; DROP ROLE sluice_owner`,
  )
  await server.stop()
  server = await startPostgresServer({ home })
  expect(await query(server.url, 'SELECT slug FROM tenant')).toEqual([{ slug: 'shop' }])
  expect(
    await query(
      server.url,
      `SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
          AND pg_get_userbyid(relowner) <> 'sluice_owner'`,
    ),
  ).toEqual([])
  expect(await migrate(server.url)).toEqual([])
  expect(await findDatabaseRoles(server.url, () => {})).toEqual({
    write: 'sluice_write',
    read: 'sluice_read',
  })
})

test('a Postgres that is killed is restarted at the same address, with its data', async () => {
  server = await startPostgresServer({ home })
  const { url, pid } = server
  await query(url, 'CREATE TABLE stored AS SELECT 42 AS value')
  process.kill(pid, 'SIGKILL')
  await expect
    .poll(() => query(url, 'SELECT value FROM stored').catch(() => 'down'), { timeout: 20_000 })
    .toEqual([{ value: 42 }])
  await expect.poll(() => server?.pid).not.toBe(pid)
})

test('a postmaster.pid that names another process prevents no start, and that process is left alone', async () => {
  server = await startPostgresServer({ home })
  await server.stop()
  const { dataFolder } = findDataDirectory(home)
  writeFileSync(join(dataFolder, 'postmaster.pid'), `${process.pid}\n${dataFolder}\n`)
  server = await startPostgresServer({ home })
  expect(await query(server.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
})

test('a first start that was interrupted leaves nothing that stops the next one', async () => {
  const { dataFolder } = findDataDirectory(home)
  mkdirSync(`${dataFolder}.new`, { recursive: true })
  writeFileSync(join(`${dataFolder}.new`, 'PG_VERSION'), '17')
  server = await startPostgresServer({ home })
  expect(existsSync(`${dataFolder}.new`)).toBe(false)
})

test('the data stays where it was created when the home becomes readable to everybody later', async () => {
  const before = findDataDirectory(home).dataFolder
  server = await startPostgresServer({ home })
  await server.stop()
  chmodSync(home, 0o755)
  expect(findDataDirectory(home).dataFolder).toBe(before)
})
