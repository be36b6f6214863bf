import { afterEach, beforeEach, expect, test } from 'vitest'
import { TOPICS } from '../../../contract/log/topics.ts'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { countTotals, rawRecord } from '../../../tests/lib/records.ts'
import { createDatabase, type Database } from '../../db/database.ts'
import { createDayPartitions } from '../../db/day-partitions.ts'
import type { Log } from '../../log/log.ts'
import { createPostgresLog } from '../../log/postgres/postgres-log.ts'
import { readLag } from '../../queries/pipeline/lag.ts'
import { replay } from '../replay/replay.ts'
import { createWorker } from '../worker.ts'
import { NotAppliedError } from '../write/positions.ts'
import { adoptLog } from './adopt-log.ts'
import { LogIdentityError } from './log-identity.ts'
import { skipMissingOffsets } from './skip-offsets.ts'

let database: TestDatabase
let elsewhere: TestDatabase
let db: Database
/** The log of the same database, and one of another. */
let own: Log
let other: Log
let stop: AbortController
let workers: Promise<void>[]
let errors: string[]

beforeEach(async () => {
  database = await createTestDatabase()
  elsewhere = await createTestDatabase()
  // Test databases are copies of one template.
  await elsewhere.pool.query('UPDATE postgres_log SET identity = gen_random_uuid()')
  await database.pool.query("INSERT INTO tenant (slug) VALUES ('default')")
  db = createDatabase(database.url, { max: 2 })
  own = await createPostgresLog({ url: database.url })
  other = await createPostgresLog({ url: elsewhere.url })
  stop = new AbortController()
  workers = []
  errors = []
})
afterEach(async () => {
  await end()
  await Promise.all([own.close(), other.close()])
  await db.destroy()
  await database.drop()
  await elsewhere.drop()
})

function start(log: Log): void {
  const logger = { info() {}, warn() {}, error: (_: object, text: string) => errors.push(text) }
  const deps = { databaseUrl: database.url, log, logger, concurrency: 1 }
  workers.push(createWorker(deps).run(stop.signal))
}
async function end(): Promise<void> {
  stop.abort()
  await Promise.all(workers)
  stop = new AbortController()
}

async function append(log: Log, count: number): Promise<void> {
  const records = Array.from({ length: count }, () => ({ ...rawRecord(), partition: 0 }))
  await log.append(TOPICS.raw.name, records)
}

async function position(): Promise<number> {
  const { rows } = await database.pool.query(
    "SELECT next_offset::int AS at FROM log_position WHERE topic = 'events.raw' AND partition = 0",
  )
  return rows[0].at
}
const stored = async () => (await countTotals(database.pool)).stored

test('a worker refuses to read another log under the stored offsets and says why, until an operator decides where to begin', async () => {
  await append(own, 50)
  start(own)
  await expect.poll(position).toBe(50)
  await end()

  await append(other, 60)
  start(other)
  await expect.poll(() => errors).toEqual([expect.stringContaining('this is another log')])
  expect((await readLag(db, other)).otherLog).toEqual({
    recorded: await own.identity(TOPICS.raw.name),
    found: await other.identity(TOPICS.raw.name),
  })
  expect((await readLag(db, own)).otherLog).toBeNull()
  // Nor does anything else take one log for the other.
  const gaps = [{ partition: 0, expected: 50, available: 55 }]
  await expect(skipMissingOffsets(db, other, gaps)).rejects.toThrow(LogIdentityError)
  const ranges = [{ partition: 0, from: 0, to: 10 }]
  const reading = { databaseUrl: database.url, log: other, ranges, signal: stop.signal }
  await expect(replay(reading)).rejects.toThrow(LogIdentityError)
  expect(await position()).toBe(50)

  await adoptLog(db, other, 'start')
  await expect.poll(position).toBe(60)
  expect(await stored()).toBe(110)
  expect((await readLag(db, other)).otherLog).toBeNull()
})

