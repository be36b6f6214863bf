import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { LIMITS } from '../../../contract/limits.ts'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { createDayPartitions, DAY_MS, dayTable } from '../../db/day-partitions.ts'
import { encodeChunk } from './chunk.ts'
import { createLogRetention } from './retention.ts'

const TODAY = Math.floor(Date.now() / DAY_MS)

let database: TestDatabase
const sql = (text: string, values?: unknown[]) => database.pool.query(text, values)
const retention = () => createLogRetention({ pool: database.pool, retentionDays: 2 })
/** The retention has just ended for OLD and for nothing younger. */
const OLD = TODAY - 3
const table = (day: number) => dayTable('log_chunk', day)

beforeEach(async () => {
  database = await createTestDatabase()
  await retention().createAhead()
  await createDayPartitions({ pool: database.pool, table: 'log_chunk' }).ensure([
    OLD - 1,
    OLD,
    OLD + 1,
  ])
})
afterEach(() => database.drop())

/** As if it had been appended on that day. */
async function chunk(topic: string, baseOffset: number, day: number, recordCount = 10) {
  const records = Array.from({ length: recordCount }, () => ({
    key: null,
    value: Buffer.from('v'),
  }))
  await sql(
    "INSERT INTO log_chunk (topic, partition, base_offset, record_count, appended_on, body) VALUES ($1, 0, $2, $3, date '1970-01-01' + $4::int, $5)",
    [topic, baseOffset, recordCount, day, encodeChunk(records, 1)],
  )
}

async function days(): Promise<string[]> {
  const { rows } = await sql(
    "SELECT inhrelid::regclass::text AS day FROM pg_inherits WHERE inhparent = 'log_chunk'::regclass ORDER BY 1",
  )
  return rows.map((row) => row.day)
}

test('a day older than the retention is dropped once every reader is past it, and not before', async () => {
  await chunk('events.raw', 0, OLD)
  await chunk('events.raw', 10, OLD)
  await sql("UPDATE log_position SET next_offset = 19 WHERE topic = 'events.raw' AND partition = 0")
  // The day before is empty and may be dropped.
  expect(await retention().drop()).toEqual([table(OLD - 1)])
  await sql("UPDATE log_position SET next_offset = 20 WHERE topic = 'events.raw' AND partition = 0")
  expect(await retention().drop()).toEqual([table(OLD)])
  expect(await days()).not.toContain(table(OLD))
})

test('a day within the retention is kept although all of it was read', async () => {
  await chunk('events.raw', 0, OLD + 1)
  await sql('UPDATE log_position SET next_offset = 10')
  await retention().drop()
  expect(await days()).toContain(table(OLD + 1))
})

test('a topic without stored positions is dropped by age alone', async () => {
  await chunk('events.dlq', 0, OLD)
  expect(await retention().drop()).toContain(table(OLD))
})

test('a process whose clock is wrong by a month drops and creates the same days as any other', async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 30 * DAY_MS })
  onTestFinished(() => void vi.useRealTimers())
  const before = await days()
  expect(await retention().createAhead()).toEqual([])
  expect(await retention().drop()).toEqual([table(OLD - 1), table(OLD)])
  expect(await days()).toEqual(before.slice(2))
})

test('concurrent processes create and drop days without errors', async () => {
  const results = await Promise.all(
    [1, 2, 3].flatMap(() => {
      const each = retention()
      return [each.createAhead(), each.drop()]
    }),
  )
  const made = results.filter((_, i) => i % 2 === 0).flat()
  const dropped = results.filter((_, i) => i % 2 === 1).flat()
  expect(new Set(made).size).toBe(made.length)
  expect(new Set(dropped).size).toBe(dropped.length)
  expect(await days()).toContain(table(TODAY + LIMITS.partitionDaysAhead))
  expect(await days()).not.toContain(table(OLD))
})

test('a day that a query still reads is dropped when the query has ended, and appends do not wait for it', async () => {
  const looking = await database.pool.connect()
  await looking.query('BEGIN')
  await looking.query('SELECT FROM log_chunk LIMIT 1')
  const dropping = retention().drop()
  dropping.catch(() => {})
  // Resolves although the query's transaction is open.
  await sql("SELECT * FROM log_append('events.raw', '{0}', '{1}', ARRAY['\\x00'::bytea])")
  await looking.query('COMMIT')
  looking.release()
  expect(await dropping).toEqual([table(OLD - 1), table(OLD)])
})
