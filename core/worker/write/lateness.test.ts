import pg from 'pg'
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { TOPICS } from '../../../contract/log/topics.ts'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { type RecordFields, rawRecord } from '../../../tests/lib/records.ts'
import { createDatabase, type Database } from '../../db/database.ts'
import { tenantViewer } from '../../identity/viewer.ts'
import type { Log } from '../../log/log.ts'
import { createPostgresLog } from '../../log/postgres/postgres-log.ts'
import { eventsOverTime } from '../../queries/metrics/events-over-time.ts'
import { readLag } from '../../queries/pipeline/lag.ts'
import { checkLogIdentity } from '../consume/log-identity.ts'
import { skipMissingOffsets } from '../consume/skip-offsets.ts'
import { createWorker } from '../worker.ts'

const quiet = { info() {}, warn() {}, error() {} }
const HOUR_MS = 3_600_000
/** How often `applied_through` is advanced. */
const LOOKS = { timeout: 30_000 }

let database: TestDatabase
let db: Database
let log: Log
let stop: AbortController
let running: Promise<void> | undefined

beforeEach(async () => {
  database = await createTestDatabase()
  await database.pool.query("INSERT INTO tenant (slug) VALUES ('default')")
  db = createDatabase(database.url, { max: 2 })
  log = await createPostgresLog({ url: database.url })
  stop = new AbortController()
})
afterEach(async () => {
  stop.abort()
  await running
  await log.close()
  await db.destroy()
  await database.drop()
})

/** @param taken how long ago the log took each record, in milliseconds */
function start(taken: (partition: number, offset: number) => number = () => 0): void {
  const batches: Log['batches'] = async function* (topic, options) {
    for await (const batch of log.batches(topic, options))
      yield {
        ...batch,
        partitions: batch.partitions.map((run) => ({
          ...run,
          records: run.records.map((record) => ({
            ...record,
            timestamp: record.timestamp - taken(run.partition, record.offset),
          })),
        })),
      }
  }
  const deps = { databaseUrl: database.url, logger: quiet, concurrency: 2 }
  running = createWorker({ ...deps, log: { ...log, batches } }).run(stop.signal)
}

const ago = (ms: number) => new Date(Date.now() - ms).toISOString()

async function send(partition: number, sent: RecordFields[]): Promise<void> {
  const before = await applied()
  await log.append(
    TOPICS.raw.name,
    sent.map((each) => ({ ...rawRecord(each), partition })),
  )
  await expect.poll(applied).toBe(before + sent.length)
}

async function applied(): Promise<number> {
  const { rows } = await database.pool.query(
    "SELECT sum(next_offset)::int AS n FROM log_position WHERE topic = 'events.raw'",
  )
  return rows[0].n
}

/** As if no worker had run for these hours. */
async function appliedLast(hoursAgo: number): Promise<void> {
  const at = `now() - interval '${hoursAgo} h'`
  await database.pool.query(
    `UPDATE log_lease SET applied_through = ${at};
     UPDATE finality SET published_applied_through = ${at}, pending_xid = NULL, pending_snapshot = NULL,
            pending_applied_through = NULL`,
  )
}

/** No worker gets past the position of this partition. @returns lets them */
async function hold(partition: number): Promise<() => Promise<void>> {
  const busy = new pg.Client({ connectionString: database.url })
  busy.on('error', () => {})
  await busy.connect()
  onTestFinished(() => busy.end())
  await busy.query(`BEGIN; SELECT FROM log_position WHERE partition = ${partition} FOR UPDATE`)
  return async () => {
    await busy.query('COMMIT')
  }
}

async function late(): Promise<Record<string, number>> {
  const { rows } = await database.pool.query(
    'SELECT metric, sum(late_count)::int AS late FROM rollup_15m JOIN series USING (series_id) GROUP BY 1',
  )
  return Object.fromEntries(rows.map((row) => [row.metric, row.late]))
}

