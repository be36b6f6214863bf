import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { LIMITS } from '../../../contract/limits.ts'
import { TOPICS } from '../../../contract/log/topics.ts'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { rawRecord, rawValue } from '../../../tests/lib/records.ts'
import { DAY_MS } from '../../db/day-partitions.ts'
import { createPostgresLog } from '../../log/postgres/postgres-log.ts'
import { createWorker } from '../worker.ts'
import { createPartitionMaintenance } from './partition-maintenance.ts'

let database: TestDatabase
beforeEach(async () => {
  database = await createTestDatabase()
  await database.pool.query("INSERT INTO tenant (slug) VALUES ('default'), ('other')")
})
afterEach(() => database.drop())

const sql = async (text: string) => (await database.pool.query(text)).rows
const SUMS = ['stored', 'duplicate', 'conflicting', 'dead']
  .map((outcome) => `sum(${outcome})::int AS ${outcome}`)
  .join(', ')

test('the outcomes of all events are totalled as they are written', async () => {
  const log = await createPostgresLog({ url: database.url })
  const stop = new AbortController()
  const logger = { info() {}, warn() {}, error() {} }
  const running = createWorker({ databaseUrl: database.url, log, logger, concurrency: 2 }).run(
    stop.signal,
  )
  const records = Array.from({ length: 60 }, (_, i) =>
    i % 10 === 9
      ? rawValue(i % 20 === 9 ? '{' : '{"tenant":"default"}')
      : rawRecord({
          tenant: i % 3 ? 'default' : 'other',
          event_id: `e-${i >> 1}`,
          actor: `a${i % 5}`,
        }),
  )
  await log.append(TOPICS.raw.name, records)
  const applied = () => sql('SELECT sum(next_offset)::int AS n FROM log_position')
  await expect.poll(applied).toEqual([{ n: 60 }])
  stop.abort()
  await running
  await log.close()
  const minutes = await sql(`SELECT ${SUMS} FROM outcome_minute`)
  expect(minutes).toEqual([{ stored: 46, duplicate: 0, conflicting: 8, dead: 3 }])
  expect(await sql(`SELECT ${SUMS} FROM outcome_total_by_partition`)).toEqual(minutes)
})

test('a worker whose machine has a wrong clock drops only what is too old by the clock of Postgres', async () => {
  const runMaintenance = () =>
    createPartitionMaintenance({ pool: database.pool, retentionDays: 30 }).run()
  expect((await runMaintenance()).created).toHaveLength(LIMITS.partitionDaysAhead + 2)
  onTestFinished(() => void vi.useRealTimers())
  for (const daysOff of [500, -500]) {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + daysOff * DAY_MS })
    expect(await runMaintenance()).toMatchObject({ created: [], dropped: [] })
    vi.useRealTimers()
  }
})

test('old dead letters are deleted once they are in events.dlq, and stay counted', async () => {
  await database.pool.query(
    `INSERT INTO dead_letter (tenant_id, reason, detail, fingerprint, original, topic, partition, log_offset, received_at, dead_at, forwarded_at, state)
     SELECT tenant, 'NOT_JSON', '', '', 'x', 't', 0, row_number() OVER (), at, at, forwarded, state
       FROM (VALUES (1, now() - interval '91 days', now(), 'open'), (NULL, now() - interval '91 days', now(), 'open'),
                    (NULL, now() - interval '92 days', now(), 'open'), (NULL, now() - interval '91 days', now(), 'replayed'),
                    (1, now() - interval '91 days', NULL, 'open'), (1, now() - interval '89 days', now(), 'open'))
         AS d (tenant, at, forwarded, state)`,
  )
  const maintenance = (retentionDays: number) =>
    createPartitionMaintenance({ pool: database.pool, retentionDays })
  expect((await maintenance(400).run()).deadLettersDeleted).toBe(0)
  expect((await maintenance(30).run()).deadLettersDeleted).toBe(4)
  expect(await sql('SELECT log_offset::int AS n FROM dead_letter ORDER BY 1')).toEqual([
    { n: 5 },
    { n: 6 },
  ])
  expect(await sql('SELECT partition, dead::int FROM outcome_total_by_partition')).toEqual([
    { partition: -1, dead: 2 },
  ])
})

test('a dead letter is kept two days longer than its record, which a replay would make it of again', async () => {
  await database.pool.query(
    `INSERT INTO dead_letter (reason, detail, fingerprint, original, topic, partition, log_offset, received_at, dead_at, forwarded_at)
     SELECT 'NOT_JSON', '', '', 'x', 't', 0, days, now(), now() - make_interval(days => days), now()
       FROM unnest(ARRAY[101, 103]) AS days`,
  )
  const maintenance = createPartitionMaintenance({ pool: database.pool, retentionDays: 100 })
  expect((await maintenance.run()).deadLettersDeleted).toBe(1)
  expect(await sql('SELECT log_offset::int AS days FROM dead_letter')).toEqual([{ days: 101 }])
})

test('rollups of the current month leave as much room for updates as those of the coming one', async () => {
  const { pool } = database
  await sql(`DROP TABLE IF EXISTS ${(await monthsAhead()).at(-1)}`)
  expect((await createPartitionMaintenance({ pool }).run()).created.length).toBeGreaterThan(0)
  const fill = await sql(`SELECT DISTINCT reloptions::text AS options FROM pg_class
    WHERE relname ~ '^rollup_15m_' AND relkind = 'r'`)
  expect(fill).toEqual([{ options: '{fillfactor=85}' }])
})

const monthsAhead = async () =>
  (
    await sql(`SELECT inhrelid::regclass::text AS name FROM pg_inherits
    WHERE inhparent = 'rollup_15m'::regclass ORDER BY 1`)
  ).map(({ name }) => name)
