import { copyFileSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../tests/lib/database.ts'
import { rawRecord } from '../../tests/lib/records.ts'
import { createPostgresLog } from '../log/postgres/postgres-log.ts'
import { classifyFailure } from '../worker/consume/failure.ts'
import { createWorker } from '../worker/worker.ts'
import { migrate } from './migrate.ts'

let database: TestDatabase
let folder: string

beforeEach(async () => {
  database = await createTestDatabase()
  // The template is migrated already; these tests have files of their own.
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

test('migrations are applied in order and once, and the next start applies only the new ones', async () => {
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

test('processes that start at the same time apply each migration once', async () => {
  write('000001_one.sql', 'CREATE TABLE one (a int); SELECT pg_sleep(0.2);')
  const applied = await Promise.all(
    Array.from({ length: 5 }, () => migrate(database.url, undefined, folder)),
  )
  expect(applied.flat().map((step) => step.name)).toEqual(['one'])
})

test('a migration that fails leaves nothing behind, and the ones before it stay', async () => {
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

test('a file that was changed after it was applied is refused, and so is a database newer than the files', async () => {
  write('000001_one.sql', 'CREATE TABLE one (a int);')
  await migrate(database.url, undefined, folder)
  write('000001_one.sql', 'CREATE TABLE one (a bigint);')
  await expect(migrate(database.url, undefined, folder)).rejects.toThrow('was changed after')
  rmSync(join(folder, '000001_one.sql'))
  await expect(migrate(database.url, undefined, folder)).rejects.toThrow('newer than this program')
})

test('a missing migration number is refused before anything is applied', async () => {
  write('000001_one.sql', 'CREATE TABLE one (a int);')
  write('000003_three.sql', 'CREATE TABLE three (a int);')
  await expect(migrate(database.url, undefined, folder)).rejects.toThrow('lacks number 2')
})

function migrationsBefore(number: string): string {
  const all = join(import.meta.dirname, '..', '..', 'migrations')
  for (const file of readdirSync(all).filter((name) => name < number))
    copyFileSync(join(all, file), join(folder, file))
  return folder
}

test('workers that write during a migration neither fail nor make the migration fail', async () => {
  await database.pool.query('DROP SCHEMA public CASCADE; CREATE SCHEMA public')
  await migrate(database.url, undefined, migrationsBefore('000007'))
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

test('workers go on writing while migration 19 waits for a dump to end', async () => {
  await database.pool.query('DROP SCHEMA public CASCADE; CREATE SCHEMA public')
  await migrate(database.url, undefined, migrationsBefore('000019'))
  const dump = await database.pool.connect()
  const worker = await database.pool.connect()
  try {
    await dump.query('BEGIN; LOCK TABLE event IN ACCESS SHARE MODE')
    const updated = migrate(database.url)
    updated.catch(() => {})
    const waits =
      "SELECT FROM pg_locks JOIN pg_class ON oid = relation WHERE NOT granted AND relname = 'event'"
    await expect.poll(async () => (await database.pool.query(waits)).rowCount).toBe(1)
    // Less than a migration waits for a lock otherwise.
    await worker.query(
      "BEGIN; SET LOCAL lock_timeout = '4s'; LOCK TABLE log_position IN ROW EXCLUSIVE MODE; COMMIT",
    )
    await dump.query('COMMIT')
    expect((await updated).map(({ number }) => number)).toContain(19)
  } finally {
    dump.release(true)
    worker.release(true)
  }
})

test('a reader goes from table to table, and workers write, while migration 27 waits for the reader to end', async () => {
  await database.pool.query('DROP SCHEMA public CASCADE; CREATE SCHEMA public')
  await migrate(database.url, undefined, migrationsBefore('000027'))
  const reader = await database.pool.connect()
  const worker = await database.pool.connect()
  try {
    await reader.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM event LIMIT 1')
    const updated = migrate(database.url)
    updated.catch(() => {})
    const waits =
      "SELECT FROM pg_locks JOIN pg_class ON oid = relation WHERE NOT granted AND relname = 'event'"
    await expect
      .poll(async () => (await database.pool.query(waits)).rowCount, { interval: 20 })
      .toBe(1)
    await reader.query("SET LOCAL lock_timeout = '900ms'; SELECT FROM rollup_15m LIMIT 1")
    await worker.query(
      "BEGIN; SET LOCAL lock_timeout = '2s'; LOCK TABLE log_position IN ROW EXCLUSIVE MODE; COMMIT",
    )
    await reader.query('COMMIT')
    expect((await updated).map(({ number }) => number)).toContain(27)
  } finally {
    reader.release(true)
    worker.release(true)
  }
})

test('a migration is tried again after a deadlock', async () => {
  write('000001_one.sql', 'CREATE SEQUENCE attempt;')
  write(
    '000002_two.sql',
    `DO $$ BEGIN IF nextval('attempt') = 1 THEN RAISE EXCEPTION USING ERRCODE = '40P01'; END IF; END $$;`,
  )
  await migrate(database.url, undefined, folder)
  expect(await numbers()).toEqual([1, 2])
})

describe('migration 9, on a database of schema 8 that holds data', () => {
  /** Names of schema 8 and what migration 9 makes of them. */
  const TABLES: Record<string, string> = { rollup_quarter: 'rollup_15m', log_gap: 'offset_gap' }
  const COLUMNS: Record<string, Record<string, string>> = {
    log_gap: { wanted: 'expected', found: 'available', accepted_at: 'skipped_at' },
    log_lease: { read_up_to: 'applied_through' },
  }
  /** Yesterday, so that no day of events is dropped. */
  const DAY = new Date(Date.now() - 86_400_000).toISOString().slice(0, 10)
  const RECEIVED = `${DAY}T10:00:00Z`

  beforeEach(async () => {
    await database.pool.query('DROP SCHEMA public CASCADE; CREATE SCHEMA public')
    await migrate(database.url, undefined, migrationsBefore('000009'))
    await database.pool.query(`
      INSERT INTO tenant (slug) VALUES ('default'), ('other');
      INSERT INTO series (tenant_id, metric) VALUES (1, 'page_view'), (2, 'signup');
      CREATE TABLE event_${DAY.replaceAll('-', '')} PARTITION OF event
        FOR VALUES FROM ('${DAY}') TO (date '${DAY}' + 1);
      INSERT INTO event (tenant_id, event_id, received_on, received_at, occurred_at, name, value, properties,
                         log_partition, log_offset)
      SELECT 1 + i % 2, gen_random_uuid(), '${DAY}', '${RECEIVED}', '${RECEIVED}'::timestamptz + i * interval '1 min',
             (ARRAY['page_view', 'signup'])[1 + i % 2], i * 0.1, jsonb_build_object('i', i), i % 6, i / 6
        FROM generate_series(0, 299) i;
      INSERT INTO rollup_quarter (tenant_id, series_id, bucket, count, value_count, sum, min, max, late_count, revised_at)
      SELECT tenant_id, tenant_id, date_bin('15 minutes', occurred_at, 'epoch'), count(*), count(value), sum(value),
             min(value), max(value), 1, '${RECEIVED}'
        FROM event GROUP BY 1, 2, 3;
      INSERT INTO outcome_minute (tenant_id, minute, stored, duplicate, dead) VALUES (1, '${RECEIVED}', 150, 3, 1);
      INSERT INTO outcome_total (tenant_id, stored, duplicate, dead) VALUES (1, 150, 3, 1), (2, 150, 0, 0);
      INSERT INTO watermark (tenant_id, partition, highest_at) VALUES (1, 0, '${RECEIVED}'), (2, 1, '${RECEIVED}');
      INSERT INTO dead_letter (tenant_id, reason, detail, fingerprint, original, topic, partition, log_offset, received_at)
      VALUES (1, 'NOT_JSON', 'a detail', 'f', 'x', 'events.raw', 0, 7, '${RECEIVED}');
      INSERT INTO log_gap (topic, partition, wanted, found, seen_at, accepted_at)
      VALUES ('events.raw', 0, 10, 20, '${RECEIVED}', NULL), ('events.raw', 1, 5, 0, '${RECEIVED}', '${RECEIVED}');
      UPDATE log_lease SET worker_id = 'a-worker', read_up_to = '${RECEIVED}' WHERE partition < 3;
      UPDATE log_position SET next_offset = 50 WHERE partition = 2`)
  })

  test('renames tables, columns and indexes and changes no value', async () => {
    const before = await readEverything()
    const ninth = migrationsBefore('000010')
    const applied = await migrate(database.url, undefined, ninth)
    expect(applied.map(({ number }) => number)).toEqual([9])
    const renamed = Object.fromEntries(
      Object.entries(before).map(([table, rows]) => [
        TABLES[table] ?? table,
        rows.map((row) => renameKeys(row, COLUMNS[table] ?? {})),
      ]),
    )
    const after = await readEverything()
    expect(after).toEqual(renamed)
    expect(after.rollup_15m).toHaveLength(before.rollup_quarter?.length as number)
    expect(after.offset_gap).toHaveLength(2)
    expect(await leftOvers()).toEqual([])
  })

  test('fails the batches of a worker of the former version, which keep their positions', async () => {
    const worker = await database.pool.connect()
    const advance = (sql: string) =>
      worker.query(
        `BEGIN; UPDATE log_position SET next_offset = 51 WHERE partition = 2 AND next_offset = 50; ${sql}`,
      )
    const count = `INSERT INTO rollup_quarter AS r VALUES (1, 1, '${RECEIVED}', 1, 0, 0, NULL, NULL, 0, NULL)
      ON CONFLICT (tenant_id, series_id, bucket) DO UPDATE SET count = r.count + EXCLUDED.count`
    // Prepared before the migration, as a worker's statement is.
    await worker.query({ name: 'finish', text: count })
    await migrate(database.url)
    const { rows: before } = await database.pool.query('SELECT sum(count) FROM rollup_15m')
    await advance('')
    const failure = await worker.query({ name: 'finish', text: count }).catch((error) => error)
    expect([failure.code, classifyFailure(failure)]).toEqual(['42P01', 'alarm'])
    await worker.query('ROLLBACK')
    worker.release()
    expect(await one('SELECT next_offset::int AS n FROM log_position WHERE partition = 2')).toEqual(
      { n: 50 },
    )
    expect((await database.pool.query('SELECT sum(count) FROM rollup_15m')).rows).toEqual(before)
  })

  test('lets a worker of this version go on from the same positions, and the log append', async () => {
    await migrate(database.url)
    const log = await createPostgresLog({ url: database.url })
    const stop = new AbortController()
    const quiet = { info() {}, warn() {}, error() {} }
    await database.pool.query(
      `UPDATE log_partition SET next_offset = 50 WHERE topic = 'events.raw' AND partition = 2`,
    )
    const running = createWorker({ databaseUrl: database.url, log, logger: quiet }).run(stop.signal)
    const now = new Date().toISOString()
    const sent = [now, RECEIVED].map((occurred_at) => ({
      ...rawRecord({ received_at: now, occurred_at }),
      partition: 2,
    }))
    await log.append('events.raw', sent)
    const stored = () =>
      one(
        `SELECT (SELECT sum(stored) FROM outcome_total)::int + (SELECT sum(stored) FROM outcome_total_by_partition)::int AS n`,
      )
    await expect.poll(stored).toEqual({ n: 302 })
    stop.abort()
    await running
    await log.close()
    const counts = `SELECT count(*)::int AS events, (SELECT sum(count)::int FROM rollup_15m) AS counted FROM event`
    expect(await one(counts)).toEqual({ events: 302, counted: 302 })
  })

  async function one(sql: string): Promise<Record<string, unknown>> {
    return (await database.pool.query(sql)).rows[0]
  }

  type Rows = Record<string, unknown>[]

  /** All rows of all tables, by table; the record of the migrations apart. */
  async function readEverything(): Promise<Record<string, Rows>> {
    const { rows: tables } = await database.pool.query<{ name: string }>(
      `SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace
          AND relkind IN ('r', 'p') AND NOT relispartition AND relname <> 'migration'`,
    )
    const everything: Record<string, Rows> = {}
    for (const { name } of tables) {
      const { rows } = await database.pool.query(
        `SELECT to_jsonb(t) AS row FROM ${name} t ORDER BY ctid`,
      )
      everything[name] = rows.map(({ row }) => row)
    }
    return everything
  }

  function renameKeys(row: Record<string, unknown>, names: Record<string, string>) {
    return Object.fromEntries(
      Object.entries(row).map(([name, value]) => [names[name] ?? name, value]),
    )
  }

  /** Tables, indexes and columns that still have a former name. */
  async function leftOvers(): Promise<string[]> {
    const { rows } = await database.pool.query<{ name: string }>(
      `SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname ~ 'quarter|log_gap'
       UNION ALL SELECT column_name FROM information_schema.columns
        WHERE table_schema = 'public' AND column_name IN ('wanted', 'found', 'accepted_at', 'read_up_to')`,
    )
    return rows.map(({ name }) => name)
  }
})
