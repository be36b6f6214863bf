import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { TOPICS } from '../../../contract/log/topics.ts'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { rawRecord } from '../../../tests/lib/records.ts'
import { createDatabase, type Database } from '../../db/database.ts'
import { type TenantViewer, tenantViewer } from '../../identity/viewer.ts'
import type { Log } from '../../log/log.ts'
import { createPostgresLog } from '../../log/postgres/postgres-log.ts'
import { declareMetric } from '../../metrics/declare-metric.ts'
import { parseMetricDefinition } from '../../metrics/metric-definition.ts'
import { isBackfilled } from '../../metrics/testing/recount.ts'
import { eventsOverTime } from '../../queries/metrics/events-over-time.ts'
import type { MetricsInput } from '../../queries/metrics/metrics-args.ts'
import { rangeTotals } from '../../queries/range-totals.ts'
import { seededRandom } from '../../queries/testing/seeded-random.ts'
import { createSketchDerivation } from '../sketches/derive-sketches.ts'
import { createWorker } from '../worker.ts'

const quiet = { info() {}, warn() {}, error() {} }
const [HOUR_MS, DAY_MS] = [3_600_000, 86_400_000]
const NOW = Math.floor(Date.now() / 900_000) * 900_000
const DAYS = 12
const ZONES = ['UTC', 'Europe/Berlin', 'Asia/Kathmandu', 'Australia/Lord_Howe']

let database: TestDatabase
let db: Database
let viewer: TenantViewer
let log: Log
let stop: () => Promise<void>
let stored = 0
const { int, pick } = seededRandom(7)
const random = () => int(1_000_000) / 1_000_000
const rows = async (text: string) => (await database.pool.query(text)).rows
const derive = () => createSketchDerivation({ pool: database.pool, graceMs: 0 }).run()

function someEvents(count: number, occurredMs: (i: number) => number) {
  return Array.from({ length: count }, (_, i) =>
    rawRecord({
      name: i % 4 === 0 ? 'refund' : 'order',
      actor: `a-${i % 50}`,
      value: i % 7 === 0 ? undefined : (i % 90) - 20,
      properties: { plan: ['free', 'pro', null][i % 3], country: `c${i % 9}` },
      occurred_at: new Date(occurredMs(i)).toISOString(),
    }),
  )
}

async function send(records: ReturnType<typeof someEvents>): Promise<void> {
  await log.append(TOPICS.raw.name, records)
  stored += records.length
  const isStored = async () =>
    (await rows('SELECT count(*)::int AS count FROM event'))[0].count === stored
  await vi.waitUntil(isStored, { timeout: 30_000 })
}

const declare = (definition: object) =>
  declareMetric(db, viewer.tenantId, parseMetricDefinition(definition), { kind: 'cli' })

beforeAll(async () => {
  database = await createTestDatabase()
  db = createDatabase(database.url, { max: 4 })
  await database.pool.query("INSERT INTO tenant (slug) VALUES ('default')")
  viewer = await tenantViewer(db, { kind: 'SESSION' }, 'default')
  log = await createPostgresLog({ url: database.url })
  const ended = new AbortController()
  const running = createWorker({ databaseUrl: database.url, log, logger: quiet }).run(ended.signal)
  stop = async () => {
    ended.abort()
    await running
  }
  await send(someEvents(1_500, (i) => NOW - ((i * 791_993) % (DAYS * DAY_MS))))
  await declare({ name: 'sales', dimensions: ['plan', 'country'] })
  await declare({ name: 'paid', events: 'order', filter: { plan: 'pro' }, dimensions: ['country'] })
  await vi.waitUntil(() => isBackfilled(database.pool), { timeout: 30_000 })
  await send(someEvents(1_000, (i) => NOW - ((i * 373_587) % (DAYS * DAY_MS))))
  // Readers see a watermark a moment later.
  const isDerived = async () => {
    await derive()
    return (await rows('SELECT FROM rollup_long_progress')).length === 3
  }
  await vi.waitUntil(isDerived, { timeout: 30_000, interval: 500 })
}, 90_000)
afterAll(async () => {
  await stop?.()
  await log?.close()
  await db?.destroy()
  await database?.drop()
})

const WHOLE = {
  startTime: new Date(NOW - DAYS * DAY_MS).toISOString(),
  endTime: new Date(NOW + 900_000).toISOString(),
}

