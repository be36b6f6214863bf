import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { DAY_MS, readToday } from '../../db/partitions.ts'
import { foldOutcomes } from './fold-outcomes.ts'

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

test('days that have ended become 15-minute rows, once even when two workers do it, and every sum stays the same', async () => {
  for (const day of [firstDay - 1, firstDay, firstDay + 1]) await fill(day)
  const before = await sums()
  const end = (firstDay + 1) * DAY_MS
  expect(await foldOutcomes(database.pool, end - 1)).toHaveLength(1)
  expect([await rowsOf(firstDay - 1), await rowsOf(firstDay)]).toEqual([16, 240])
  const both = await Promise.all([1, 2].map(() => foldOutcomes(database.pool, end)))
  expect(both.flat()).toHaveLength(1)
  expect([await rowsOf(firstDay), await rowsOf(firstDay + 1)]).toEqual([16, 240])
  expect(await sums()).toEqual(before)
  expect(await foldOutcomes(database.pool, end)).toEqual([])
  expect(
    await sql(
      `SELECT ${SUMS} FROM outcome_minute WHERE tenant_id = 1 AND minute < to_timestamp($1)`,
      [(firstDay * DAY_MS + 3_600_000) / 1000],
    ),
  ).toEqual([{ stored: 180, duplicate: 360, conflicting: 720, dead: 540 }])
})

test('what a replay adds to a day that was folded counts, and nothing is lost of what it adds meanwhile', async () => {
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
  // It has the day while the replay writes to it: it gives up and leaves everything as it was.
  await expect(foldOutcomes(database.pool, (firstDay + 1) * DAY_MS)).rejects.toThrow('lock timeout')
  await replay.query('COMMIT')
  expect(await foldOutcomes(database.pool, (firstDay + 1) * DAY_MS)).toHaveLength(2)
  await add(replay, 0)
  await add(replay, 7)
  await replay.end()
  expect(await sums()).toMatchObject([{ stored: 123 }, { stored: 120 }])
})

test('the exchange gives way to a query of other days, and is done once that has ended', async () => {
  await fill(firstDay)
  const query = new pg.Client(database.url)
  await query.connect()
  await query.query(`BEGIN; SELECT FROM outcome_minute WHERE minute >= now() + interval '1 day'`)
  const folding = foldOutcomes(database.pool, (firstDay + 1) * DAY_MS)
  // Others that come meanwhile do not wait behind it for good.
  for (let i = 0; i < 5; i++) await sql('SELECT count(*) FROM outcome_minute')
  await query.end()
  expect(await folding).toHaveLength(2)
  expect(await rowsOf(firstDay)).toBe(16)
})

/** A query of another day, which the exchange has to wait for, and folding that has come as far as that. */
async function foldBehindQuery() {
  const query = new pg.Client(database.url)
  await query.connect()
  await query.query(`BEGIN; SELECT FROM outcome_minute WHERE minute >= now() + interval '1 day'`)
  const folding = foldOutcomes(database.pool, (firstDay + 1) * DAY_MS)
  folding.catch(() => {})
  const waits = () =>
    sql(
      "SELECT FROM pg_locks WHERE NOT granted AND relation = 'outcome_minute'::regclass AND mode = 'AccessExclusiveLock'",
    )
  await expect.poll(waits, { interval: 20 }).toHaveLength(1)
  return { query, folding }
}

test('what is written to a day between its counting and its exchange is not lost', async () => {
  await fill(firstDay)
  const { query, folding } = await foldBehindQuery()
  const writing = sql(
    'UPDATE outcome_minute SET stored = stored + 1 WHERE tenant_id = 1 AND minute = to_timestamp($1)',
    [(firstDay * DAY_MS + 7 * 60_000) / 1000],
  )
  await sleep(300)
  await query.end()
  // Either waits for the other; where the day cannot be replaced in time, it stays as it was.
  await Promise.allSettled([folding, writing])
  await writing
  expect(await sums()).toMatchObject([{ stored: 121 }, { stored: 120 }])
})

test('a query that never ends is given up on, and its day stays as it was until the next time', async () => {
  await fill(firstDay)
  const { query, folding } = await foldBehindQuery()
  await expect(folding).rejects.toThrow('lock timeout')
  expect(await rowsOf(firstDay)).toBe(240)
  await query.end()
  expect(await foldOutcomes(database.pool, (firstDay + 1) * DAY_MS)).toHaveLength(2)
  expect(await rowsOf(firstDay)).toBe(16)
})
