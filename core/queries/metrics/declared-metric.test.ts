import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { TOPICS } from '../../../contract/log/topics.ts'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { rawRecord } from '../../../tests/lib/records.ts'
import { createDatabase, type Database } from '../../db/database.ts'
import { watermarkSql } from '../../db/watermark.ts'
import { type TenantViewer, tenantViewer } from '../../identity/viewer.ts'
import { createPostgresLog } from '../../log/postgres/postgres-log.ts'
import { declareMetric } from '../../metrics/declare-metric.ts'
import { parseMetricDefinition } from '../../metrics/metric-definition.ts'
import { isBackfilled } from '../../metrics/testing/recount.ts'
import { createWorker } from '../../worker/worker.ts'
import { contributions } from '../explore/contributions.ts'
import { topValues } from '../explore/top-values.ts'
import { compareMetrics, dependenciesOf } from './compare-metrics.ts'
import { eventsOverTime, type MetricsResult } from './events-over-time.ts'
import { metricRatio } from './metric-ratio.ts'
import type { MetricsInput } from './metrics-args.ts'

const quiet = { info() {}, warn() {}, error() {} }
const DAY_MS = 86_400_000
const NOW = Math.floor(Date.now() / 900_000) * 900_000
/** Whole days, and a range that cuts 15-minute buckets at both ends. */
const RANGES = [
  {
    startTime: new Date(NOW - 4 * DAY_MS).toISOString(),
    endTime: new Date(NOW + 900_000).toISOString(),
  },
  {
    startTime: new Date(NOW - 2.3 * DAY_MS + 61_001).toISOString(),
    endTime: new Date(NOW - 3_601_001).toISOString(),
  },
]

let database: TestDatabase
let db: Database
let viewer: TenantViewer
let stop: () => Promise<void>
beforeAll(async () => {
  database = await createTestDatabase()
  db = createDatabase(database.url, { max: 4 })
  await database.pool.query("INSERT INTO tenant (slug) VALUES ('default')")
  viewer = await tenantViewer(db, { kind: 'SESSION' }, 'default')
  const log = await createPostgresLog({ url: database.url })
  const ended = new AbortController()
  const running = createWorker({ databaseUrl: database.url, log, logger: quiet }).run(ended.signal)
  stop = async () => {
    ended.abort()
    await running
    await log.close()
  }
  const events = (from: number) =>
    Array.from({ length: 1_500 }, (_, n) => {
      const i = from + n
      return rawRecord({
        name: i % 5 === 0 ? 'refund' : 'order',
        actor: `a-${i % 70}`,
        source: i % 6 === 0 ? undefined : `s-${i % 3}`,
        value: i % 9 === 0 ? undefined : i / 3,
        properties: {
          plan: ['free', 'pro', 'team', 7e-7, true, null, { b: [1, 2e22], aa: 'x' }][i % 7],
          cart: { total: i % 8 === 0 ? 'none' : (i % 13) + 0.5, list: [1, i % 4] },
          page: `/${i % 1_200}`,
        },
        occurred_at: new Date(NOW - ((i * 791_993) % (3.9 * DAY_MS)) - (i % 1000)).toISOString(),
      })
    })
  const declare = (definition: object) =>
    declareMetric(db, viewer.tenantId, parseMetricDefinition(definition), { kind: 'cli' })
  await log.append(TOPICS.raw.name, events(0))
  await declare({
    name: 'sales',
    value: 'cart.total',
    dimensions: ['source', 'plan', 'cart.list.1', 'name'],
  })
  await declare({
    name: 'paid',
    events: 'order',
    filter: { plan: ['pro', '0.0000007', 'true'] },
    dimensions: ['source'],
  })
  await declare({ name: 'plain', events: ['order'] })
  await declare({ name: 'pages', dimensions: ['page'] })
  await log.append(TOPICS.raw.name, events(1_500))
  const stored = async () =>
    (await database.pool.query('SELECT count(*)::int AS n FROM event')).rows[0].n === 3_000
  await vi.waitUntil(stored, { timeout: 30_000 })
  await vi.waitUntil(() => isBackfilled(database.pool), { timeout: 30_000 })
}, 90_000)
afterAll(async () => {
  await stop?.()
  await db?.destroy()
  await database?.drop()
})

