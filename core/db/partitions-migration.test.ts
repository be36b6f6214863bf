import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../tests/lib/database.ts'
import { ROOT } from '../lib/paths.ts'
import { migrate } from './migrate.ts'

/** Migration 14, on a database of schema 13 that holds data. */
let database: TestDatabase
const sql = async (text: string) => (await database.pool.query(text)).rows
beforeEach(async () => {
  database = await createTestDatabase()
  await sql('DROP SCHEMA public CASCADE')
  await sql('CREATE SCHEMA public')
  const folder = mkdtempSync(join(tmpdir(), 'sluice-migrations-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  for (const file of readdirSync(join(ROOT, 'migrations')))
    if (file < '000014') cpSync(join(ROOT, 'migrations', file), join(folder, file))
  await migrate(database.url, undefined, folder)
  await sql("INSERT INTO tenant (slug) VALUES ('shop')")
  await sql("INSERT INTO series (tenant_id, metric) VALUES (1, 'signup')")
})
afterEach(() => database.drop())

const count = (table: string) => sql(`SELECT count(*)::int AS count FROM ${table}`)

test('keeps every row, those of the current month and of a clock that was ahead too, and takes new ones', async () => {
  await sql(`
    INSERT INTO rollup_15m (tenant_id, series_id, bucket, count, value_count, sum, late_count)
    SELECT 1, 1, date_bin('15 minutes', now(), 'epoch') - i * interval '7 days', i, 0, 0, 0 FROM generate_series(-1, 99) i`)
  await sql(`
    INSERT INTO outcome_minute (tenant_id, minute, stored)
    SELECT 1, date_trunc('minute', now()) - i * interval '6 hours', i FROM generate_series(-3, 99) i`)
  const rollups = await sql('SELECT * FROM rollup_15m ORDER BY 1, 2, 3')
  const outcomes = await sql('SELECT * FROM outcome_minute ORDER BY 1, 2')
  await migrate(database.url)
  expect(await sql('SELECT * FROM rollup_15m ORDER BY 1, 2, 3')).toEqual(rollups)
  expect(await sql('SELECT * FROM outcome_minute ORDER BY 1, 2')).toEqual(outcomes)
  await sql(`
    INSERT INTO outcome_minute AS o (tenant_id, minute, stored) VALUES (1, date_trunc('minute', now()), 5)
    ON CONFLICT (tenant_id, minute) DO UPDATE SET stored = o.stored + EXCLUDED.stored`)
  expect(await count('outcome_minute')).toEqual([{ count: outcomes.length }])
  // Which rows a reader sees is decided by the new tables.
  const { rows } = await database.pool.query(
    "SELECT relname AS name, relrowsecurity AS secured FROM pg_class WHERE relname IN ('rollup_15m', 'outcome_minute') ORDER BY 1",
  )
  expect(rows).toEqual([
    { name: 'outcome_minute', secured: true },
    { name: 'rollup_15m', secured: true },
  ])
})

test('adds to the totals what former workers counted by the minute alone', async () => {
  await sql(`
    INSERT INTO outcome_minute (tenant_id, minute, stored, duplicate, conflicting, dead)
    SELECT t, now() - m * interval '1 minute', 1, 2, 4, 3 FROM generate_series(1, 2) t, generate_series(1, 60) m`)
  await sql(
    'INSERT INTO outcome_total (tenant_id, stored, duplicate, conflicting, dead) VALUES (0, 0, 0, 0, 7), (1, 50, 100, 200, 150)',
  )
  await migrate(database.url)
  expect(
    await sql(
      'SELECT tenant_id, stored::int, duplicate::int, conflicting::int, dead::int FROM outcome_total ORDER BY 1',
    ),
  ).toEqual([
    { tenant_id: 0, stored: 0, duplicate: 0, conflicting: 0, dead: 7 },
    { tenant_id: 1, stored: 60, duplicate: 120, conflicting: 240, dead: 180 },
    { tenant_id: 2, stored: 60, duplicate: 120, conflicting: 240, dead: 180 },
  ])
})
