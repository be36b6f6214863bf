import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { TOPICS } from '../../../contract/log/topics.ts'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { rawRecord } from '../../../tests/lib/records.ts'
import { createDatabase, type Database } from '../../db/database.ts'
import type { Log } from '../../log/log.ts'
import { createPostgresLog } from '../../log/postgres/postgres-log.ts'
import { declareMetric, retireMetric } from '../../metrics/declare-metric.ts'
import { parseMetricDefinition } from '../../metrics/metric-definition.ts'
import {
  activeMetric,
  countedByMetric,
  isBackfilled,
  recountOfMetric,
} from '../../metrics/testing/recount.ts'
import { connect, disconnect } from '../consume/connection.ts'
import { replay } from '../replay/replay.ts'
import { createWorker } from '../worker.ts'
import {
  ActivatedMeanwhileError,
  advancePositions,
  holdPositions,
  readPositions,
} from './positions.ts'

const quiet = { info() {}, warn() {}, error() {} }
const DAY_MS = 86_400_000

let database: TestDatabase
let db: Database
let log: Log
let tenantId: number
beforeAll(async () => {
  database = await createTestDatabase()
  db = createDatabase(database.url, { max: 2 })
  const { rows } = await database.pool.query(
    "INSERT INTO tenant (slug) VALUES ('default') RETURNING tenant_id",
  )
  tenantId = rows[0].tenant_id
  log = await createPostgresLog({ url: database.url })
})
afterAll(async () => {
  await log?.close()
  await db?.destroy()
  await database?.drop()
})

let stops: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const stop of stops) await stop()
  stops = []
})

function startWorker() {
  const stop = new AbortController()
  const running = createWorker({
    databaseUrl: database.url,
    log,
    logger: quiet,
    concurrency: 1,
  }).run(stop.signal)
  stops.push(async () => {
    stop.abort()
    await running
  })
}

const declare = (definition: object) =>
  declareMetric(db, tenantId, parseMetricDefinition(definition), { kind: 'cli' })

let sent = 0
function orders(count: number, fields: (i: number) => object = () => ({})) {
  return Array.from({ length: count }, () => {
    const i = sent++
    return rawRecord({
      name: i % 3 === 0 ? 'refund' : 'order',
      event_id: `e-${i % 50 === 7 ? i - 1 : i}`,
      actor: `a-${i % 40}`,
      source: i % 4 === 0 ? undefined : `s-${i % 4}`,
      value: i / 7,
      properties: { plan: ['free', 'pro', 'team'][i % 3], cart: { total: (i % 11) + 0.25 } },
      occurred_at: new Date(Date.now() - (i % 5) * 600_000).toISOString(),
      ...fields(i),
    })
  })
}

async function applied(): Promise<void> {
  const ends = await log.offsets(TOPICS.raw.name)
  const end = ends.reduce((sum, { lastStableOffset }) => sum + lastStableOffset, 0)
  await expect
    .poll(
      async () =>
        (await database.pool.query('SELECT sum(next_offset)::int AS n FROM log_position')).rows[0]
          .n,
      { timeout: 30_000 },
    )
    .toBe(end)
}

async function backfilled(): Promise<void> {
  await expect.poll(() => isBackfilled(database.pool), { timeout: 30_000 }).toBe(true)
}

async function expectRecount(name: string): Promise<number> {
  const metric = await activeMetric(database.pool, name)
  const counted = await countedByMetric(database.pool, metric)
  expect(counted).toEqual(await recountOfMetric(database.pool, metric))
  return Object.values(counted).reduce((sum, { count }) => sum + count, 0)
}

