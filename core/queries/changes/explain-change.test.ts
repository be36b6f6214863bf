import { randomInt } from 'node:crypto'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { TOPICS } from '../../../contract/log/topics.ts'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { type RecordFields, rawRecord } from '../../../tests/lib/records.ts'
import { mulberry32 } from '../../../tools/demo/traffic.ts'
import { createDatabase, type Database } from '../../db/database.ts'
import { DAY_MS } from '../../db/day-partitions.ts'
import { type TenantViewer, tenantViewer } from '../../identity/viewer.ts'
import type { LogRecord } from '../../log/log.ts'
import { createBackfill } from '../../metrics/backfill.ts'
import { declareMetric, retireMetric } from '../../metrics/declare-metric.ts'
import { parseMetricDefinition } from '../../metrics/metric-definition.ts'
import { decodeBatch } from '../../worker/decode/decode.ts'
import { splitDecoded } from '../../worker/decode/decoded.ts'
import { createTenants } from '../../worker/decode/tenant-settings.ts'
import { createPartitionMaintenance } from '../../worker/maintenance/partition-maintenance.ts'
import { applyBatch } from '../../worker/write/apply-batch.ts'
import { createMetricDirectory } from '../../worker/write/metric-directory.ts'
import { createRowEncoder } from '../../worker/write/row-encoder.ts'
import { createSeriesDirectory } from '../../worker/write/series.ts'
import { eventsOverTime, type MetricsResult } from '../metrics/events-over-time.ts'
import type { MetricsInput } from '../metrics/metrics-args.ts'
import type { ChangeCause } from './change-causes.ts'
import { type ChangeExplanation, explainChange } from './explain-change.ts'

/** WHY_SEED repeats a run. */
const SEED = Number(process.env.WHY_SEED ?? randomInt(1_000_000))
const roll = mulberry32(SEED)
const below = (max: number) => Math.floor(roll() * max)
const pick = <T>(choices: readonly T[]) => choices[below(choices.length)] as T
const HOUR_MS = 3_600_000
const TODAY = Math.floor(Date.now() / DAY_MS)
const NOW = Math.floor(Date.now() / 900_000) * 900_000
const DAYS = 12

let database: TestDatabase
let db: Database
let client: pg.Client
let viewer: TenantViewer
let nextOffset = 0
/** All that was stored, as a plain list. */
const stored: {
  step: number
  cause: ChangeCause
  name: string
  value: number
  plan: string
  source: string
  occurredMs: number
  receivedDay: number
}[] = []
let step = 0

beforeAll(async () => {
  database = await createTestDatabase()
  db = createDatabase(database.url, { max: 2 })
  client = new pg.Client({ connectionString: database.url })
  await client.connect()
  await database.pool.query(
    `INSERT INTO tenant (slug, allowed_lateness_s, event_age_max_s, created_at) VALUES ('default', 900, 31536000, now() - interval '1 year');
     UPDATE log_lease SET applied_through = 'infinity'; UPDATE finality SET published_applied_through = 'infinity';
     UPDATE migration SET applied_at = now() - interval '10 days' WHERE name LIKE 'changes%'`,
  )
  viewer = await tenantViewer(db, { kind: 'SESSION' }, 'default')
})
afterAll(async () => {
  await client?.end()
  await db?.destroy()
  await database?.drop()
})

const execute = (sql: string, values: unknown[]) => database.pool.query(sql, values)

/** Stores events as a worker or a replay does. */
async function write(events: RecordFields[], position: 'advance' | 'hold' = 'advance') {
  const base = nextOffset
  const records = events.map((event, i): LogRecord => {
    const record = rawRecord(event)
    return {
      ...record,
      partition: 0,
      offset: base + i,
      timestamp: Date.parse(event.received_at as string),
    }
  })
  nextOffset += records.length
  if (position === 'hold')
    await database.pool.query(
      'UPDATE log_position SET next_offset = $1, written_at = clock_timestamp() WHERE topic = $2 AND partition = 0',
      [nextOffset, TOPICS.raw.name],
    )
  const batch = {
    partitions: [{ partition: 0, baseOffset: base, nextOffset, records }],
    recordCount: records.length,
  }
  const tenants = createTenants(execute)
  const series = createSeriesDirectory(execute)
  const decoded = await decodeBatch(batch, tenants, new Map(), {
    nowMs: Date.now(),
    ageDaysMax: 365,
  })
  const parts = splitDecoded(decoded)
  expect(parts.deadLetters).toEqual([])
  await createPartitionMaintenance({ pool: database.pool }).ensure(parts)
  await series.learn(parts.rows)
  const metrics = createMetricDirectory(execute)
  const encode = createRowEncoder()
  const deps = { client, topic: TOPICS.raw.name, tenants, series, metrics, encode }
  await applyBatch(deps, batch, decoded, { position, beforeCommit() {} })
}

