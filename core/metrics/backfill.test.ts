import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../tests/lib/database.ts'
import { createDatabase, type Database } from '../db/database.ts'
import { createPartitions, DAY_MS, DAYS } from '../db/partitions.ts'
import { ageMetrics } from '../worker/maintenance/age-metrics.ts'
import { createBackfill } from './backfill.ts'
import { declareMetric, retireMetric } from './declare-metric.ts'
import { parseMetricDefinition } from './metric-definition.ts'
import { METRIC_LIMITS } from './metric-limits.ts'
import { admitMetricSeries } from './metric-series.ts'
import { activeMetric, countedByMetric, isBackfilled, recountOfMetric } from './testing/recount.ts'

let database: TestDatabase
let db: Database
let tenantId: number
const today = Math.floor(Date.now() / DAY_MS)
const DAY_COUNT = 5
beforeAll(async () => {
  database = await createTestDatabase()
  db = createDatabase(database.url, { max: 2 })
  const { pool } = database
  pool.on('connect', (client) => client.on('error', () => {}))
  const { rows } = await pool.query(
    "INSERT INTO tenant (slug, created_at) VALUES ('default', now() - interval '1 year') RETURNING tenant_id",
  )
  tenantId = rows[0].tenant_id
  const days = createPartitions({ pool, table: 'event', unit: DAYS, isCompact: true })
  await days.ensure(Array.from({ length: DAY_COUNT }, (_, i) => today - i))
  await pool.query(
    `INSERT INTO event (tenant_id, event_id, received_on, received_at, occurred_at, name, source, value, properties, log_partition, log_offset)
     SELECT $1, gen_random_uuid(), (at AT TIME ZONE 'UTC')::date, at, at - make_interval(mins => i % 300), 'order', 's-' || i % 3, i, '{}', 0, i
       FROM generate_series(1, 2000) i
      CROSS JOIN LATERAL (SELECT to_timestamp($2::float8 * 86400) - make_interval(hours => i % (24 * ($3::int - 1)), secs => i % 3600) AS at) t`,
    [tenantId, today + 0.01, DAY_COUNT],
  )
})
afterAll(async () => {
  await db?.destroy()
  await database?.drop()
})

const never = new AbortController().signal
const declare = (definition: object) =>
  declareMetric(db, tenantId, parseMetricDefinition(definition), { kind: 'cli' })
const progress = async () =>
  (
    await database.pool.query(
      'SELECT count(completed_at)::int AS done, count(*)::int AS total, sum(b.events)::int AS events FROM metric_backfill b JOIN metric_definition d USING (metric_id) WHERE d.retired_at IS NULL',
    )
  ).rows[0]

test('a backfill that dies between two days, or within one, goes on where it was and counts nothing twice', async () => {
  await declare({ name: 'sales', events: ['order'], dimensions: ['source'] })
  const metric = await activeMetric(database.pool, 'sales')
  const first = createBackfill(database.pool, never)
  for (let step = 0; step < 3; step++) expect(await first.step()).toBe('done')
  const { done, total } = await progress()
  expect(done).toBe(3)
  expect(done).toBeLessThan(total)
  // The connection is cut after the rows are written and before the commit.
  await database.pool.query(`
    CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$;
    CREATE TRIGGER die BEFORE UPDATE ON metric_backfill FOR EACH ROW EXECUTE FUNCTION die()`)
  await expect(first.step()).rejects.toThrow()
  await database.pool.query('DROP TRIGGER die ON metric_backfill')
  expect(await progress()).toMatchObject({ done: 3 })

  const second = createBackfill(database.pool, never)
  while ((await second.step()) === 'done');
  expect(await isBackfilled(database.pool)).toBe(true)
  expect(await progress()).toMatchObject({ done: total, events: 2_000 })
  expect(await countedByMetric(database.pool, metric)).toEqual(
    await recountOfMetric(database.pool, metric),
  )
  expect(await second.step()).toBe('idle')
})

test('events that are stored after the activation are not in the backfill', async () => {
  await declare({ name: 'sales', events: ['order'] })
  await database.pool.query(
    `INSERT INTO event (tenant_id, event_id, received_on, received_at, occurred_at, name, properties, log_partition, log_offset)
     SELECT $1, gen_random_uuid(), current_date - 1, current_date - interval '1 hour', current_date - interval '1 hour', 'order', '{}', 0, i
       FROM generate_series(1, 10) i`,
    [tenantId],
  )
  const backfill = createBackfill(database.pool, never)
  while ((await backfill.step()) === 'done');
  expect(await progress()).toMatchObject({ events: 2_000 })
})

test('two workers never count a part together, and one that is stopped reports it', async () => {
  await declare({ name: 'pair', events: ['order'] })
  const steps = await Promise.all(
    Array.from({ length: 6 }, () => createBackfill(database.pool, never).step()),
  )
  expect(steps).toContain('done')
  const backfill = createBackfill(database.pool, never)
  while ((await backfill.step()) === 'done');
  const metric = await activeMetric(database.pool, 'pair')
  const counted = Object.values(await countedByMetric(database.pool, metric))
  expect(counted.reduce((sum, { count }) => sum + count, 0)).toBe(2_010)
  expect(await createBackfill(database.pool, AbortSignal.abort()).step()).toBe('cancelled')
})

