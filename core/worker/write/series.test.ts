import { afterEach, beforeEach, expect, test } from 'vitest'
import { LIMITS } from '../../../contract/limits.ts'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { rawRecord } from '../../../tests/lib/records.ts'
import { createDatabase, type Database } from '../../db/database.ts'
import { OTHER_METRIC } from '../../db/series-names.ts'
import { tenantViewer } from '../../identity/viewer.ts'
import { createPostgresLog } from '../../log/postgres/postgres-log.ts'
import { eventsOverTime } from '../../queries/metrics/events-over-time.ts'
import { rangeTotals } from '../../queries/range-totals.ts'
import type { ExecuteQuery } from '../consume/connection.ts'
import type { EventRow } from '../decode/decoded.ts'
import { createWorker } from '../worker.ts'
import { createSeriesDirectory } from './series.ts'

const quiet = { info() {}, warn() {}, error() {} }
const HOUR_MS = 3_600_000
let database: TestDatabase
let db: Database
let execute: ExecuteQuery

beforeEach(async () => {
  database = await createTestDatabase()
  await database.pool.query("INSERT INTO tenant (slug) VALUES ('default'), ('other')")
  db = createDatabase(database.url, { max: 3 })
  execute = (sql, values) => database.pool.query(sql, values)
})
afterEach(async () => {
  await db.destroy()
  await database.drop()
})

function rowsOf(tenantId: number, names: readonly string[]): EventRow[] {
  return names.map((name) => ({ tenantId, event: { name } }) as EventRow)
}
const names = (count: number, from = 0) =>
  Array.from({ length: count }, (_, i) => `name-${String(from + i).padStart(4, '0')}`)

test('two consumers that meet more names than the limit count each name in one series', async () => {
  const log = await createPostgresLog({ url: database.url })
  const stop = new AbortController()
  const worker = createWorker({ databaseUrl: database.url, log, logger: quiet, concurrency: 2 })
  const running = worker.run(stop.signal)
  const start = Math.floor(Date.now() / 900_000) * 900_000 - HOUR_MS
  const count = LIMITS.eventNamesPerTenantMax + 500
  const records = Array.from({ length: 4 }, (_, round) =>
    names(count).map((name, i) => ({
      ...rawRecord({ name, occurred_at: new Date(start + 60_000).toISOString() }),
      partition: (i + round) % 6,
    })),
  ).flat()
  for (let at = 0; at < records.length; at += 2_500)
    await log.append('events.raw', records.slice(at, at + 2_500))
  const stored = async () =>
    (await database.pool.query('SELECT count(*)::int AS n FROM event')).rows[0].n
  await expect.poll(stored, { timeout: 30_000 }).toBe(records.length)
  stop.abort()
  await running
  await log.close()

  const viewer = await tenantViewer(db, { kind: 'SESSION' }, 'default')
  const range = {
    start: new Date(start).toISOString(),
    end: new Date(start + HOUR_MS).toISOString(),
  }
  const { rows: series } = await database.pool.query(
    'SELECT metric, count::int FROM series LEFT JOIN rollup_15m USING (series_id)',
  )
  expect(series).toHaveLength(LIMITS.eventNamesPerTenantMax + 1)
  for (const { metric, count } of series)
    expect(count, metric).toBe(metric === OTHER_METRIC ? 4 * 500 : 4)
  const totals = await rangeTotals(db, viewer, { range, namesMax: 1 })
  expect([totals.count, totals.rows[0]]).toMatchObject([
    records.length,
    { name: '(other)', count: 4 * 500 },
  ])
})

test('names beyond the limit use up no ids, and a name that exists needs none', async () => {
  const lastId = async () =>
    (
      await database.pool.query(
        "SELECT last_value::int AS n FROM pg_sequences WHERE sequencename LIKE 'series%'",
      )
    ).rows[0].n
  await createSeriesDirectory(execute).learn(rowsOf(1, names(LIMITS.eventNamesPerTenantMax + 5)))
  const before = await lastId()
  for (let i = 0; i < 20; i++)
    await createSeriesDirectory(execute).learn(
      rowsOf(1, names(30, LIMITS.eventNamesPerTenantMax - 10)),
    )
  expect(await lastId()).toBe(before)
})

test('ids of series go beyond 2^31', async () => {
  await database.pool.query('ALTER TABLE series ALTER COLUMN series_id RESTART WITH 3000000000')
  const directory = createSeriesDirectory(execute)
  await directory.learn(rowsOf(1, ['a']))
  expect(directory.id(1, 'a')).toBe(3_000_000_000)
})

test('names of many tenants are looked up by one query', async () => {
  let queries = 0
  const counting: ExecuteQuery = (sql, values) => {
    queries++
    return execute(sql, values)
  }
  const rows = [...rowsOf(1, ['a', 'b']), ...rowsOf(2, ['a', 'c'])]
  await createSeriesDirectory(execute).learn(rows)
  await createSeriesDirectory(counting).learn(rows)
  expect(queries).toBe(1)
})

test('in a range that cuts buckets, names beyond the limit are listed together in all of it', async () => {
  const log = await createPostgresLog({ url: database.url })
  await createSeriesDirectory(execute).learn(rowsOf(1, names(LIMITS.eventNamesPerTenantMax + 1)))
  const stop = new AbortController()
  const running = createWorker({ databaseUrl: database.url, log, logger: quiet }).run(stop.signal)
  const start = Math.floor(Date.now() / HOUR_MS) * HOUR_MS - 2 * HOUR_MS
  const events = Array.from({ length: 40 }, (_, minute) =>
    rawRecord({
      name: 'beyond',
      occurred_at: new Date(start + (minute + 10) * 60_000).toISOString(),
    }),
  )
  await log.append('events.raw', events)
  const stored = async () =>
    (await database.pool.query('SELECT count(*)::int AS n FROM event')).rows[0].n
  await expect.poll(stored).toBe(events.length)
  stop.abort()
  await running
  await log.close()
  const viewer = await tenantViewer(db, { kind: 'SESSION' }, 'default')
  const [startTime, endTime] = [10, 50].map((minute) =>
    new Date(start + minute * 60_000).toISOString(),
  ) as [string, string]
  const range = { startTime, endTime, interval: 'TOTAL' } as const
  const { rows } = await eventsOverTime(db, viewer, { name: '*', ...range, groupBy: ['name'] })
  expect(rows.map(({ dimensions, value }) => [dimensions.name, value])).toEqual([['(other)', 40]])
  const alone = await eventsOverTime(db, viewer, { name: 'beyond', ...range })
  expect(alone.rows.map(({ value }) => value)).toEqual([40])
})