/** Some events of a kind, received on any of the days since then. */
function send(kind: 'ARRIVED' | 'LATE' | 'IMPORT' | 'REPLAY', oldestDay: number) {
  const receivedMs = () => (kind === 'ARRIVED' ? NOW : NOW - below((TODAY - oldestDay) * DAY_MS))
  return sendReceived(kind, Array.from({ length: 5 + below(30) }, receivedMs))
}

async function sendReceived(kind: 'ARRIVED' | 'LATE' | 'IMPORT' | 'REPLAY', receivedAt: number[]) {
  const events = receivedAt.map((receivedMs): RecordFields => {
    const agoMs = kind === 'ARRIVED' ? 0 : HOUR_MS + below(2 * DAY_MS)
    return {
      name: pick(['order', 'refund']),
      value: below(1_000) / 8,
      source: pick(['web', 'app', 'shop']),
      properties: { plan: pick(['free', 'pro', 'team']) },
      received_at: new Date(receivedMs).toISOString(),
      occurred_at: new Date(receivedMs - agoMs).toISOString(),
      ...(kind === 'IMPORT' && { historical: true as const }),
    }
  })
  await write(events, kind === 'REPLAY' ? 'hold' : 'advance')
  for (const { name = '', value = 0, source = '', properties, ...at } of events)
    stored.push({
      step,
      cause: kind,
      name,
      value,
      source,
      plan: String(properties?.plan),
      occurredMs: Date.parse(at.occurred_at as string),
      receivedDay: Math.floor(Date.parse(at.received_at as string) / DAY_MS),
    })
}

const WHOLE = {
  startTime: new Date((TODAY - DAYS - 3) * DAY_MS).toISOString(),
  endTime: new Date((TODAY + 1) * DAY_MS).toISOString(),
}
/** Cuts 15-minute buckets at both ends. */
const CUT = {
  startTime: new Date((TODAY - 3) * DAY_MS + 61_001).toISOString(),
  endTime: new Date(NOW - 2 * HOUR_MS + 61_001).toISOString(),
}
const ZONES = ['Asia/Kathmandu', 'Australia/Lord_Howe']
const QUERIES: MetricsInput[] = ZONES.flatMap((timeZone): MetricsInput[] => [
  { ...WHOLE, timeZone, name: '*', interval: 'DAY' },
  { ...WHOLE, timeZone, name: 'order', interval: 'DAY', aggregate: 'SUM' },
  { ...WHOLE, timeZone, name: '*', interval: 'HOUR', groupBy: ['name'] },
  { ...CUT, timeZone, name: 'refund', interval: 'HOUR' },
  { ...CUT, timeZone, name: '*', interval: 'DAY', groupBy: ['plan'], aggregate: 'SUM' },
  {
    ...WHOLE,
    timeZone,
    name: 'order',
    interval: 'WEEK',
    filter: [{ dimension: 'plan', in: ['pro'] }],
  },
  { ...WHOLE, timeZone, name: 'sales', interval: 'DAY' },
  { ...WHOLE, timeZone, name: 'sales', interval: 'DAY', aggregate: 'SUM', groupBy: ['source'] },
  {
    ...CUT,
    timeZone,
    name: 'sales',
    interval: 'TOTAL',
    filter: [{ dimension: 'source', in: ['web', 'app'] }],
  },
  {
    ...WHOLE,
    timeZone,
    name: 'sales',
    interval: 'MONTH',
    filter: [{ dimension: 'plan', in: ['team'] }],
  },
])

const pointsOf = (result: MetricsResult) =>
  new Map(
    result.rows.map(({ timestamp, dimensions, value }) => [
      `${timestamp} ${JSON.stringify(dimensions)}`,
      value,
    ]),
  )
const total = (values: Iterable<number>) => [...values].reduce((sum, value) => sum + value, 0)