const SHAPES: Partial<MetricsInput>[] = [
  { name: '*' },
  { name: '*', groupBy: ['name'] },
  { name: 'order', aggregate: 'SUM' },
  { name: 'sales', groupBy: ['country'], filter: [{ dimension: 'plan', in: ['free', null] }] },
  { name: 'sales', aggregate: 'AVG' },
  { name: 'paid', aggregate: 'MAX', groupBy: ['country'] },
  { name: 'sales', aggregate: 'MIN', filter: [{ dimension: 'country', in: ['c3'] }] },
]

function randomQuery(): MetricsInput {
  const startMs = NOW - Math.floor(random() * DAYS * DAY_MS)
  const isWhole = random() < 0.5
  const floor = (ms: number) => (isWhole ? Math.floor(ms / 900_000) * 900_000 : Math.floor(ms))
  const endMs = floor(startMs) + Math.max(900_000, floor(random() * (NOW - startMs + HOUR_MS)))
  return {
    startTime: new Date(floor(startMs)).toISOString(),
    endTime: new Date(endMs).toISOString(),
    interval: pick(['HOUR', 'DAY', 'DAY', 'WEEK', 'TOTAL'] as const),
    timeZone: pick(ZONES),
    ...(pick(SHAPES) as { name: string }),
  }
}

/** Values of double precision depend on the order of their sum. */
async function numbersOf(input: MetricsInput, onlyRaw = false) {
  const result = await eventsOverTime(db, viewer, input, { onlyRaw })
  return result.rows.map((row) => ({
    at: row.timestamp,
    dims: JSON.stringify(row.dimensions),
    value: Number(row.value.toPrecision(10)),
    late: row.lateCount,
  }))
}

/** Of equal groups, which comes first is not the same in both. */
const sorted = (numbers: Awaited<ReturnType<typeof numbersOf>>) =>
  numbers.map((each) => JSON.stringify(each)).sort()

async function expectRecount(input: MetricsInput): Promise<void> {
  expect(sorted(await numbersOf(input)), JSON.stringify(input)).toEqual(
    sorted(await numbersOf(input, true)),
  )
}

async function expectManyRecounts(count = 15): Promise<void> {
  for (let i = 0; i < count; i++) await expectRecount(randomQuery())
  for (const shape of SHAPES)
    await expectRecount({ ...WHOLE, interval: 'DAY', ...(shape as { name: string }) })
}

/** What the longer rows are, without them: as if all were derived again. */
const LONG = `SELECT metric_id::int, series_id::int, minutes, bucket, count::int, value_count::int, sum, min, max, late_count::int
                FROM rollup_long ORDER BY 1, 2, 3, 4`

async function expectAsAnew(): Promise<void> {
  const found = await rows(LONG)
  await rows('TRUNCATE rollup_long, rollup_long_progress')
  await derive()
  expect(found.length).toBeGreaterThan(1_000)
  expect(await rows(LONG)).toEqual(found)
}

