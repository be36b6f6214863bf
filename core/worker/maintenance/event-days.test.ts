import pg from 'pg'
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { LIMITS } from '../../../contract/limits.ts'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { receivedOn } from '../../../tests/lib/records.ts'
import { DAY_MS, dayTable, isoDay } from '../../db/day-partitions.ts'
import { LOCKS } from '../../db/locks.ts'
import { findExisting, MONTHS } from '../../db/partitions.ts'
import { createPostgresLog } from '../../log/postgres/postgres-log.ts'
import { createPartitionMaintenance, MaintenanceError } from './partition-maintenance.ts'

const TODAY = Math.floor(Date.now() / DAY_MS)
const RETENTION_DAYS = 10
/** The oldest day that is kept. */
const KEPT = TODAY - RETENTION_DAYS

let database: TestDatabase
const sql = async (text: string) => (await database.pool.query(text)).rows
const maintain = () =>
  createPartitionMaintenance({ pool: database.pool, retentionDays: RETENTION_DAYS })
const table = (day: number) => dayTable('event', day)

beforeEach(async () => {
  database = await createTestDatabase()
  await maintain().ensure(receivedOn(KEPT - 2, KEPT - 1, KEPT))
})
afterEach(() => database.drop())

const applied = (day: number) =>
  sql(`UPDATE log_lease SET applied_through = '${isoDay(day)}T00:00:00Z'`)

async function days(): Promise<string[]> {
  const rows = await sql(
    "SELECT inhrelid::regclass::text AS day FROM pg_inherits WHERE inhparent = 'event'::regclass ORDER BY 1",
  )
  return rows.map((row) => row.day)
}

test('a day exactly as old as the retention is kept, and the one before it is dropped', async () => {
  await applied(TODAY)
  await sql(`INSERT INTO event (tenant_id, event_id, received_on, received_at, occurred_at, stored_at, name, properties, log_partition, log_offset)
             SELECT 1, gen_random_uuid(), '${isoDay(KEPT - 1)}', now(), now(), ('2026-11-0' || i || 'T00:00:00.123456Z')::timestamptz, 'a', '{}', 0, 0 FROM generate_series(1, 2) i`)
  expect(await maintain().run()).toMatchObject({ dropped: [table(KEPT - 2), table(KEPT - 1)] })
  expect(await days()).toContain(table(KEPT))
  // When, and until when events of it were stored: earlier results are explained by it.
  expect(
    await sql(`SELECT day::text, last_stored_at = '2026-11-02T00:00:00.123456Z' AS last, dropped_at BETWEEN now() - interval '1 min' AND now() AS recently
                 FROM event_day_drop ORDER BY day`),
  ).toEqual([
    { day: isoDay(KEPT - 2), last: null, recently: true },
    { day: isoDay(KEPT - 1), last: true, recently: true },
  ])
  expect(
    await sql('SELECT retention_days, dropped_through::text AS dropped FROM event_retention'),
  ).toEqual([{ retention_days: RETENTION_DAYS, dropped: isoDay(KEPT - 1) }])
})

test('a day is kept until every partition has applied what may hold its duplicates, and while a log is read again', async () => {
  await applied(KEPT - 1 + LIMITS.dedupeDays)
  expect(await maintain().run()).toMatchObject({ dropped: [table(KEPT - 2)] })
  await applied(TODAY)
  await sql('UPDATE log_lease SET applied_through = NULL WHERE partition = 5')
  expect(await maintain().run()).toMatchObject({ dropped: [] })
  await applied(TODAY)
  await sql('UPDATE log_position SET next_offset = 3, reread_until = 4 WHERE partition = 1')
  expect(await maintain().run()).toMatchObject({ dropped: [] })
  await sql('UPDATE log_position SET next_offset = 4 WHERE partition = 1')
  expect(await maintain().run()).toMatchObject({ dropped: [table(KEPT - 1)] })
})

test('the latest dropped day stays the latest when an older one is dropped after it', async () => {
  await applied(TODAY)
  await maintain().run()
  // A backlog brings events of such a day.
  await maintain().ensure(receivedOn(KEPT - 5))
  expect(await maintain().run()).toMatchObject({ dropped: [table(KEPT - 5)] })
  expect(await sql('SELECT dropped_through::text AS dropped FROM event_retention')).toEqual([
    { dropped: isoDay(KEPT - 1) },
  ])
})

test('an event that occurred in the first moment of a month has that month, whatever comes before it in its batch', async () => {
  const month = MONTHS.numberOf(TODAY * DAY_MS) + 30
  const first = Date.parse(MONTHS.startOf(month))
  const next = Date.parse(MONTHS.startOf(month + 1))
  for (const times of [
    [next - 1, next],
    [first, next - 1, first - 1],
  ]) {
    const rows = times.map((ms) => ({ receivedDay: TODAY, occurred: { ms } }))
    await maintain().ensure({ rows, deadLetters: [], expired: [] })
    const { numbers } = await findExisting(database.pool, 'rollup_15m', MONTHS)
    for (const ms of times) expect(numbers).toContain(MONTHS.numberOf(ms))
  }
})

test('a worker whose clock is wrong by a month drops and creates the same days as any other', async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 30 * DAY_MS })
  onTestFinished(() => void vi.useRealTimers())
  await applied(TODAY)
  const { created, dropped } = await maintain().run()
  expect(dropped).toEqual([table(KEPT - 2), table(KEPT - 1)])
  expect(created.at(-1)).toBe(table(TODAY + LIMITS.partitionDaysAhead))
})

test('while a long query reads another day, dropping makes nobody wait for long, other maintenance is done, and the day goes in the end', async () => {
  await applied(TODAY)
  await sql(
    "INSERT INTO key_use_hour (key_id, hour, events) VALUES (gen_random_uuid(), now() - interval '900 days', 1)",
  )
  const query = await database.pool.connect()
  await query.query(`BEGIN; SELECT FROM event WHERE received_on = '${isoDay(TODAY)}'`)
  const failing = maintain().run()
  const waits: number[] = []
  let over = false
  const ended = failing
    .catch((error) => error)
    .finally(() => {
      over = true
    })
  while (!over) {
    const startedAt = performance.now()
    await sql(`SELECT FROM event WHERE received_on = '${isoDay(TODAY)}'`)
    waits.push(performance.now() - startedAt)
  }
  const error = await ended
  expect(error).toBeInstanceOf(MaintenanceError)
  expect(error.message).toContain('could not be dropped')
  expect(error.result).toMatchObject({ keyUseDeleted: 1, minutesFolded: 0 })
  // 250 ms, and what a busy machine adds; 5 s before.
  expect(Math.max(...waits)).toBeLessThan(1_500)
  await query.query('COMMIT')
  query.release()
  expect(await maintain().run()).toMatchObject({ dropped: [table(KEPT - 2), table(KEPT - 1)] })
})

test('a process that froze with the lock of the days keeps no other one from starting', async () => {
  const frozen = new pg.Client({
    connectionString: database.url,
    idle_in_transaction_session_timeout: 5_000,
  })
  frozen.on('error', () => {})
  await frozen.connect()
  await frozen.query(`BEGIN; SELECT pg_advisory_xact_lock(${LOCKS.partitions.key})`)
  // The days are missing, so the log has to wait for the lock.
  const log = await createPostgresLog({ url: database.url })
  await log.append('events.raw', [{ partition: 0, key: null, value: Buffer.from('x') }])
  await log.close()
  const again = await createPostgresLog({ url: database.url })
  await again.close()
  await frozen.end().catch(() => {})
})