/** Sums are multiples of 1/8, so doubles add them exactly. */
function expectAddsUp({ before, after, difference, causes, rows }: ChangeExplanation) {
  const sumOf = (of: { amount: number | null }[]) => total(of.map(({ amount }) => amount ?? 0))
  expect(after - before - sumOf(causes)).toBe(0)
  expect(after - before).toBe(difference)
  for (const row of rows) expect(row.after - row.before - sumOf(row.causes)).toBe(0)
  expect(total(rows.map((row) => row.difference))).toBe(difference)
}

interface Reading {
  step: number
  results: MetricsResult[]
}

async function readAll(): Promise<Reading> {
  const results = []
  for (const query of QUERIES) results.push(await eventsOverTime(db, viewer, query))
  return { step: step++, results }
}

const declare = (filter: object, value = 'value') =>
  declareMetric(
    db,
    viewer.tenantId,
    parseMetricDefinition({
      name: 'sales',
      events: ['order'],
      filter,
      value,
      dimensions: ['source'],
    }),
    { kind: 'cli' },
  )

test(`every cause of a change is counted as it happened, and all add up to the difference, in two zones (seed ${SEED})`, {
  timeout: 120_000,
}, async () => {
  const backfill = createBackfill(database.pool, new AbortController().signal)
  const readings: Reading[] = []
  const oldestDay = TODAY - DAYS + 1
  await send('ARRIVED', oldestDay)
  readings.push(await readAll())
  const versions = [{ plan: ['pro'] }, { plan: ['pro', 'team'] }, {}]
  for (let i = 0; i < 10; i++) {
    // Each kind once, and beyond that by chance.
    for (const [k, kind] of (['ARRIVED', 'LATE', 'IMPORT', 'REPLAY'] as const).entries())
      if (roll() < 0.4 || k === i) await send(kind, oldestDay)
    if (i % 4 === 1) await declare(versions.shift() as object)
    // Some days of the history, so that results are read in between.
    for (let day = below(8); day > 0; day--) await backfill.step()
    readings.push(await readAll())
  }
  await retireMetric(db, viewer.tenantId, 'sales', { kind: 'cli' })
  readings.push(await readAll())

  const seen = new Set<ChangeCause>()
  for (const [q, query] of QUERIES.entries())
    for (let pair = 0; pair < 6; pair++) {
      const chosen =
        pair === 0 ? [0, readings.length - 1] : [0, 0].map(() => below(readings.length))
      const [i, j] = chosen.sort((a, b) => a - b) as [number, number]
      if (i === j) continue
      const [from, to] = [readings[i] as Reading, readings[j] as Reading]
      const [former, later] = [from.results[q], to.results[q]] as [MetricsResult, MetricsResult]
      const isLast = j === readings.length - 1
      const found = await explainChange(db, viewer, {
        ...query,
        fromAsOf: former.info.asOf,
        toAsOf: isLast && pair % 2 === 0 ? null : later.info.asOf,
      })
      const label = `${JSON.stringify(query)} from ${i} to ${j}`
      expectAddsUp(found)
      expect(found.isComplete, label).toBe(true)
      expect([found.before, found.after], label).toEqual([
        total(pointsOf(former).values()),
        total(pointsOf(later).values()),
      ])
      const [before, after] = [pointsOf(former), pointsOf(later)]
      for (const row of found.rows) {
        const key = `${row.timestamp} ${JSON.stringify(row.dimensions)}`
        expect([row.before, row.after], `${label} ${key}`).toEqual([
          before.get(key) ?? 0,
          after.get(key) ?? 0,
        ])
        before.set(key, row.after)
      }
      // What is no row did not change.
      expect(new Map([...before].filter(([, value]) => value !== 0))).toEqual(
        new Map([...after].filter(([, value]) => value !== 0)),
      )
      if (query.name !== 'sales')
        expect(recounted(found), label).toEqual(recount(query, from.step, to.step))
      for (const { cause } of found.causes) seen.add(cause)
    }
  expect([...seen].sort()).toEqual([
    'ARRIVED',
    'BACKFILL',
    'DEFINITION',
    'IMPORT',
    'LATE',
    'REPLAY',
  ])
})

