import { copyFileSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../tests/lib/database.ts'
import { migrate } from './migrate.ts'

let database: TestDatabase
let folder: string

beforeEach(async () => {
  database = await createTestDatabase()
  // The template is migrated already; these tests bring files of their own.
  await database.pool.query('DROP TABLE migration')
  folder = mkdtempSync(join(tmpdir(), 'sluice-migrations-'))
})
afterEach(async () => {
  await database.drop()
  rmSync(folder, { recursive: true })
})

const write = (file: string, sql: string) => writeFileSync(join(folder, file), sql)
const numbers = async () =>
  (await database.pool.query('SELECT number FROM migration ORDER BY number')).rows.map(
    (row) => row.number,
  )

test('migrations are applied in order, once, and the next start applies only what is new', async () => {
  write('000001_one.sql', 'CREATE TABLE one (a int); CREATE TABLE two (a int);')
  write('000002_two.sql', 'ALTER TABLE two ADD b int;')
  const steps: string[] = []
  await migrate(database.url, (step) => steps.push(step.name), folder)
  expect(steps).toEqual(['one', 'two'])
  expect(await migrate(database.url, undefined, folder)).toEqual([])
  write('000003_three.sql', 'ALTER TABLE two ADD c int;')
  expect((await migrate(database.pool, undefined, folder)).map((step) => step.number)).toEqual([3])
  expect(await numbers()).toEqual([1, 2, 3])
})

test('many that start at once apply each migration once', async () => {
  write('000001_one.sql', 'CREATE TABLE one (a int); SELECT pg_sleep(0.2);')
  const applied = await Promise.all(
    Array.from({ length: 5 }, () => migrate(database.url, undefined, folder)),
  )
  expect(applied.flat().map((step) => step.name)).toEqual(['one'])
})

test('a migration that fails leaves nothing of itself, and the ones before it stay', async () => {
  write('000001_one.sql', 'CREATE TABLE one (a int);')
  write('000002_two.sql', 'CREATE TABLE two (a int); SELECT 1 / 0;')
  await expect(migrate(database.url, undefined, folder)).rejects.toThrow(
    'Migration 2 (two) failed and was rolled back: division by zero',
  )
  expect(await numbers()).toEqual([1])
  expect((await database.pool.query("SELECT to_regclass('two') AS two")).rows[0].two).toBeNull()
  write('000002_two.sql', 'CREATE TABLE two (a int);')
  await migrate(database.url, undefined, folder)
  expect(await numbers()).toEqual([1, 2])
})

test('a file changed after it was applied is refused, and so is a database newer than the files', async () => {
  write('000001_one.sql', 'CREATE TABLE one (a int);')
  await migrate(database.url, undefined, folder)
  write('000001_one.sql', 'CREATE TABLE one (a bigint);')
  await expect(migrate(database.url, undefined, folder)).rejects.toThrow('was changed after')
  rmSync(join(folder, '000001_one.sql'))
  await expect(migrate(database.url, undefined, folder)).rejects.toThrow('newer than this program')
})

test('a gap in the numbers is refused before anything is applied', async () => {
  write('000001_one.sql', 'CREATE TABLE one (a int);')
  write('000003_three.sql', 'CREATE TABLE three (a int);')
  await expect(migrate(database.url, undefined, folder)).rejects.toThrow('lacks number 2')
})

test('workers that write on while their database is brought up to date neither fail nor make the update fail', async () => {
  await database.pool.query('DROP SCHEMA public CASCADE; CREATE SCHEMA public')
  const all = join(import.meta.dirname, '..', '..', 'migrations')
  for (const file of readdirSync(all).filter((each) => each < '000007'))
    copyFileSync(join(all, file), join(folder, file))
  await migrate(database.url, undefined, folder)
  const worker = await database.pool.connect()
  try {
    // A batch with a dead letter writes that first and counts it afterwards (core/worker/write/apply-batch.ts).
    await worker.query(`
      BEGIN;
      INSERT INTO dead_letter (reason, detail, fingerprint, original, topic, partition, log_offset, received_at)
      VALUES ('NOT_JSON', '', '', 'x', 'events.raw', 0, 0, now())`)
    const updated = migrate(database.url)
    updated.catch(() => {})
    const waits =
      "SELECT FROM pg_locks JOIN pg_class ON oid = relation WHERE NOT granted AND relname = 'dead_letter'"
    await expect.poll(async () => (await database.pool.query(waits)).rowCount).toBe(1)
    await worker.query(
      `INSERT INTO outcome_minute (tenant_id, minute, stored, dead) VALUES (1, now(), 4, 1); COMMIT`,
    )
    expect((await updated).map(({ number }) => number)).toContain(7)
  } finally {
    worker.release(true)
  }
  const { rows } = await database.pool.query('SELECT stored::int, dead::int FROM outcome_total')
  expect(rows).toEqual([{ stored: 4, dead: 1 }])
})