const query = (
  input: Omit<MetricsInput, 'startTime' | 'endTime'>,
  range = RANGES[0],
  onlyRaw = false,
) => eventsOverTime(db, viewer, { ...(range as (typeof RANGES)[0]), ...input }, { onlyRaw })

/** Without how precise doubles are added, and which of equal groups comes first. */
function values(result: Awaited<ReturnType<typeof query>>) {
  return result.rows
    .map(
      ({ timestamp, value, dimensions }) =>
        `${timestamp} ${JSON.stringify(dimensions)} ${value.toPrecision(9)}`,
    )
    .sort()
}
const total = (result: Awaited<ReturnType<typeof query>>) =>
  result.rows.reduce((sum, { value }) => sum + value, 0)

describe.each(['UTC', 'Australia/Lord_Howe', 'Asia/Kathmandu'])('in the zone %s', (timeZone) => {
  test.each(RANGES)(
    'a metric by rollups equals its recount from single events (%o)',
    async (range) => {
      const queries: Omit<MetricsInput, 'startTime' | 'endTime'>[] = [
        { name: 'sales', interval: 'DAY' },
        { name: 'sales', interval: 'DAY', aggregate: 'SUM', groupBy: ['plan'] },
        {
          name: 'sales',
          interval: 'HOUR',
          aggregate: 'AVG',
          filter: [{ dimension: 'name', in: ['refund'] }],
        },
        { name: 'sales', interval: 'DAY', aggregate: 'MAX', groupBy: ['cart.list.1', 'source'] },
        {
          name: 'sales',
          interval: 'TOTAL',
          aggregate: 'MIN',
          filter: [
            { dimension: 'source', in: ['s-1', 's-2'] },
            { dimension: 'plan', in: ['pro', '{"b": [1, 20000000000000000000000], "aa": "x"}'] },
          ],
        },
        { name: 'paid', interval: 'DAY', groupBy: ['source'] },
        { name: 'paid', interval: 'QUARTER_HOUR', aggregate: 'SUM' },
        { name: 'plain', interval: 'DAY', aggregate: 'AVG' },
      ]
      for (const each of queries) {
        const result = await query({ ...each, timeZone }, range)
        expect(result.source).toBe(range === RANGES[0] ? 'rollup' : 'rollup+raw')
        expect(result.rows.length).toBeGreaterThan(0)
        expect(values(result)).toEqual(values(await query({ ...each, timeZone }, range, true)))
      }
    },
  )
})

test('the parts of a metric sum to the whole, and a filter with its complement', async () => {
  const whole = total(await query({ name: 'sales', interval: 'DAY' }))
  expect(whole).toBe(3_000)
  expect(total(await query({ name: 'sales', interval: 'DAY', groupBy: ['plan', 'source'] }))).toBe(
    whole,
  )
  const plans = await query({ name: 'sales', interval: 'TOTAL', groupBy: ['source'] })
  const named = plans.rows.flatMap(({ dimensions: { source } }) => source ?? [])
  const one = await query({
    name: 'sales',
    interval: 'TOTAL',
    filter: [{ dimension: 'source', in: named.slice(0, 1) }],
  })
  const others = await query({
    name: 'sales',
    interval: 'TOTAL',
    filter: [{ dimension: 'source', in: named.slice(1) }],
  })
  const without = plans.rows.find(({ dimensions }) => dimensions.source === null)?.value ?? 0
  expect(total(one) + total(others) + without).toBe(whole)
})

