import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { LIMITS } from '../../../contract/limits.ts'
import { TOPICS } from '../../../contract/log/topics.ts'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { rawRecord, rawValue } from '../../../tests/lib/records.ts'
import { DAY_MS } from '../../db/day-partitions.ts'
import { createPostgresLog } from '../../log/postgres/postgres-log.ts'
import { createWorker } from '../worker.ts'
import { createPartitionMaintenance } from './partition-maintenance.ts'
import { prune } from './prune.ts'
import { reconcileTotals } from './reconcile-totals.ts'

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
  const byTenant = (table: string) =>
    sql(`SELECT tenant_id, ${SUMS} FROM ${table} GROUP BY 1 ORDER BY 1`)
  const minutes = await byTenant('outcome_minute')
  expect(minutes).toHaveLength(2)
  expect(await byTenant('outcome_total')).toEqual(minutes)
})

test('counts of a former version, by the minute alone, are added to the totals once, however many workers reconcile', async () => {
  await database.pool.query(
    `INSERT INTO outcome_minute (tenant_id, minute, stored, duplicate, conflicting, dead)
     SELECT t, m, 1, 2, 4, 3 FROM generate_series(1, 2) t,
            generate_series('2026-11-20T08:00:00Z'::timestamptz, '2026-11-20T08:59:00Z', '1 minute') m;
     INSERT INTO outcome_total (tenant_id, stored, duplicate, conflicting, dead) VALUES (0, 0, 0, 0, 7), (1, 50, 100, 200, 150)`,
  )
  // Between their reading and their writing.
  const other = await database.pool.connect()
  await other.query('BEGIN; UPDATE outcome_total SET stored = stored + 5 WHERE tenant_id = 1')
  await other.query(
    "UPDATE outcome_minute SET stored = stored + 5 WHERE tenant_id = 1 AND minute = '2026-11-20T08:00:00Z'",
  )
  const waiting = () =>
    sql(
      "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
    )
  const keeping = Promise.all([1, 2, 3].map(() => reconcileTotals(database.pool)))
  // All of them: the second one would add the same as the first, had it read the same.
  await expect.poll(waiting).toHaveLength(3)
  await other.query('COMMIT')
  other.release()
  await keeping
  expect(
    await sql(
      'SELECT tenant_id, stored::int, duplicate::int, conflicting::int, dead::int FROM outcome_total ORDER BY 1',
    ),
  ).toEqual([
    { tenant_id: 0, stored: 0, duplicate: 0, conflicting: 0, dead: 7 },
    { tenant_id: 1, stored: 65, duplicate: 120, conflicting: 240, dead: 180 },
    { tenant_id: 2, stored: 60, duplicate: 120, conflicting: 240, dead: 180 },
  ])
})

test('old minutes are folded into 15-minute rows, and every sum stays the same', async () => {
  const at = Date.parse('2026-11-20T10:00:00Z')
  await database.pool.query(
    `INSERT INTO outcome_minute (tenant_id, minute, stored, duplicate, conflicting, dead)
     SELECT t, m, 1, 2, 4, 3 FROM generate_series(1, 2) t,
            generate_series('2026-11-20T08:00:00Z'::timestamptz, '2026-11-20T09:59:00Z', '1 minute') m`,
  )
  const before = await sql(`SELECT tenant_id, ${SUMS} FROM outcome_minute GROUP BY 1 ORDER BY 1`)
  const now = at - 60 * 60_000 + LIMITS.outcomeMinuteDays * DAY_MS
  const deps = { pool: database.pool, retentionDays: 30, now: () => now, rowsMax: 25 }
  const both = await Promise.all([prune(deps), prune(deps)])
  expect(both.reduce((sum, { minutesFolded }) => sum + minutesFolded, 0)).toBe(2 * (60 - 4))
  expect(await sql(`SELECT tenant_id, ${SUMS} FROM outcome_minute GROUP BY 1 ORDER BY 1`)).toEqual(
    before,
  )
  expect(
    await sql(
      `SELECT count(*)::int AS rows, ${SUMS} FROM outcome_minute WHERE tenant_id = 1 AND minute < '2026-11-20T09:00:00Z'`,
    ),
  ).toEqual([{ rows: 4, stored: 60, duplicate: 120, conflicting: 240, dead: 180 }])
  expect((await prune(deps)).minutesFolded).toBe(0)
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
  expect(await sql('SELECT tenant_id, dead::int FROM outcome_total')).toEqual([
    { tenant_id: 0, dead: 2 },
  ])
})
