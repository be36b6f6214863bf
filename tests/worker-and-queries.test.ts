import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { TOPICS } from '../contract/log/topics.ts'
import { createDatabase, type Database } from '../core/db/database.ts'
import { type TenantViewer, tenantViewer } from '../core/identity/viewer.ts'
import type { Log } from '../core/log/log.ts'
import { createPostgresLog } from '../core/log/postgres/postgres-log.ts'
import { eventsOverTime } from '../core/queries/metrics/events-over-time.ts'
import { rangeTotals } from '../core/queries/range-totals.ts'
import { uniqueActors } from '../core/queries/unique-actors.ts'
import { createWorker } from '../core/worker/worker.ts'
import { createTestDatabase, type TestDatabase } from './lib/database.ts'
import { countPlainly, type PlainEvent, type PlainQuery } from './lib/plain-count.ts'
import { rawRecord, rawValue } from './lib/records.ts'

/** The worker writes and the queries read: a fault of either shows as a number that differs from a plain count. */

const EVENTS = 6_000
const QUERIES = 150
const quiet = { info() {}, warn() {}, error() {} }
const NOW = Math.floor(Date.now() / 900_000) * 900_000
const DAY_MS = 86_400_000
const DAYS = 20

let database: TestDatabase
let db: Database
let log: Log
let viewer: TenantViewer
let running: Promise<void>
const stop = new AbortController()
const roll = dice(20_260_726)
const events = Array.from({ length: EVENTS }, makeEvent)

beforeAll(async () => {
  database = await createTestDatabase()
  await database.pool.query(
    "INSERT INTO tenant (slug, event_age_max_s) VALUES ('default', 31536000), ('other', 31536000)",
  )
  db = createDatabase(database.url, { max: 4 })
  viewer = await tenantViewer(db, { kind: 'SESSION' }, 'default')
  log = await createPostgresLog({ url: database.url })
  running = createWorker({ databaseUrl: database.url, log, logger: quiet, concurrency: 2 }).run(
    stop.signal,
  )
  await sendAll()
})
afterAll(async () => {
  stop.abort()
  await running
  await log.close()
  await db.destroy()
  await database.drop()
})