test('what rollups do not hold is counted from the events of the metric', async () => {
  const uniques = await query({ name: 'paid', interval: 'TOTAL', aggregate: 'UNIQUES' })
  expect(uniques).toMatchObject({
    source: 'raw',
    info: { definition: { metric: 'paid', kind: 'metric', version: 1 } },
  })
  const { rows } = await database.pool.query(
    `SELECT count(DISTINCT actor)::int AS actors, count(*)::int AS n FROM event
      WHERE name = 'order' AND properties ->> 'plan' IN ('pro', '0.0000007', 'true')`,
  )
  expect(uniques.rows[0]?.value).toBe(rows[0].actors)
  const byPage = await query({ name: 'paid', interval: 'TOTAL', groupBy: ['page'] })
  expect(byPage.source).toBe('raw')
  expect(total(byPage)).toBe(rows[0].n)
  const median = await query({ name: 'sales', interval: 'TOTAL', aggregate: 'P50' })
  expect(median.rows[0]?.value).toBeLessThan(13)
})

test('combinations beyond the limit are counted as (other), the result says so, and a filter is exact all the same', async () => {
  const byPage = await query({ name: 'pages', interval: 'TOTAL', groupBy: ['page'] })
  expect(byPage).toMatchObject({
    source: 'rollup',
    info: { seriesLimit: 1_000, groups: { found: 1_001 } },
  })
  expect(total(byPage)).toBe(3_000)
  const filtered = await query({
    name: 'pages',
    interval: 'TOTAL',
    filter: [{ dimension: 'page', in: ['/1150'] }],
  })
  expect(filtered).toMatchObject({ source: 'raw', rows: [{ value: 2 }] })
  expect((await query({ name: 'pages', interval: 'TOTAL' })).rows[0]?.value).toBe(3_000)
})

type Input = Omit<MetricsInput, 'startTime' | 'endTime'>
const onPlan = (...plans: (string | null)[]) => ({ dimension: 'plan', in: plans })
const [WHOLE, CUT] = RANGES as [(typeof RANGES)[0], (typeof RANGES)[0]]