describe('hours and days of rollups', () => {
  test('give what a recount of single events gives, in random ranges of four zones', async () => {
    await expectManyRecounts(40)
  })

  test('are what queries of longer ranges read, of names and of metrics', async () => {
    const query = { ...WHOLE, interval: 'TOTAL' } as const
    const read = async () => [
      (await numbersOf({ name: '*', ...query }))[0]?.value,
      (await numbersOf({ name: 'sales', ...query, interval: 'DAY' })).at(3)?.value,
      (
        await rangeTotals(db, viewer, {
          range: { start: WHOLE.startTime, end: WHOLE.endTime },
          namesMax: 5,
        })
      ).count,
    ]
    const before = await read()
    await rows('UPDATE rollup_long SET count = count + 1000')
    const changed = await read()
    await rows('UPDATE rollup_long SET count = count - 1000')
    for (const [i, value] of before.entries()) expect(changed[i]).toBeGreaterThan(value as number)
    expect(await read()).toEqual(before)
  })

  test('end with the last hour that is final, and longer ones only where all of it is', async () => {
    const [found] = await rows(`
      SELECT count(*) FILTER (WHERE bucket + minutes * interval '1 minute' > derived_through)::int AS beyond,
             max(bucket) FILTER (WHERE minutes = 60) AS last, max(derived_through) AS through
        FROM rollup_long JOIN rollup_long_progress USING (tenant_id, metric_id)`)
    expect(found.beyond).toBe(0)
    expect(NOW - found.through.getTime()).toBeLessThan(3 * HOUR_MS)
    const progress = await rows('SELECT DISTINCT derived_through FROM rollup_long_progress')
    expect(progress).toHaveLength(1)
  })

  test('are right while late events are not in them yet, and once they are', async () => {
    const [{ before }] = await rows(
      'SELECT sum(late_count)::int AS before FROM rollup_long WHERE series_id = 0',
    )
    await send(someEvents(90, (i) => NOW - 3 * DAY_MS - i * 1_700_000))
    await expectManyRecounts()
    await derive()
    await derive()
    await expectManyRecounts()
    const [{ after }] = await rows(
      'SELECT sum(late_count)::int AS after FROM rollup_long WHERE series_id = 0',
    )
    expect(after).toBeGreaterThan(before)
    expect((await derive()).longDerived).toBe(0)
    await expectAsAnew()
  })

  test('miss no event of a transaction that was open while they were derived', async () => {
    const slow = await database.pool.connect()
    const [{ series_id: series, bucket }] = await rows(
      'SELECT series_id, bucket::text FROM rollup_15m ORDER BY bucket LIMIT 1 OFFSET 900',
    )
    const query = { ...WHOLE, name: '*', interval: 'TOTAL' } as const
    const readTotal = async () => (await numbersOf(query))[0]?.value as number
    const before = await readTotal()
    try {
      // As a batch: its id first, and its own time as the mark.
      await slow.query('BEGIN')
      await slow.query(
        'UPDATE log_position SET next_offset = next_offset, written_at = clock_timestamp()',
      )
      await slow.query(
        'UPDATE rollup_15m SET count = count + 1, revised_at = now() WHERE series_id = $1 AND bucket = $2',
        [series, bucket],
      )
      await derive()
      await derive()
      expect(await readTotal()).toBe(before)
      await slow.query('COMMIT')
    } finally {
      slow.release()
    }
    expect(await readTotal()).toBe(before + 1)
    await derive()
    await derive()
    expect(await readTotal()).toBe(before + 1)
    await rows(
      `UPDATE rollup_15m SET count = count - 1, revised_at = now() WHERE series_id = ${series} AND bucket = '${bucket}'`,
    )
    expect(await readTotal()).toBe(before)
    await derive()
    await derive()
    expect(await readTotal()).toBe(before)
  })

  test('count late events also where the clock was set back, by an hour and by less than to what was checked', async () => {
    const query = { ...WHOLE, name: '*', interval: 'TOTAL' } as const
    const readTotal = async () => (await numbersOf(query))[0]?.value as number
    const readLong = async () =>
      (
        await rows(
          'SELECT sum(count)::int AS n FROM rollup_long WHERE metric_id = 0 AND series_id = 0 AND minutes = 60',
        )
      )[0].n
    const withGrace = () => createSketchDerivation({ pool: database.pool }).run()
    for (const [checked, pending] of [
      ['1 hour', '70 minutes'],
      ['-1 second', '11 minutes'],
    ]) {
      const [before, beforeLong] = [await readTotal(), await readLong()]
      const aheadBy = (add: string) => `clock_timestamp() + interval '${add}'`
      await rows(
        `UPDATE rollup_15m SET count = count + 1, revised_at = clock_timestamp() - interval '2 seconds'
          WHERE (series_id, bucket) = (SELECT series_id, bucket FROM rollup_15m ORDER BY bucket LIMIT 1 OFFSET 900)`,
      )
      await rows(
        `UPDATE rollup_long_revision SET checked_to = ${aheadBy(checked as string)}, pending_at = ${aheadBy(pending as string)}`,
      )
      expect(await readTotal()).toBe(before + 1)
      await withGrace()
      expect(await readLong()).toBe(beforeLong + 1)
      expect(await readTotal()).toBe(before + 1)
      await derive()
      await derive()
      const [{ ahead }] = await rows(
        'SELECT checked_to > clock_timestamp() AS ahead FROM rollup_long_revision',
      )
      expect(ahead).toBe(false)
      await rows(
        `UPDATE rollup_15m SET count = count - 1, revised_at = clock_timestamp()
          WHERE (series_id, bucket) = (SELECT series_id, bucket FROM rollup_15m ORDER BY bucket LIMIT 1 OFFSET 900)`,
      )
      await derive()
      await derive()
    }
  })

  test('of a metric follow its names once its history is counted', async () => {
    await declare({ name: 'later', dimensions: ['country'] })
    await vi.waitUntil(() => isBackfilled(database.pool), { timeout: 30_000 })
    const query = { ...WHOLE, name: 'later', interval: 'DAY', groupBy: ['country'] } as const
    await expectRecount(query)
    await derive()
    const long =
      "SELECT FROM rollup_long JOIN metric_definition USING (metric_id) WHERE name = 'later'"
    expect((await rows(long)).length).toBeGreaterThan(100)
    await expectRecount(query)
  })

  test('are derived by one of two workers, and of one that is killed nothing is left', async () => {
    // It derives as well.
    await stop()
    const whole = await rows(LONG)
    await rows('TRUNCATE rollup_long, rollup_long_progress')
    const both = await Promise.all([derive(), derive()])
    expect(both.filter(({ longDerived }) => longDerived > 0)).toHaveLength(1)
    expect(await rows(LONG)).toEqual(whole)
    await rows('TRUNCATE rollup_long, rollup_long_progress')
    const blocker = await database.pool.connect()
    const pool = new pg.Pool({ connectionString: database.url, max: 2 })
    pool.on('connect', (client) => client.on('error', () => {}))
    try {
      await blocker.query('BEGIN; LOCK TABLE rollup_long_progress IN SHARE MODE')
      const killed = createSketchDerivation({ pool })
        .run()
        .catch((error) => error)
      const waiting = `SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%INSERT INTO rollup_long_progress%'
                          AND datname = current_database() AND pid <> pg_backend_pid()`
      await vi.waitUntil(async () => (await rows(waiting)).length === 1, { timeout: 20_000 })
      await rows(`SELECT pg_terminate_backend(pid) FROM (${waiting}) w`)
      expect(await killed).toBeInstanceOf(Error)
    } finally {
      await blocker.query('COMMIT')
      blocker.release()
      await pool.end()
    }
    expect(await rows(LONG)).toEqual([])
    await derive()
    expect(await rows(LONG)).toEqual(whole)
  })

  test('outlive the events that they count', async () => {
    const queries = Array.from({ length: 15 }, randomQuery).map((query) => ({
      ...query,
      startTime: new Date(
        Math.floor(Date.parse(query.startTime) / 900_000) * 900_000,
      ).toISOString(),
      endTime: new Date(Math.ceil(Date.parse(query.endTime) / 900_000) * 900_000).toISOString(),
    }))
    const before = []
    for (const query of queries) before.push(await numbersOf(query))
    await rows('TRUNCATE event')
    stored = 0
    for (const [i, query] of queries.entries()) expect(await numbersOf(query)).toEqual(before[i])
  })

  test.each([
    ['an event that moved to another name', 'count = count + 3 - 2 * n'],
    ['a sum alone', 'sum = sum + 1000 * (2 - n)'],
    ['a number of values alone', 'value_count = value_count + 2 - n'],
    ['a number of late events alone', 'late_count = late_count + 2 - n'],
  ])('follow %s', async (_, set) => {
    const of = `r.bucket = (SELECT bucket FROM rollup_15m GROUP BY bucket HAVING count(*) = 2 AND min(count) > 1 ORDER BY 1 LIMIT 1)`
    const [{ at }] = await rows("SELECT clock_timestamp() + interval '1 minute' AS at")
    await rows(`UPDATE rollup_15m r SET revised_at = '${at.toISOString()}' WHERE ${of}`)
    await derive()
    expect((await derive()).longDerived).toBe(0)
    // As by a batch that began before another one: the latest mark of the hour stays.
    await rows(
      `UPDATE rollup_15m r SET ${set} FROM (SELECT series_id, row_number() OVER (ORDER BY metric) AS n FROM series) w
        WHERE r.series_id = w.series_id AND ${of}`,
    )
    expect((await derive()).longDerived).toBeGreaterThan(0)
    await expectAsAnew()
  })

  test('of a day that was revised in each hour are written once', async () => {
    const day = new Date(Math.floor(NOW / DAY_MS - 4) * DAY_MS).toISOString()
    const ofDay = `bucket >= '${day}' AND bucket < '${day}'::timestamptz + interval '1 day'`
    await rows(`UPDATE rollup_15m SET sum = sum + 1, revised_at = clock_timestamp() WHERE ${ofDay}`)
    const [{ count }] = await rows(`SELECT count(*)::int FROM rollup_long WHERE ${ofDay}`)
    expect((await derive()).longDerived).toBe(count)
    expect((await derive()).longDerived).toBe(0)
    await expectAsAnew()
  })
})
