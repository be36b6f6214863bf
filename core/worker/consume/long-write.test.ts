import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { LIMITS } from '../../../contract/limits.ts'
import { TOPICS } from '../../../contract/log/topics.ts'
import { createTestDatabase } from '../../../tests/lib/database.ts'
import { countTotals, rawRecord } from '../../../tests/lib/records.ts'
import { createPostgresLog } from '../../log/postgres/postgres-log.ts'
import { createWorker } from '../worker.ts'

test('a worker whose write takes longer than a lease keeps its partitions when another worker joins', async () => {
  const database = await createTestDatabase()
  onTestFinished(() => database.drop())
  const one = async (sql: string) => (await database.pool.query(sql)).rows[0]
  await database.pool.query("INSERT INTO tenant (slug) VALUES ('default')")
  const log = await createPostgresLog({ url: database.url })
  onTestFinished(() => log.close())
  const errors: string[] = []
  const start = () => {
    const onLog = (_: object, text: string) => errors.push(text)
    const logger = { info() {}, warn: onLog, error: onLog }
    const stop = new AbortController()
    const running = createWorker({ databaseUrl: database.url, log, logger }).run(stop.signal)
    onTestFinished(() => {
      stop.abort()
      return running
    })
  }
  const shares = async () => {
    const { rows } = await database.pool.query(
      'SELECT count(*)::int FROM log_lease WHERE worker_id IS NOT NULL GROUP BY worker_id ORDER BY 1',
    )
    return rows.map(({ count }) => count)
  }
  const writes = (more: string) =>
    one(
      `SELECT count(*)::int AS n FROM pg_stat_activity
        WHERE datname = current_database() AND application_name LIKE 'sluice worker consumer%' ${more}`,
    )

  start()
  await expect.poll(shares).toEqual([6])
  const slow = new pg.Client({ connectionString: database.url })
  await slow.connect()
  onTestFinished(() => slow.end())
  await slow.query('BEGIN; LOCK rollup_15m IN ACCESS EXCLUSIVE MODE')
  await log.append(
    TOPICS.raw.name,
    Array.from({ length: 60 }, (_, i) => ({ ...rawRecord(), partition: i % 6 })),
  )
  await expect.poll(() => writes("AND wait_event_type = 'Lock'")).toEqual({ n: 2 })
  start()
  const longer = `AND xact_start < clock_timestamp() - interval '${LIMITS.workerLeaseMs + 2_000} ms'`
  await expect.poll(() => writes(longer), { timeout: 25_000 }).toEqual({ n: 2 })
  // The first one has all still, and its heartbeat continues; the second one has none.
  expect(await shares()).toEqual([6])
  expect(
    await one(`SELECT max(age(clock_timestamp(), beat_at)) < '${LIMITS.workerLeaseMs} ms' AS alive,
                      count(*)::int AS workers FROM worker_heartbeat`),
  ).toEqual({ alive: true, workers: 2 })
  await slow.query('COMMIT')
  await expect.poll(() => countTotals(database.pool).then(({ stored }) => stored)).toBe(60)
  await expect.poll(shares).toEqual([3, 3])
  expect(await countTotals(database.pool)).toMatchObject({
    duplicates: 0,
    dead: 0,
    wrongRollups: 0,
  })
  expect(errors).toEqual([])
}, 60_000)