describe('a query of event names is answered by a declared metric that covers it', () => {
  const PAID = onPlan('pro', '0.0000007', 'true')
  test.each<[Input]>([
    [{ name: '*', interval: 'DAY', filter: [onPlan('pro', 'team')] }],
    [{ name: '*', interval: 'HOUR', filter: [onPlan('pro', null)], groupBy: ['source', 'name'] }],
    [{ name: 'refund', interval: 'DAY', groupBy: ['cart.list.1'] }],
    // By the filter of the metric, with its own values or fewer; with "value" as that of the metric.
    [{ name: 'order', interval: 'DAY', aggregate: 'SUM', filter: [PAID], groupBy: ['source'] }],
    [{ name: 'order', interval: 'DAY', filter: [onPlan('pro')] }],
  ])('%j', async (input) => {
    for (const [range, source] of [
      [WHOLE, 'rollup'],
      [CUT, 'rollup+raw'],
    ] as const)
      for (const timeZone of ['UTC', 'Asia/Kathmandu']) {
        const result = await query({ ...input, timeZone }, range)
        expect(result).toMatchObject({
          source,
          info: { definition: { kind: 'event', version: 1 } },
        })
        const raw = await query({ ...input, timeZone }, range, true)
        expect(raw.source).toBe('raw')
        expect(raw.rows.length).toBeGreaterThan(0)
        expect(values(result)).toEqual(values(raw))
        expect(result.info.queryId).toBe(raw.info.queryId)
      }
  })

  test.each<[string, Input]>([
    [
      'other values of its filter',
      { name: 'order', aggregate: 'SUM', filter: [onPlan('pro', 'team')] },
    ],
    [
      'another filter alone',
      { name: 'order', aggregate: 'SUM', filter: [{ dimension: 'source', in: ['s-1'] }] },
    ],
    [
      'events without the dimension of its filter',
      { name: 'order', aggregate: 'SUM', filter: [onPlan('pro', null)] },
    ],
    ['another value', { name: '*', aggregate: 'SUM', groupBy: ['plan'] }],
    ['other events', { name: 'refund', aggregate: 'SUM', filter: [PAID] }],
    ['a dimension that it does not have', { name: 'order', groupBy: ['cart.total'] }],
    ['combinations that are counted together', { name: '*', groupBy: ['page'] }],
    ['minutes', { name: '*', groupBy: ['plan'], interval: 'MINUTE' }],
    ['distinct actors', { name: '*', groupBy: ['plan'], aggregate: 'UNIQUES' }],
  ])('but for %s', async (_, input) => {
    const range = { startTime: new Date(NOW - 6 * 3_600_000).toISOString(), endTime: WHOLE.endTime }
    if (input.interval === 'MINUTE') range.endTime = new Date(NOW).toISOString()
    expect((await query({ interval: 'TOTAL', ...input }, range)).source).toBe('raw')
  })

  test('not while its history is counted, nor for a range that began before', async () => {
    const input: Input = { name: '*', interval: 'DAY', groupBy: ['plan'] }
    const where = "WHERE name = 'sales' AND retired_at IS NULL"
    const since = async (at: string) => {
      await database.pool.query(`UPDATE metric_definition SET complete_since = $1 ${where}`, [at])
      return (await query(input)).source
    }
    expect(await since(WHOLE.startTime)).toBe('rollup')
    expect(await since(new Date(Date.parse(WHOLE.startTime) + 1).toISOString())).toBe('raw')
    await database.pool.query(`UPDATE metric_definition SET complete_since = NULL ${where}`)
    // Rolled back: a worker goes on with what is open.
    const open = db.transaction().execute(async (tx) => {
      await sql`
        INSERT INTO metric_backfill (metric_id, tenant_id, day, done_through)
        SELECT metric_id, tenant_id, current_date, current_date FROM metric_definition
        ON CONFLICT (metric_id, day) DO UPDATE SET completed_at = NULL`.execute(tx)
      const { source } = await eventsOverTime(tx, viewer, { ...WHOLE, ...input })
      throw new Error(source)
    })
    await expect(open).rejects.toThrow('raw')
    expect((await query(input)).source).toBe('rollup')
  })
})

test('compare and ratio, top values and contributions come from metrics with the numbers of single events', async () => {
  const before = { previousStart: CUT.startTime, previousEnd: CUT.endTime }
  const all = async () => {
    const results = []
    for (const name of ['sales', 'paid', '*'])
      for (const [dimension, filter] of [
        ['source', []],
        ['plan', [{ dimension: 'source', in: ['s-1', null] }]],
      ] as const) {
        const input = { name, dimension, filter, ...WHOLE, limit: 3 }
        results.push(await topValues(db, viewer, input))
        for (const aggregate of ['COUNT', 'SUM'] as const)
          results.push(await contributions(db, viewer, { ...input, ...before, aggregate }))
      }
    const filter = [onPlan('pro', 'team')]
    results.push(
      await compareMetrics(db, viewer, { ...WHOLE, ...before, name: '*', interval: 'DAY', filter }),
    )
    const ratio = { numerator: { name: 'paid' }, denominator: { name: 'sales', filter } }
    results.push(await metricRatio(db, viewer, { ...WHOLE, ...ratio, interval: 'DAY' }))
    return results.map(
      ({ rows, source, info: { asOf: _, source: __, rawSince: ___, ...info }, ...rest }) => ({
        source,
        // Sums of doubles depend on their order.
        found: JSON.stringify([rows, info, 'before' in rest && rest.before], (_, value) =>
          typeof value === 'number' ? Number(value.toPrecision(9)) : value,
        ),
      }),
    )
  }
  // Readers see the watermark a moment later, and results have it: it must not move between the two.
  const isSettled = `SELECT ${watermarkSql('o.tenant_id')} = max(w.highest_at) - make_interval(secs => o.allowed_lateness_s) AS settled
                       FROM tenant o JOIN watermark w USING (tenant_id) GROUP BY o.tenant_id`
  await expect
    .poll(async () => (await database.pool.query(isSettled)).rows, { timeout: 20_000 })
    .toEqual([{ settled: true }])
  const fromMetrics = await all()
  // Of what a metric does not have (the plan of "paid", the value of "*"), single events are read in any case.
  expect(fromMetrics.map(({ source }) => source)).toEqual([
    ...['rollup', 'rollup+raw', 'rollup+raw', 'rollup', 'rollup+raw', 'rollup+raw'],
    ...['rollup', 'rollup+raw', 'rollup+raw', 'raw', 'raw', 'raw'],
    ...['rollup', 'rollup+raw', 'raw', 'rollup', 'rollup+raw', 'raw'],
    ...['rollup+raw', 'rollup'],
  ])
  // Without what was counted by series.
  await database.pool.query(
    "UPDATE metric_definition SET dimensions = '{}' WHERE retired_at IS NULL",
  )
  const fromEvents = await all()
  await database.pool.query(
    `UPDATE metric_definition SET dimensions = CASE name WHEN 'sales' THEN '{source,plan,cart.list.1,name}'::text[]
       WHEN 'paid' THEN '{source}' WHEN 'pages' THEN '{page}' ELSE '{}' END WHERE retired_at IS NULL`,
  )
  expect(new Set(fromEvents.slice(0, -1).map(({ source }) => source))).toEqual(new Set(['raw']))
  expect(fromMetrics.map(({ found }) => found)).toEqual(fromEvents.map(({ found }) => found))
})