test('a metric that is declared while two workers write counts every event once, before and after', async () => {
  startWorker()
  startWorker()
  let stored = 0
  const countStored = async () => {
    stored = (await database.pool.query('SELECT count(*)::int AS n FROM event')).rows[0].n
    return stored
  }
  const writing = (async () => {
    // The second half comes when the first is stored in part, and the metric is declared between the two.
    for (let i = 0; i < 40; i++) {
      if (i === 20) await vi.waitUntil(() => stored > 500, { timeout: 20_000 })
      await log.append(TOPICS.raw.name, orders(100))
    }
  })()
  await expect.poll(countStored, { timeout: 20_000, interval: 10 }).toBeGreaterThan(500)
  await declare({
    name: 'sales',
    events: ['order', 'refund'],
    filter: { plan: ['pro', 'team'] },
    value: 'cart.total',
    dimensions: ['source', 'name'],
  })
  await declare({ name: 'all', dimensions: ['plan'] })
  await writing
  await applied()
  await backfilled()
  expect(await expectRecount('sales')).toBeGreaterThan(1_000)
  expect(await expectRecount('all')).toBe(
    (await database.pool.query('SELECT count(*)::int AS n FROM event')).rows[0].n,
  )
  const { rows } = await database.pool.query(
    'SELECT backfilled, sum(count)::int AS n FROM metric_rollup_15m GROUP BY 1',
  )
  // Both have counted, or the test shows nothing.
  expect(rows).toHaveLength(2)
}, 90_000)

test('a replay counts what it stores, and nothing twice', async () => {
  startWorker()
  await applied()
  await backfilled()
  const before = await expectRecount('all')
  const { rowCount } = await database.pool.query(
    "WITH lost AS (DELETE FROM event WHERE actor = 'a-1' RETURNING 1) SELECT FROM lost",
  )
  expect(rowCount).toBeGreaterThan(10)
  const ranges = (await log.offsets(TOPICS.raw.name)).map(
    ({ partition, lastStableOffset: to }) => ({
      partition,
      from: 0,
      to,
    }),
  )
  const again = () =>
    replay({ databaseUrl: database.url, log, ranges, signal: AbortSignal.timeout(30_000) })
  expect(await again()).toMatchObject({ stored: rowCount })
  expect(await again()).toMatchObject({ stored: 0 })
  const { rows } = await database.pool.query(
    "SELECT sum(r.count)::int AS n FROM metric_rollup_15m r JOIN metric_series s USING (series_id) JOIN metric_definition d USING (metric_id) WHERE d.name = 'all'",
  )
  // The events had been counted before they were deleted by hand, and were stored again.
  expect(rows[0].n).toBe(before + (rowCount ?? 0))
}, 60_000)

test('a changed definition is a new version that is counted from the beginning, and the same one is not', async () => {
  startWorker()
  const definition = { name: 'changing', events: 'order', dimensions: ['plan'] }
  expect(await declare(definition)).toMatchObject({ version: 1, activated: true })
  expect(await declare(definition)).toMatchObject({ version: 1, activated: false })
  expect(await declare({ ...definition, dimensions: ['source'] })).toMatchObject({ version: 2 })
  await log.append(TOPICS.raw.name, orders(200))
  await applied()
  await backfilled()
  const version2 = await expectRecount('changing')
  expect(version2).toBeGreaterThan(1_000)
  expect(await retireMetric(db, tenantId, 'changing', { kind: 'cli' })).toBeGreaterThan(0)
  expect(await retireMetric(db, tenantId, 'changing', { kind: 'cli' })).toBeUndefined()
  expect(await declare(definition)).toMatchObject({ version: 3 })
  await backfilled()
  expect(await expectRecount('changing')).toBe(version2)
}, 60_000)

test('an event that comes after its bucket was final is counted and marked in the metric, as for names', async () => {
  startWorker()
  await declare({ name: 'late', events: ['tick'] })
  await database.pool.query('UPDATE tenant SET allowed_lateness_s = 60')
  const at = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString()
  await log.append(TOPICS.raw.name, [
    ...Array.from({ length: 200 }, () => rawRecord({ name: 'tick' })),
    rawRecord({ name: 'tick', occurred_at: at(180) }),
  ])
  await applied()
  await log.append(TOPICS.raw.name, [
    rawRecord({ name: 'tick', occurred_at: at(180) }),
    rawRecord({ name: 'tick', occurred_at: at(3 * 1440), historical: true }),
  ])
  await applied()
  const marks = (from: string) =>
    database.pool.query(
      `SELECT sum(count)::int AS n, sum(late_count)::int AS late, count(revised_at)::int AS revised FROM ${from}`,
    )
  const metric = await marks(
    "metric_rollup_15m r JOIN metric_series s USING (series_id) JOIN metric_definition d USING (metric_id) WHERE d.name = 'late'",
  )
  const name = await marks(
    "rollup_15m r JOIN series s USING (tenant_id, series_id) WHERE s.metric = 'tick'",
  )
  expect(metric.rows[0]).toEqual(name.rows[0])
  expect(name.rows[0].late).toBeGreaterThan(0)
  expect(name.rows[0].revised).toBeGreaterThan(1)
}, 60_000)