/** As retention drops them. @returns the days that are left */
async function drop(retentionDays: number): Promise<(day: number) => boolean> {
  const dropped = await createPartitionMaintenance({ pool: database.pool, retentionDays }).run()
  expect(dropped.dropped.length).toBeGreaterThan(0)
  return (day) => day >= TODAY - retentionDays
}

test('what days that were dropped held is unknown only for results from before it was stored, and only where nothing else counts it', async () => {
  const whole: MetricsInput = { ...WHOLE, name: '*', interval: 'DAY', timeZone: 'Asia/Kathmandu' }
  const filtered: MetricsInput = { ...whole, filter: [{ dimension: 'plan', in: ['pro', 'team'] }] }
  const read = async () => ({
    step: step++,
    whole: await eventsOverTime(db, viewer, whole),
    filtered: await eventsOverTime(db, viewer, filtered),
  })
  const explain = (query: MetricsInput, from: MetricsResult, to?: MetricsResult) =>
    explainChange(db, viewer, { ...query, fromAsOf: from.info.asOf, toAsOf: to?.info.asOf ?? null })
  // What is late is late against this.
  await send('ARRIVED', TODAY - 4)
  const first = await read()
  // On each of the days that are dropped then.
  const noons = Array.from({ length: DAYS }, (_, i) => (TODAY - i - 0.5) * DAY_MS)
  await sendReceived('IMPORT', noons)
  const second = await read()
  await send('LATE', TODAY - 4)
  const isHeld = await drop(6)
  const third = await read()

  // Stored before the second result, so it had all of them.
  const late = await explain(whole, second.whole)
  expectAddsUp(late)
  expect(late).toMatchObject({
    isComplete: true,
    before: total(pointsOf(second.whole).values()),
    after: total(pointsOf(third.whole).values()),
  })
  expect(recounted(late)).toEqual(recount(whole, second.step, third.step))
  // The first one had some of them, and nothing knows which.
  const lost = (from: number, to: number) =>
    stored.filter((event) => event.step > from && event.step <= to && !isHeld(event.receivedDay))
      .length
  for (const to of [undefined, third.whole]) {
    const early = await explain(whole, first.whole, to)
    expectAddsUp(early)
    const unknown = lost(-1, third.step)
    expect(early).toMatchObject({ isComplete: false, after: total(pointsOf(third.whole).values()) })
    expect(early.before).toBe(total(pointsOf(first.whole).values()) - lost(-1, first.step))
    expect(recounted(early)).toEqual({
      ...recount(whole, first.step, third.step, isHeld),
      OLDER_THAN_KEPT: [unknown, unknown],
    })
  }
  // Single events were read: what was dropped is not known, the rest is.
  const gone = await explain(filtered, second.filtered)
  expectAddsUp(gone)
  expect(gone).toMatchObject({ isComplete: false, after: total(pointsOf(third.filtered).values()) })
  expect(recounted(gone)).toEqual({
    ...recount(filtered, second.step, third.step, isHeld),
    RETENTION: [null, null],
  })
  // Before they were dropped, and after it, nothing was lost.
  await send('LATE', TODAY - 4)
  const fourth = await read()
  const after = await explain(filtered, third.filtered, fourth.filtered)
  expect(after).toMatchObject({
    isComplete: true,
    before: total(pointsOf(third.filtered).values()),
    after: total(pointsOf(fourth.filtered).values()),
  })
  // A day that was dropped by a version that did not record it.
  await database.pool.query(
    "DELETE FROM event_day_drop; UPDATE migration SET applied_at = now() WHERE name LIKE 'changes%'",
  )
  expect(await explain(whole, third.whole, fourth.whole)).toMatchObject({ isComplete: false })
  await send('LATE', TODAY - 4)
  const fifth = await read()
  const setApplied = (ago: string) =>
    database.pool.query(
      `UPDATE migration SET applied_at = $1::timestamptz - interval '${ago}' WHERE name LIKE 'changes%'`,
      [fourth.whole.info.asOf],
    )
  // By a worker of that version, which may have run on for three days: also after the earlier result.
  for (const ago of ['0 s', '2 days 23:59:00']) {
    await setApplied(ago)
    expect(await explain(whole, fourth.whole, fifth.whole)).toMatchObject({ isComplete: false })
    expect(await explain(filtered, fourth.filtered)).toMatchObject({ isComplete: false })
  }
  await setApplied('3 days')
  expect(await explain(whole, fourth.whole, fifth.whole)).toMatchObject({ isComplete: true })
  // Also where a later day was dropped by a newer one.
  await setApplied('0 s')
  await database.pool.query(
    `INSERT INTO event_day_drop SELECT dropped_through, '2020-01-01', '2020-01-01' FROM event_retention`,
  )
  expect(await explain(whole, fourth.whole, fifth.whole)).toMatchObject({ isComplete: false })
})

