import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createTestDatabase } from '../testing/database.ts'
import { migrate, readMigrations } from './migrate.ts'

test('migrations are applied once, by one process, however many start at the same time', async () => {
  const database = await createTestDatabase()
  await database.pool.query('DROP SCHEMA public CASCADE; CREATE SCHEMA public')
  const all = await Promise.all(Array.from({ length: 4 }, () => migrate(database.url)))
  expect(all.flat()).toHaveLength(readMigrations().length)
  expect(await migrate(database.url)).toEqual([])
  await database.drop()
})

test('a migration that was changed after it was applied is refused by name', async () => {
  const database = await createTestDatabase()
  await database.pool.query("UPDATE migration SET sha256 = 'other' WHERE number = 1")
  await expect(migrate(database.url)).rejects.toThrow('migrations/000001_initial.sql was changed')
  await database.drop()
})

test('a gap in the numbers is refused', () => {
  const folder = mkdtempSync(join(tmpdir(), 'migrations-'))
  writeFileSync(join(folder, '000002_second.sql'), '')
  expect(() => readMigrations(folder)).toThrow('expected a name like 000001_….sql')
})