test('combinations beyond the limit are counted under one series, by two workers too', async () => {
  startWorker()
  startWorker()
  await declare({ name: 'many', events: ['visit'], dimensions: ['page', 'referrer.host'] })
  const pages = (round: number) =>
    Array.from({ length: 1_500 }, (_, i) =>
      rawRecord({
        name: 'visit',
        event_id: `v-${round}-${i}`,
        properties: { page: `/${(i * 7 + round) % 1_700}`, referrer: { host: i % 2 ? 'a' : null } },
      }),
    )
  for (let round = 0; round < 3; round++) await log.append(TOPICS.raw.name, pages(round))
  await applied()
  const metric = await activeMetric(database.pool, 'many')
  const { rows } = await database.pool.query(
    `SELECT count(*) FILTER (WHERE dims IS NOT NULL)::int AS own, count(*) FILTER (WHERE dims IS NULL)::int AS shared
       FROM metric_series WHERE metric_id = $1`,
    [metric.metricId],
  )
  expect(rows[0]).toEqual({ own: 1_000, shared: 1 })
  const counted = await countedByMetric(database.pool, metric)
  const total = Object.values(counted).reduce((sum, { count }) => sum + count, 0)
  expect(total).toBe(4_500)
  const shared = Object.entries(counted).filter(([key]) => key.endsWith(' null'))
  expect(shared.reduce((sum, [, { count }]) => sum + count, 0)).toBeGreaterThan(500)
}, 60_000)

test('a worker of a former version writes nothing once metrics are declared', async () => {
  await declare({ name: 'first' })
  const move = 'UPDATE log_position SET next_offset = next_offset + 1 WHERE partition = 0'
  await expect(database.pool.query(move)).rejects.toMatchObject({ code: '42501' })
})

test('events of old days are counted by the backfill, whatever day they arrived on', async () => {
  startWorker()
  const received_at = new Date(Date.now() - 2 * DAY_MS).toISOString()
  await log.append(
    TOPICS.raw.name,
    orders(300, () => ({ name: 'old', received_at, occurred_at: received_at })),
  )
  await applied()
  await declare({ name: 'olds', events: ['old'], value: 'value', dimensions: ['source', 'plan'] })
  await backfilled()
  expect(await expectRecount('olds')).toBeGreaterThan(250)
}, 60_000)

test('a batch that began before an activation, and waited for it, begins again', async () => {
  const topic = TOPICS.raw.name
  const execute = (sql: string, values: unknown[]) => database.pool.query(sql, values)
  const offset = (await readPositions(execute, topic)).get(0) as number
  const run = { partition: 0, baseOffset: offset, nextOffset: offset, records: [] }
  const client = await connect(database.url, 'test')
  const activation = await database.pool.connect()
  try {
    for (const take of [advancePositions, holdPositions]) {
      const begin = () => take(client, topic, { partitions: [run], recordCount: 0 }, [tenantId])
      await activation.query('BEGIN; LOCK TABLE log_position IN EXCLUSIVE MODE')
      const waiting = begin()
      waiting.catch(() => {})
      const waits = `SELECT FROM pg_locks WHERE relation = 'log_position'::regclass AND NOT granted`
      await expect.poll(async () => (await database.pool.query(waits)).rowCount).toBe(1)
      await activation.query('UPDATE tenant SET metrics_activated_at = clock_timestamp(); COMMIT')
      await expect(waiting).rejects.toBeInstanceOf(ActivatedMeanwhileError)
      await begin()
      await client.query('ROLLBACK')
    }
  } finally {
    activation.release()
    await disconnect(client)
  }
})

test('while the clock of Postgres is behind what was written, no metric is activated', async () => {
  const move = (by: string) =>
    database.pool.query(`UPDATE log_position SET written_at = now() ${by} WHERE partition = 0`)
  await move("+ interval '1 hour'")
  await expect(declare({ name: 'early' })).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  await move('')
  expect(await declare({ name: 'early' })).toMatchObject({ activated: true })
})
