import { afterEach, beforeEach, expect, test } from 'vitest'
import { LIMITS } from '../../../contract/limits.ts'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { createDayPartitions, DAY_MS, dayTable, isoDay } from '../../db/day-partitions.ts'
import { indexOldDays } from './index-old-days.ts'

const TODAY = Math.floor(Date.now() / DAY_MS)
const OLD_DAYS = [TODAY - 8, TODAY - 9, TODAY - 10]
const table = (day: number) => dayTable('event', day)

let database: TestDatabase
const sql = async (text: string) => (await database.pool.query(text)).rows

/** Days as migration 19 found them. */
beforeEach(async () => {
  database = await createTestDatabase()
  await createDayPartitions({ pool: database.pool, table: 'event' }).ensure([
    ...OLD_DAYS,
    TODAY - 1,
    TODAY,
  ])
  await sql(`DROP INDEX event_by_occurrence;
    CREATE INDEX event_by_occurrence ON ONLY event USING brin (
      occurred_at timestamptz_minmax_multi_ops (values_per_range = 16), name text_bloom_ops (n_distinct_per_range = 200)
    ) WITH (pages_per_range = 32, autosummarize = on)`)
  await applied(TODAY)
})
afterEach(() => database.drop())

const applied = (day: number) =>
  sql(`UPDATE log_lease SET applied_through = '${isoDay(day)}T00:00:00Z'`)
const never = new AbortController().signal

/** As a batch that writes into the day; a build waits for it. */
async function writeInto(day: number): Promise<() => Promise<void>> {
  const client = await database.pool.connect()
  await client.query(`BEGIN; LOCK TABLE ${table(day)} IN ROW EXCLUSIVE MODE`)
  return async () => {
    await client.query('ROLLBACK')
    client.release()
  }
}

test('a day gets its index once nothing can be written into it any more', async () => {
  const [newest = 0] = OLD_DAYS
  await applied(newest + LIMITS.dedupeDays)
  const others = OLD_DAYS.slice(1).map(table)
  expect(await indexOldDays(database.pool, never)).toEqual(others)
  await applied(TODAY)
  expect(await indexOldDays(database.pool, never)).toEqual([table(newest)])
  expect(await indexOldDays(database.pool, never)).toEqual([])
})

test('a day that is written into keeps no other one without its index', async () => {
  const [newest = 0, ...others] = OLD_DAYS
  const end = await writeInto(newest)
  await expect(indexOldDays(database.pool, never)).rejects.toMatchObject({
    errors: [{ code: '55P03' }],
  })
  await end()
  expect(await indexOldDays(database.pool, never)).toEqual([table(newest)])
  expect(others.length).toBeGreaterThan(0)
})

test('a build is cancelled in Postgres when its worker ends, and no other one is begun', async () => {
  const [newest = 0] = OLD_DAYS
  const end = await writeInto(newest)
  const waiting = async () =>
    (
      await sql(
        "SELECT FROM pg_stat_activity WHERE wait_event = 'relation' AND query ~ 'CREATE INDEX' AND datname = current_database()",
      )
    ).length
  /** The build waits for a quarter of a second: on a busy machine that may be over first. */
  async function abortOnce(): Promise<unknown> {
    const ended = new AbortController()
    let isOver = false
    const indexed = indexOldDays(database.pool, ended.signal).catch((error) => {
      isOver = true
      return error.errors
    })
    await expect.poll(async () => isOver || (await waiting()) === 1, { interval: 5 }).toBe(true)
    ended.abort()
    return indexed
  }
  await expect.poll(abortOnce).toMatchObject([{ code: '57014' }])
  await end()
  expect(await indexOldDays(database.pool, never)).toContain(table(newest))
})