test('a worker that still reads the former log writes nothing once another one is adopted', async () => {
  start(own)
  await append(own, 10)
  await expect.poll(position).toBe(10)
  await append(other, 10)
  // Both logs end at the same offset, so only the identity tells them apart.
  await adoptLog(db, other, 'end')
  await append(own, 5)
  await expect.poll(() => errors).toEqual([expect.stringContaining('this is another log')])
  expect([await position(), await stored()]).toEqual([10, 10])
  await append(other, 5)
  start(other)
  await end()
  start(other)
  await expect.poll(position).toBe(15)
  expect(await stored()).toBe(15)
})

test('a replay that has begun writes nothing once another log is adopted, even at the same offsets', async () => {
  await append(own, 10)
  start(own)
  await expect.poll(position).toBe(10)
  await end()
  await database.pool.query('TRUNCATE event, rollup_15m, outcome_minute, watermark')
  const adopting: Log = {
    ...own,
    async *batches(topic, options) {
      await adoptLog(db, other, 'current')
      yield* own.batches(topic, options)
    },
  }
  const ranges = [{ partition: 0, from: 0, to: 10 }]
  const reading = { databaseUrl: database.url, log: adopting, ranges, signal: stop.signal }
  await expect(replay(reading)).rejects.toThrow(NotAppliedError)
  expect(await stored()).toBe(0)
})

test('how far a log is being read again is remembered where reading goes on, and forgotten at its end', async () => {
  await append(own, 60)
  const state = async () => {
    const { rows } = await database.pool.query(
      'SELECT next_offset::int AS at, reread_until::int AS until FROM log_position WHERE topic = $1 AND partition = 0',
      [TOPICS.raw.name],
    )
    return rows[0]
  }
  await adoptLog(db, own, 'start')
  expect(await state()).toEqual({ at: 0, until: 60 })
  await adoptLog(db, other, 'current')
  expect(await state()).toEqual({ at: 0, until: 60 })
  await adoptLog(db, own, 'end')
  expect(await state()).toEqual({ at: 60, until: null })
})

test('a database that was restored from a backup continues at the offsets of that backup, each record once', async () => {
  await append(other, 30)
  start(other)
  await expect.poll(position).toBe(30)
  await end()
  const tables = [
    'event',
    'rollup_15m',
    'series',
    'outcome_minute',
    'outcome_total_by_partition',
    'watermark',
  ]
  const save = tables.map((name) => `CREATE TABLE backup_${name} AS TABLE ${name}`)
  await database.pool.query(save.join(';'))
  await append(other, 20)
  start(other)
  await expect.poll(position).toBe(50)
  await end()
  const restore = tables.map(
    (name) => `TRUNCATE ${name}; INSERT INTO ${name} OVERRIDING SYSTEM VALUE TABLE backup_${name}`,
  )
  await database.pool.query(
    `BEGIN; ${restore.join(';')}; UPDATE log_position SET next_offset = 30 WHERE partition = 0; COMMIT`,
  )
  start(other)
  await expect.poll(position).toBe(50)
  expect(await countTotals(database.pool)).toEqual({
    stored: 50,
    duplicates: 0,
    conflicting: 0,
    dead: 0,
    wrongRollups: 0,
    double: 0,
  })
})

test('adopting a log waits while a day is dropped, so that no day is dropped that the log still has to be compared with', async () => {
  const { pool } = database
  const days = createDayPartitions({ pool, table: 'event' })
  await days.createAhead()
  const deciding = Promise.withResolvers<void>()
  const dropping = Promise.withResolvers<boolean>()
  const dropped = days.drop(() => {
    deciding.resolve()
    return dropping.promise
  })
  await deciding.promise
  const adopted = adoptLog(db, own, 'start')
  const waiting = () =>
    pool.query("SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted").then(rowCountOf)
  await expect.poll(waiting).toBe(1)
  dropping.resolve(false)
  await adopted
  expect(await dropped).toEqual([])
})

function rowCountOf({ rowCount }: { rowCount: number | null }): number {
  return rowCount ?? 0
}
