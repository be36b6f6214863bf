import pg from 'pg'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { DAY_MS, readToday } from '../../db/partitions.ts'
import { createOutcomeFolding, type OutcomeFolding } from './fold-outcomes.ts'

let database: TestDatabase
/** The first day that has a partition of its own; the one before is in the partition of everything earlier. */
let firstDay: number
beforeEach(async () => {
  database = await createTestDatabase()
  firstDay = await readToday(database.pool)
})
afterEach(() => database.drop())

const sql = async (text: string, values: unknown[] = []) =>
  (await database.pool.query(text, values)).rows

/** Two hours of two tenants on that day, a row a minute. */
async function fill(day: number): Promise<void> {
  await sql(
    `INSERT INTO outcome_minute (tenant_id, minute, stored, duplicate, conflicting, dead)
     SELECT t, to_timestamp($1) + m * interval '1 minute', 1, 2, 4, 3 FROM generate_series(1, 2) t, generate_series(0, 119) m`,
    [(day * DAY_MS) / 1000],
  )
}

const SUMS =
  'sum(stored)::int AS stored, sum(duplicate)::int AS duplicate, sum(conflicting)::int AS conflicting, sum(dead)::int AS dead'
const sums = () => sql(`SELECT tenant_id, ${SUMS} FROM outcome_minute GROUP BY 1 ORDER BY 1`)
const rowsOf = async (day: number) =>
  (
    await sql(
      'SELECT count(*)::int AS count FROM outcome_minute WHERE minute >= to_timestamp($1) AND minute < to_timestamp($2)',
      [(day * DAY_MS) / 1000, ((day + 1) * DAY_MS) / 1000],
    )
  )[0]?.count

test('days that have ended become 15-minute rows, once even when two workers do it, and no sum changes', async () => {
  for (const day of [firstDay - 1, firstDay, firstDay + 1]) await fill(day)
  const before = await sums()
  const end = (firstDay + 1) * DAY_MS
  const [one, other] = [1, 2].map(() => createOutcomeFolding(database.pool, 7)) as [
    OutcomeFolding,
    OutcomeFolding,
  ]
  expect(await one.run(end - 1)).toBe(2 * (120 - 8))
  expect([await rowsOf(firstDay - 1), await rowsOf(firstDay)]).toEqual([16, 240])
  let folded = 0
  while (folded < 2 * (120 - 8))
    for (const each of await Promise.all([one.run(end), other.run(end)])) folded += each
  expect(folded).toBe(2 * (120 - 8))
  expect([await rowsOf(firstDay), await rowsOf(firstDay + 1)]).toEqual([16, 240])
  expect(await sums()).toEqual(before)
  expect(await one.run(end)).toBe(0)
  expect(
    await sql(
      `SELECT ${SUMS} FROM outcome_minute WHERE tenant_id = 1 AND minute >= to_timestamp($1) AND minute < to_timestamp($2)`,
      [(firstDay * DAY_MS) / 1000, (firstDay * DAY_MS + 3_600_000) / 1000],
    ),
  ).toEqual([{ stored: 60, duplicate: 120, conflicting: 240, dead: 180 }])
})

test('what a replay adds to a day that is being folded, or was, is counted', async () => {
  await fill(firstDay)
  const add = (client: Pick<pg.ClientBase, 'query'>, minute: number) =>
    client.query(
      `INSERT INTO outcome_minute AS o (tenant_id, minute, stored) VALUES (1, to_timestamp($1), 1)
       ON CONFLICT (tenant_id, minute) DO UPDATE SET stored = o.stored + 1`,
      [(firstDay * DAY_MS + minute * 60_000) / 1000],
    )
  const replay = new pg.Client(database.url)
  await replay.connect()
  await replay.query('BEGIN')
  await add(replay, 7)
  const folding = createOutcomeFolding(database.pool)
  const running = folding.run((firstDay + 1) * DAY_MS)
  await expect
    .poll(() =>
      sql(
        "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
      ),
    )
    .toHaveLength(1)
  await replay.query('COMMIT')
  expect(await running).toBe(2 * (120 - 8))
  await add(replay, 0)
  await add(replay, 7)
  await replay.end()
  expect(await sums()).toMatchObject([{ stored: 123 }, { stored: 120 }])
})

test('a transaction that began before sees the same sums as one that begins after', async () => {
  await fill(firstDay)
  const dump = new pg.Client(database.url)
  await dump.connect()
  await dump.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM tenant')
  const folding = createOutcomeFolding(database.pool)
  await folding.run((firstDay + 1) * DAY_MS)
  const total = 'SELECT sum(stored)::int AS stored, count(*)::int AS rows FROM outcome_minute'
  expect((await dump.query(total)).rows).toEqual([{ stored: 240, rows: 240 }])
  expect(await sql(total)).toEqual([{ stored: 240, rows: 16 }])
  await dump.query('COMMIT')
  await dump.end()
})

test('a day that is in use is folded, and done with an hour later', async () => {
  await fill(firstDay)
  const reader = new pg.Client(database.url)
  await reader.connect()
  await reader.query('BEGIN; SELECT count(*) FROM outcome_minute')
  const folding = createOutcomeFolding(database.pool)
  const comments = () => sql("SELECT FROM pg_description WHERE description LIKE 'folded%'")
  expect(await folding.run((firstDay + 1) * DAY_MS)).toBe(2 * (120 - 8))
  expect(await comments()).toHaveLength(0)
  await reader.end()
  expect(await folding.run((firstDay + 1) * DAY_MS)).toBe(0)
  // That of the day, and that of everything earlier.
  expect(await comments()).toHaveLength(2)
})