test('a bucket is not called final before its history is counted, and the result says since when it is complete', async () => {
  await database.pool.query(
    `UPDATE finality SET published_applied_through = now() + interval '1 day'`,
  )
  await database.pool.query("UPDATE tenant SET final_floor = now() - interval '1 hour'")
  const definition = parseMetricDefinition({ name: 'slow', events: 'order' })
  const { metricId } = await declareMetric(db, viewer.tenantId, definition, { kind: 'cli' })
  await expect.poll(() => isBackfilled(database.pool), { timeout: 30_000 }).toBe(true)
  const complete = await query({ name: 'slow', interval: 'DAY' })

  expect(complete.rows[0]).toMatchObject({ isFinal: true })
  expect(complete.info?.completeSince).toBeUndefined()
  // As if retention had dropped the days before yesterday first.
  await database.pool.query(
    "UPDATE metric_definition SET complete_since = current_date - 1 + interval '5 min' WHERE metric_id = $1",
    [metricId],
  )
  const partial = await query({ name: 'slow', interval: 'DAY' })
  expect(partial.rows[0]).toMatchObject({ isFinal: false })
  expect(partial.info).toMatchObject({
    final: false,
    completeSince: expect.stringMatching(/T00:15:00Z$/),
  })
  // A result of two metrics is no more complete than either.
  const empty = parseMetricDefinition({ name: 'empty', events: 'never' })
  await declareMetric(db, viewer.tenantId, empty, { kind: 'cli' })
  await database.pool.query(
    "UPDATE metric_definition SET complete_since = current_date - 1 + interval '5 min' WHERE name = 'empty'",
  )
  const { startTime, endTime } = RANGES[0] as (typeof RANGES)[number]
  const ratio = await metricRatio(db, viewer, {
    numerator: { name: 'empty' },
    denominator: { name: '*' },
    startTime,
    endTime,
    interval: 'DAY',
  })
  expect(ratio.rows[0]).toMatchObject({ numerator: 0, isFinal: false })
  expect(ratio.info.completeSince).toBeDefined()
  // And what is still being counted is never cached.
  const counting = { ...ratio, dependencies: null } as unknown as MetricsResult
  expect(dependenciesOf(complete, counting)).toBeNull()
  expect(dependenciesOf(counting, complete)).toBeNull()
  const finals = partial.rows.filter(({ isFinal }) => isFinal)
  expect(finals.every(({ timestamp }) => timestamp >= (partial.info?.completeSince ?? ''))).toBe(
    true,
  )
})