test('an edge whose clock is fast makes no other event late', async () => {
  start()
  const ahead = new Date(Date.now() + 20 * HOUR_MS).toISOString()
  await send(0, [{ name: 'fast', received_at: ahead }])
  await send(1, [{ name: 'right', occurred_at: ago(60_000) }])
  expect(await late()).toEqual({ fast: 0, right: 0 })
  const { rows } = await database.pool.query('SELECT max(highest_at) <= now() AS so FROM watermark')
  expect(rows).toEqual([{ so: true }])
})

test('events that waited in the log while no worker ran are not late when a quiet partition catches up first', async () => {
  // Partition 1 holds what the log took six hours ago.
  const waiting = [
    { name: 'waited', received_at: ago(6 * HOUR_MS), occurred_at: ago(6 * HOUR_MS + 60_000) },
    // Two hours late when it came, although no worker had read so far yet.
    { name: 'late', received_at: ago(6 * HOUR_MS), occurred_at: ago(8 * HOUR_MS) },
  ]
  for (const each of waiting)
    await log.append(TOPICS.raw.name, [{ ...rawRecord(each), partition: 1 }])
  await checkLogIdentity((sql, values) => database.pool.query(sql, values), log)
  await appliedLast(6)
  const release = await hold(1)
  start((partition) => (partition === 1 ? 6 * HOUR_MS : 0))
  await send(0, [{ name: 'quiet' }])
  await release()
  await expect.poll(applied).toBe(3)
  expect(await late()).toEqual({ quiet: 0, waited: 0, late: 1 })
})

describe('a bucket is not final while events that may belong to it wait in a partition', () => {
  const occurred = ago(5 * HOUR_MS)
  const waits = () => ({ ...rawRecord({ occurred_at: occurred }), partition: 1 })

  /** As if the workers had been away for six hours; all partitions but one catch up at once. */
  async function allButOneCatchUp(before: () => Promise<unknown>): Promise<void> {
    start()
    await send(0, [{ name: 'a', occurred_at: occurred }, { name: 'b' }])
    await expect.poll(() => isFinal('a'), LOOKS).toBe(true)
    stop.abort()
    await running
    await appliedLast(6)
    for (const _ of [1, 2]) await log.append(TOPICS.raw.name, [waits()])
    await before()
    stop = new AbortController()
    start((partition) => (partition === 1 ? 5 * HOUR_MS : 0))
    await send(0, [{ name: 'b' }])
    const others = async () => {
      const { rows } = await database.pool.query(
        "SELECT bool_and(applied_through > now() - interval '1 min') AS so FROM log_lease WHERE partition <> 1",
      )
      return rows[0].so
    }
    await expect.poll(others, LOOKS).toBe(true)
    expect(await isFinal('a')).toBe(false)
  }

  test('that is behind', async () => {
    let release = async () => {}
    await allButOneCatchUp(async () => {
      release = await hold(1)
    })
    await release()
    await expect.poll(() => isFinal('a'), LOOKS).toBe(true)
    expect(await late()).toEqual({ a: 0, b: 0, page_view: 0 })
  }, 120_000)

  test('that is paused at a gap', async () => {
    await allButOneCatchUp(() =>
      database.pool.query('DELETE FROM log_chunk WHERE partition = 1 AND base_offset = 0'),
    )
    await skipMissingOffsets(db, log, (await readLag(db, log)).gaps)
    await expect.poll(() => isFinal('a'), LOOKS).toBe(true)
  }, 120_000)

  test('that is paused because the log was recreated', async () => {
    await allButOneCatchUp(() =>
      database.pool.query('UPDATE log_position SET next_offset = 9 WHERE partition = 1'),
    )
    await skipMissingOffsets(db, log, (await readLag(db, log)).gaps)
    await expect.poll(() => isFinal('a'), LOOKS).toBe(true)
  }, 120_000)
})

async function isFinal(name: string): Promise<boolean | undefined> {
  const viewer = await tenantViewer(db, { kind: 'SESSION' }, 'default')
  const range = { startTime: ago(8 * HOUR_MS), endTime: new Date().toISOString() }
  const input = { name, ...range, interval: 'QUARTER_HOUR' } as const
  return (await eventsOverTime(db, viewer, input)).rows[0]?.isFinal
}
