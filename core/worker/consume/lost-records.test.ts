import { afterEach, beforeEach, expect, test } from 'vitest'
import { LIMITS } from '../../../contract/limits.ts'
import { TOPICS } from '../../../contract/log/topics.ts'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { countTotals, rawRecord, rawValue } from '../../../tests/lib/records.ts'
import { createDatabase, type Database } from '../../db/database.ts'
import { createDayPartitions } from '../../db/day-partitions.ts'
import type { Log, NewRecord } from '../../log/log.ts'
import { createPostgresLog } from '../../log/postgres/postgres-log.ts'
import { readLag } from '../../queries/pipeline/lag.ts'
import { createWorker } from '../worker.ts'
import { skipMissingOffsets } from './skip-offsets.ts'

let database: TestDatabase
let db: Database
let log: Log
let stop: AbortController
let running: Promise<void> | undefined

beforeEach(async () => {
  database = await createTestDatabase()
  await sql("INSERT INTO tenant (slug) VALUES ('default')")
  db = createDatabase(database.url, { max: 2 })
  log = await createPostgresLog({ url: database.url })
})
afterEach(async () => {
  await end()
  await log.close()
  await db.destroy()
  await database.drop()
})

const sql = async (text: string) => (await database.pool.query(text)).rows

function start(): void {
  stop = new AbortController()
  const logger = { info() {}, warn() {}, error() {} }
  running = createWorker({ databaseUrl: database.url, log, logger, concurrency: 1 }).run(
    stop.signal,
  )
}
async function end(): Promise<void> {
  stop?.abort()
  await running
}

const on0 = (count: number, fields = {}) =>
  Array.from({ length: count }, (): NewRecord => ({ ...rawRecord(fields), partition: 0 }))
const append = (records: NewRecord[]) => log.append(TOPICS.raw.name, records)

async function position(): Promise<number> {
  const [row] = await sql(
    "SELECT next_offset::int AS at FROM log_position WHERE topic = 'events.raw' AND partition = 0",
  )
  return row.at
}
const openGaps = async () => (await readLag(db, log)).gaps

async function skip(): Promise<void> {
  await expect.poll(openGaps).toHaveLength(1)
  await skipMissingOffsets(db, log, await openGaps())
}

test('a skipped gap that is larger than a batch loses what is gone and nothing that the log still holds', async () => {
  await append(on0(5_000))
  await append(on0(1_000))
  await append(on0(2_000))
  await sql('DELETE FROM log_chunk WHERE base_offset < 6000')
  start()
  await expect.poll(openGaps).toMatchObject([{ expected: 0, available: 6_000 }])
  await skip()
  await expect.poll(position).toBe(8_000)
  expect(await countTotals(database.pool)).toMatchObject({ stored: 2_000, double: 0 })
})

test('of several gaps, over days that were dropped, each is skipped by a decision of its own', async () => {
  for (let i = 0; i < 4; i++) await append(on0(3_000))
  await append(on0(10))
  // The first and the third run of records were of days whose tables somebody dropped.
  await createDayPartitions({ pool: database.pool, table: 'log_chunk' }).ensure([20_000, 20_002])
  await sql(`
    UPDATE log_chunk SET appended_on = date '1970-01-01' + 20000 WHERE base_offset < 3000;
    UPDATE log_chunk SET appended_on = date '1970-01-01' + 20002 WHERE base_offset BETWEEN 6000 AND 11999;`)
  await sql('DROP TABLE log_chunk_20241004, log_chunk_20241006')
  start()
  await expect.poll(openGaps).toMatchObject([{ expected: 0, available: 3_000 }])
  await skip()
  await expect.poll(openGaps).toMatchObject([{ expected: 6_000, available: 12_000 }])
  await skip()
  await expect.poll(position).toBe(12_010)
  expect(await countTotals(database.pool)).toMatchObject({ stored: 3_010, double: 0 })
})

test('a gap whose records are back when it is skipped loses nothing', async () => {
  await append(on0(6_000 - LIMITS.logAppendRecordsMax))
  await append(on0(LIMITS.logAppendRecordsMax))
  await sql(
    'CREATE TABLE away AS SELECT * FROM log_chunk WHERE base_offset > 0; DELETE FROM log_chunk WHERE base_offset > 0',
  )
  await append(on0(10))
  start()
  await expect.poll(openGaps).toMatchObject([{ expected: 1_000, available: 6_000 }])
  await end()
  await sql('INSERT INTO log_chunk SELECT * FROM away')
  await skip()
  start()
  await expect.poll(position).toBe(6_010)
  expect(await countTotals(database.pool)).toMatchObject({ stored: 6_010, double: 0 })
})

const SUMS = `SELECT (SELECT sum(count)::int FROM rollup_15m) AS rolled, (SELECT sum(stored)::int FROM outcome_total_by_partition) AS stored,
  (SELECT sum(duplicate)::int FROM outcome_total_by_partition) AS duplicate, (SELECT count(*)::int FROM dead_letter) AS dead`

/** As when a broker is restored from a snapshot: the last records are gone, and their offsets are given again. */
async function loseEnd(from: number): Promise<void> {
  await sql(`DELETE FROM log_chunk WHERE base_offset >= ${from};
    UPDATE log_partition SET next_offset = ${from} WHERE topic = 'events.raw' AND partition = 0`)
}

test('a log that lost its end is read on after the last record that was applied, and no sum changes', async () => {
  for (let i = 0; i < 10; i++) await append([...on0(10), { ...rawValue('{"v":1,'), partition: 0 }])
  start()
  await expect.poll(position).toBe(110)
  await end()
  const [before] = await sql(SUMS)
  await loseEnd(88)
  // Two new records came before anybody noticed.
  await append([...on0(1, { name: 'new' }), { ...rawValue('{"v":2,'), partition: 0 }])
  start()
  await expect.poll(openGaps).toMatchObject([{ expected: 110, available: 90 }])
  await skip()
  await expect.poll(position).toBe(90)
  const [after] = await sql(SUMS)
  expect(after).toEqual({
    ...before,
    rolled: before.rolled + 1,
    stored: before.stored + 1,
    dead: before.dead + 1,
  })
  await append(on0(30))
  await expect.poll(position).toBe(120)
  expect(await countTotals(database.pool)).toMatchObject({
    stored: 131,
    double: 0,
    wrongRollups: 0,
  })
})

test('a recreated log is read from its start, and nothing that may have been counted is stored again', async () => {
  const old = new Date(Date.now() - 5 * 86_400_000).toISOString()
  const records = [...on0(10, { received_at: old }), ...on0(100)]
  await append(records)
  start()
  await expect.poll(position).toBe(110)
  await end()
  const day = `event_${old.slice(0, 10).replaceAll('-', '')}`
  await sql(`DROP TABLE ${day};
    UPDATE event_retention SET dropped_through = '${old.slice(0, 10)}'`)
  const [before] = await sql(SUMS)
  expect(before).toMatchObject({ rolled: 110, stored: 110 })
  // The same events at other offsets, as a tool writes that copies a topic.
  await loseEnd(0)
  await append(records.slice(1))
  start()
  await skip()
  await expect.poll(position).toBe(109)
  expect(await sql(SUMS)).toEqual([{ rolled: 110, stored: 110, duplicate: 100, dead: 9 }])
  expect(await sql('SELECT DISTINCT reason FROM dead_letter')).toEqual([
    { reason: 'RECEIVED_AT_OUT_OF_RANGE' },
  ])
  // No day is dropped by the record that began it.
  expect(await sql(`SELECT to_regclass('${day}') AS day`)).toEqual([{ day: null }])
})