test('events that were stored by a version that recorded no way of arrival, or may have been in flight, are counted apart', async () => {
  const query: MetricsInput = { ...WHOLE, name: 'order', interval: 'TOTAL' }
  const asOf = async () => (await eventsOverTime(db, viewer, query)).info.asOf
  const insert = (at: string, count: number) =>
    database.pool.query(
      `INSERT INTO event (tenant_id, event_id, received_on, received_at, occurred_at, stored_at, name, properties, log_partition, log_offset)
       SELECT $1, gen_random_uuid(), $3::date, $3::date, $3::date, $4::timestamptz, 'order', '{}', 0, 0 FROM generate_series(1, $2::int)`,
      [viewer.tenantId, count, new Date(TODAY * DAY_MS), at],
    )
  await database.pool.query(
    "UPDATE event SET stored_at = stored_at - interval '1 hour'; UPDATE migration SET applied_at = '2020-01-01' WHERE name LIKE 'changes%'",
  )
  const now = Date.parse(await asOf())
  const at = (secondsAgo: number) => new Date(now - secondsAgo * 1_000).toISOString()
  await insert(at(60), 1)
  await insert(at(45), 2)
  await insert(at(44.999), 4)
  await insert(at(30), 8)
  await insert(at(29.999), 16)
  const found = await explainChange(db, viewer, { ...query, fromAsOf: at(30), toAsOf: at(10) })
  expect(recounted(found)).toEqual({ UNRECORDED: [16, 16] })
  // Not those that were stored 15 s before, and not those that are counted since.
  expect(found.inFlight).toBe(12)
})

test.each([
  [{ aggregate: 'UNIQUES' as const }, 'aggregate'],
  [{ fromAsOf: '2999-01-01T00:00:00Z' }, 'fromAsOf is not before now'],
  [{ toAsOf: '2999-01-01T00:00:00Z' }, 'toAsOf is later than now'],
  [{ toAsOf: '2026-01-01T00:00:00Z' }, 'fromAsOf is not before toAsOf'],
])('a change with %j is refused, and the message names the argument', async (args, message) => {
  const input = { ...WHOLE, name: '*', fromAsOf: '2026-01-01T00:00:00Z', ...args }
  await expect(explainChange(db, viewer, input)).rejects.toThrow(message)
})

test('another tenant has no part in a change', async () => {
  await database.pool.query("INSERT INTO tenant (slug) VALUES ('other')")
  const other = await tenantViewer(db, { kind: 'SESSION' }, 'other')
  const found = await explainChange(db, other, {
    ...WHOLE,
    name: '*',
    fromAsOf: '2026-01-01T00:00:00Z',
  })
  expect(found).toMatchObject({ rows: [], before: 0, after: 0, causes: [], inFlight: 0 })
})

const recounted = ({ causes }: ChangeExplanation) =>
  Object.fromEntries(causes.map(({ cause, events, amount }) => [cause, [events, amount]]))

/** By cause, from the plain list. */
function recount(query: MetricsInput, from: number, to: number, isHeld = (_day: number) => true) {
  const causes: Record<string, [number, number]> = {}
  for (const event of stored) {
    if (
      event.step <= from ||
      event.step > to ||
      !matches(query, event) ||
      !isHeld(event.receivedDay)
    )
      continue
    const known = causes[event.cause] ?? [0, 0]
    causes[event.cause] = [known[0] + 1, known[1] + (query.aggregate === 'SUM' ? event.value : 1)]
  }
  return causes
}

function matches(
  { name, filter, startTime, endTime }: MetricsInput,
  event: (typeof stored)[0],
): boolean {
  const plans = filter?.find(({ dimension }) => dimension === 'plan')?.in
  return (
    (name === '*' || name === event.name) &&
    (!plans || plans.includes(event.plan)) &&
    event.occurredMs >= Date.parse(startTime) &&
    event.occurredMs < Date.parse(endTime)
  )
}