test('a metric is complete from the day after the last one that was dropped before it was counted', async () => {
  await declare({ name: 'dropped', events: ['order'] })
  await database.pool.query(`DROP TABLE event_${DAYS.suffixOf(today - DAY_COUNT + 1)}`)
  const backfill = createBackfill(database.pool, never)
  while ((await backfill.step()) === 'done');
  const { rows } = await database.pool.query(
    "SELECT complete_since FROM metric_definition WHERE name = 'dropped'",
  )
  const next = Date.parse(DAYS.startOf(today - DAY_COUNT + 2)) + 5 * 60_000
  expect(rows[0].complete_since.getTime()).toBe(next)
  expect(await isBackfilled(database.pool)).toBe(true)
})

test('a combination without events for a month leaves its place, and gets it back with its former numbers', async () => {
  const { metricId } = await declare({ name: 'ageing', events: ['nothing'], dimensions: ['page'] })
  const execute = (sql: string, values: unknown[]) => database.pool.query(sql, values)
  const admit = (...pages: (string | null)[]) =>
    admitMetricSeries(
      execute,
      { tenantId, metricId },
      pages.map((page) => [page]),
      2,
    )
  const [a, b, c] = await admit('a', null, 'c')
  expect([a, b, c].map((series) => series?.isShared)).toEqual([false, false, true])
  expect(await admit('c', 'a')).toEqual([c, a])
  for (const [days, metricSeriesRetired] of [
    [30, 0],
    [31, 1],
  ]) {
    await database.pool.query(
      `UPDATE metric_series SET last_used_on = (now() AT TIME ZONE 'UTC')::date - $1::int WHERE series_id = $2`,
      [days, a?.id],
    )
    expect(await ageMetrics(database.pool)).toMatchObject({ metricSeriesRetired })
  }
  const [again] = await admit('c')
  expect(again?.isShared).toBe(false)
  expect((await admit('a'))[0]).toEqual(c)
  await database.pool.query('UPDATE metric_series SET last_used_on = current_date - 31')
  await ageMetrics(database.pool)
  expect(await admit('a')).toEqual([a])
})

test('what a retired version counted is deleted after an hour, and nothing else', async () => {
  await declare({ name: 'short', events: ['order'], dimensions: ['source'] })
  const metric = await activeMetric(database.pool, 'short')
  const backfill = createBackfill(database.pool, never)
  while ((await backfill.step()) === 'done');
  await retireMetric(db, tenantId, 'short', { kind: 'cli' })
  const rows = async () => Object.keys(await countedByMetric(database.pool, metric)).length
  await ageMetrics(database.pool)
  expect(await rows()).toBeGreaterThan(100)
  await database.pool.query(
    "UPDATE metric_definition SET retired_at = now() - interval '2 hours' WHERE metric_id = $1",
    [metric.metricId],
  )
  await ageMetrics(database.pool)
  expect(await rows()).toBe(0)
  const pair = await activeMetric(database.pool, 'pair')
  expect(Object.keys(await countedByMetric(database.pool, pair)).length).toBeGreaterThan(100)
})

test('tenants take turns, and a metric whose part fails is left out for a while and stops no other one', async () => {
  const { pool } = database
  const { rows } = await pool.query(
    "INSERT INTO tenant (slug, created_at) VALUES ('second', now() - interval '1 year') RETURNING tenant_id",
  )
  const { metricId: failing } = await declare({ name: 'failing', events: ['order'] })
  const { metricId: second } = await declare({ name: 'second', events: ['order'] })
  const other = await declareMetric(
    db,
    rows[0].tenant_id,
    parseMetricDefinition({ name: 'theirs' }),
    { kind: 'cli' },
  )
  const left = async () => {
    const { rows } = await pool.query(
      'SELECT metric_id AS id, count(*)::int AS days FROM metric_backfill WHERE completed_at IS NULL GROUP BY 1',
    )
    return Object.fromEntries(rows.map(({ id, days }) => [id, days]))
  }
  const total = (await left())[failing]
  let nowMs = 0
  const backfill = createBackfill(pool, never, () => nowMs)
  for (let step = 0; step < 4; step++) expect(await backfill.step()).toBe('done')
  expect(await left()).toEqual({
    ...{ [failing]: total - 1, [second]: total - 1 },
    [other.metricId]: total - 2,
  })
  await pool.query(`
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused'; END $$;
    CREATE TRIGGER refuse BEFORE UPDATE ON metric_backfill FOR EACH ROW WHEN (NEW.metric_id = ${failing}) EXECUTE FUNCTION refuse()`)
  await expect(backfill.step()).rejects.toThrow('refused')
  while ((await backfill.step()) === 'done');
  expect(await left()).toEqual({ [failing]: total - 1 })
  await pool.query('DROP TRIGGER refuse ON metric_backfill')
  nowMs += METRIC_LIMITS.backfillFailedMs
  while ((await backfill.step()) === 'done');
  expect(await left()).toEqual({})
})