/** Repeatable: the same numbers for the same seed. */
function dice(seed: number) {
  let state = seed
  return (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

/** Values are eighths, so that their sums are exact in any order; some times lie exactly on the edge of a bucket. */
function makeEvent(): PlainEvent {
  const ms = NOW - 1 - roll(DAYS * DAY_MS)
  return {
    name: ['page_view', 'order', 'Sign up ✓', 'rare'][Math.min(roll(4), roll(4))] as string,
    occurredMs: roll(5) === 0 ? Math.floor(ms / 900_000) * 900_000 : ms,
    ...(roll(5) > 0 && { actor: `actor-${roll(400)}` }),
    ...(roll(3) > 0 && { source: `source-${roll(3)}` }),
    ...(roll(3) > 0 && { value: (roll(16_000) - 8_000) / 8 }),
    properties: {
      plan: `plan-${roll(3)}`,
      // More groups than are listed, and far more of some than of others.
      page: `page-${String(roll(1 + roll(250))).padStart(3, '0')}`,
    },
  }
}

/** Every tenth event is sent twice, and other tenants' events, duplicates and dead letters lie between them. */
async function sendAll(): Promise<void> {
  const records = events.flatMap((event, i) => {
    const { occurredMs, ...fields } = event
    const record = rawRecord({
      ...fields,
      event_id: `event-${i}`,
      occurred_at: new Date(occurredMs).toISOString(),
    })
    const extra = [
      ...(i % 10 === 0 ? [record] : []),
      ...(i % 7 === 0 ? [rawRecord({ tenant: 'other', name: 'order', value: 1e6 })] : []),
      ...(i % 50 === 0 ? [rawValue('not JSON')] : []),
    ]
    return [record, ...extra]
  })
  for (let at = 0; at < records.length; at += 700)
    await log.append(TOPICS.raw.name, records.slice(at, at + 700))
  const applied = async () => {
    const { rows } = await database.pool.query(
      "SELECT sum(next_offset)::int AS n FROM log_position WHERE topic = 'events.raw'",
    )
    if (rows[0].n !== records.length) throw new Error(`${rows[0].n} of ${records.length} applied`)
  }
  await vi.waitFor(applied, { timeout: 30_000, interval: 50 })
}

function pick<T>(choices: readonly T[]): T {
  return choices[roll(choices.length)] as T
}

/** Ranges begin and end at whole buckets, at :30, within a minute, or beyond all events. */
function makeQuery(): PlainQuery {
  const step = pick([1, 1_000, 60_000, 900_000, 1_800_000, 3_600_000])
  const lengthMs = pick([1_000, 900_000, 5_400_000, DAY_MS, 3 * DAY_MS, 26 * DAY_MS])
  const startMs = Math.floor((NOW - roll(DAYS * DAY_MS + lengthMs)) / step) * step
  const groupBy = pick([[], [], ['name'], ['page'], ['source', 'plan'], ['actor']])
  const tooMany = lengthMs > DAY_MS * 3 && groupBy.length > 0
  const minutes = lengthMs < DAY_MS ? (['MINUTE'] as const) : []
  return {
    name: pick([undefined, 'page_view', 'order', 'Sign up ✓', 'never sent']),
    startMs,
    endMs: startMs + lengthMs,
    interval: tooMany
      ? pick(['DAY', 'TOTAL'])
      : pick([...minutes, 'QUARTER_HOUR', 'HOUR', 'DAY', 'WEEK', 'MONTH', 'TOTAL']),
    timeZone: pick(['UTC', 'Europe/Berlin', 'Asia/Kathmandu', 'America/St_Johns']),
    aggregate: pick(['COUNT', 'SUM', 'MIN', 'MAX', 'AVG', 'UNIQUES', 'P50', 'P95', 'P99']),
    groupBy,
    filter: pick([[], [], [{ dimension: 'plan', in: ['plan-1', 'plan-2'] }]]),
  }
}

async function execute(query: PlainQuery, onlyRaw: boolean): Promise<Map<string, number>> {
  const { startMs, endMs, name = '*', ...rest } = query
  const { rows } = await eventsOverTime(
    db,
    viewer,
    {
      ...rest,
      name,
      startTime: new Date(startMs).toISOString(),
      endTime: new Date(endMs).toISOString(),
    },
    { onlyRaw },
  )
  const points = rows.map(({ timestamp, value, dimensions }): [string, number] => [
    [
      new Date(timestamp).toISOString(),
      ...query.groupBy.map((dimension) => dimensions[dimension] ?? 'null'),
    ].join('|'),
    value,
  ])
  expect(new Set(points.map(([key]) => key)).size, 'no bucket is listed twice').toBe(points.length)
  return new Map(points)
}

describe('what the worker wrote, read by the queries', () => {
  test('random queries of every aggregate, interval, group and filter equal a plain count', async () => {
    for (let i = 0; i < QUERIES; i++) {
      const query = makeQuery()
      const expected = sorted(countPlainly(events, query))
      const label = JSON.stringify(query)
      expect(sorted(await execute(query, false)), label).toEqual(expected)
      expect(sorted(await execute(query, true)), `from events: ${label}`).toEqual(expected)
    }
  })

  test('groups beyond the hundred largest are one group, whose values equal a plain count', async () => {
    const aggregates = ['COUNT', 'SUM', 'MIN', 'MAX', 'AVG', 'UNIQUES', 'P50', 'P95'] as const
    for (const aggregate of aggregates)
      for (const interval of ['TOTAL', 'DAY'] as const) {
        const query: PlainQuery = {
          name: undefined,
          startMs: NOW - DAYS * DAY_MS,
          endMs: NOW,
          interval,
          timeZone: 'UTC',
          aggregate,
          groupBy: ['page'],
          filter: [],
        }
        const expected = sorted(countPlainly(events, query))
        expect(expected.some(([key]) => key.endsWith('(other)'))).toBe(true)
        expect(sorted(await execute(query, false)), `${aggregate} by ${interval}`).toEqual(expected)
      }
  })

  test('the totals, the names and the unique actors of a range equal a plain count', async () => {
    for (let i = 0; i < 10; i++) {
      const { startMs, endMs } = makeQuery()
      const range = { start: new Date(startMs).toISOString(), end: new Date(endMs).toISOString() }
      const total = (aggregate: PlainQuery['aggregate'], groupBy: string[], shiftMs = 0) =>
        countPlainly(events, {
          name: undefined,
          startMs: startMs - shiftMs,
          endMs: endMs - shiftMs,
          interval: 'TOTAL',
          timeZone: 'UTC',
          aggregate,
          groupBy,
          filter: [],
        })
      const totals = await rangeTotals(db, viewer, { range, namesMax: 10 })
      const label = JSON.stringify(range)
      expect(totals.count, label).toBe(total('COUNT', []).get(range.start) ?? 0)
      expect(totals.previousCount, label).toBe(
        [...total('COUNT', [], endMs - startMs).values()][0] ?? 0,
      )
      expect(
        new Map(totals.rows.map(({ name, count }) => [`${range.start}|${name}`, count])),
        label,
      ).toEqual(total('COUNT', ['name']))
      const { rows } = await uniqueActors(db, viewer, { range })
      expect(rows, label).toEqual([total('UNIQUES', []).get(range.start) ?? 0])
    }
  })
})

/** Doubles are compared by their first twelve digits: only AVG and percentiles have more. */
function sorted(points: Map<string, number>): [string, number][] {
  return [...points]
    .map(([key, value]): [string, number] => [key, Number(value.toPrecision(12))])
    .sort(([a], [b]) => (a < b ? -1 : 1))
}
