import { randomUUID } from 'node:crypto'
import {
  PostgresQueryCompiler,
  type QueryResult,
  type RootOperationNode,
  type UnknownRow,
} from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../tests/lib/database.ts'
import { createDatabase, type Database } from '../db/database.ts'
import { createDayPartitions, DAY_MS, isoDay } from '../db/day-partitions.ts'
import { OTHER_METRIC } from '../db/series-names.ts'
import { type TenantViewer, tenantViewer } from '../identity/viewer.ts'
import { eventsOverTime } from './metrics/events-over-time.ts'
import { rangeTotals } from './range-totals.ts'
import { noteStatements, type Statement } from './testing/statement-cost.ts'
import { uniqueActors } from './unique-actors.ts'

/** Ranges so long ago that their events' days of receipt are limited: what came late has to be counted all the same. */
const OLD_DAYS = 60
const BUCKET_MS = 15 * 60_000
const start = Math.floor((Date.now() - OLD_DAYS * DAY_MS) / BUCKET_MS) * BUCKET_MS

let database: TestDatabase
let db: Database
let viewer: TenantViewer
beforeEach(async () => {
  database = await createTestDatabase()
  await database.pool.query(
    `INSERT INTO tenant (slug) VALUES ('shop');
     INSERT INTO series (tenant_id, metric) VALUES (1, 'signup'), (1, 'login')`,
  )
  db = createDatabase(database.url, { role: 'sluice_read' })
  viewer = await tenantViewer(db, { kind: 'SESSION' }, 'shop')
})
afterEach(async () => {
  await db.destroy()
  await database.drop()
})

/** Stored as a worker stores it: the row and its count. */
async function store(name: string, occurredMs: number, delayDays: number, actor = name) {
  const receivedMs = occurredMs + delayDays * DAY_MS
  const day = Math.floor(receivedMs / DAY_MS)
  await createDayPartitions({ pool: database.pool, table: 'event' }).ensure([day])
  await database.pool.query(
    `INSERT INTO event (tenant_id, event_id, received_on, received_at, occurred_at, name, actor, properties, log_partition, log_offset)
     VALUES (1, $1, $2, $3, $4, $5, $6, '{"plan":"pro"}', 0, 0)`,
    [randomUUID(), isoDay(day), new Date(receivedMs), new Date(occurredMs), name, actor],
  )
  await database.pool.query(
    `INSERT INTO rollup_15m AS r (tenant_id, series_id, bucket, count, value_count, sum, late_count)
     SELECT 1, series_id, date_bin('15 minutes', $1::timestamptz, 'epoch'), 1, 0, 0, 0
       FROM series WHERE metric IN ($2, '') ORDER BY metric DESC LIMIT 1
     ON CONFLICT (tenant_id, series_id, bucket) DO UPDATE SET count = r.count + 1`,
    [new Date(occurredMs), name],
  )
}

const at = (minutes: number) => new Date(start + minutes * 60_000).toISOString()

async function countIn(from: number, to: number, more: object = {}): Promise<number> {
  const range = { startTime: at(from), endTime: at(to) }
  const { rows } = await eventsOverTime(db, viewer, {
    name: '*',
    ...range,
    interval: 'TOTAL',
    ...more,
  })
  return rows.reduce((sum, { value }) => sum + value, 0)
}

test('an event of an old range counts however much later it was received, in whole buckets and in parts of them', async () => {
  for (const delayDays of [0, 1, 2, 3, 20, 59])
    for (const minutes of [2, 7, 13, 20]) await store('signup', start + minutes * 60_000, delayDays)
  expect(await countIn(0, 30)).toBe(24)
  expect(await countIn(5, 30)).toBe(18)
  expect(await countIn(5, 15)).toBe(12)
  expect(await countIn(5, 25, { groupBy: ['plan'] })).toBe(18)
  expect(await countIn(0, 15, { aggregate: 'UNIQUES' })).toBe(1)
  const range = { start: at(5), end: at(29) }
  expect((await rangeTotals(db, viewer, { range, namesMax: 5 })).count).toBe(18)
})

test('one name that came late does not hide another, and its actors are counted', async () => {
  await store('signup', start + 60_000, 0, 'a')
  await store('login', start + 60_000, 30, 'b')
  expect(await countIn(0, 10)).toBe(2)
  expect(await countIn(0, 10, { name: 'signup' })).toBe(1)
  expect(await countIn(0, 10, { name: 'login' })).toBe(1)
  const range = { start: at(0), end: at(10) }
  expect((await uniqueActors(db, viewer, { range })).rows).toEqual([2])
})

test('later days are read only where the days that follow the range do not hold all of its events', async () => {
  const readsLaterDays = async () => {
    const statements: Statement[] = []
    await eventsOverTime(noteStatements(db, statements), viewer, {
      name: '*',
      startTime: at(0),
      endTime: at(15),
      groupBy: ['plan'],
    })
    const points = statements.find(({ sql }) => sql.includes('ranked'))
    return !points?.sql.includes('received_on <')
  }
  await store('signup', start + 60_000, 2)
  expect(await readsLaterDays()).toBe(false)
  await store('signup', start + 60_000, 9)
  expect(await readsLaterDays()).toBe(true)
})

test('a name that shares its series is counted however late it came: no rollup knows how many there are', async () => {
  await database.pool.query(
    'INSERT INTO series (tenant_id, metric, created_at) VALUES (1, $1, $2)',
    [OTHER_METRIC, new Date(start)],
  )
  await store('rare', start + 60_000, 20)
  expect(await countIn(0, 10, { name: 'rare' })).toBe(1)
  const range = { start: at(0), end: at(10) }
  expect((await uniqueActors(db, viewer, { range })).rows).toEqual([1])
})

test('what is committed after a query has looked for its days is in all parts of its range or in none', async () => {
  for (const minutes of [7, 20]) await store('signup', start + minutes * 60_000, 0)
  let looked = 0
  let committed = false
  const compiler = new PostgresQueryCompiler()
  const watching = db.withPlugin({
    transformQuery({ node, queryId }): RootOperationNode {
      if (compiler.compileQuery(node, queryId).sql.includes('AS complete')) looked++
      return node
    },
    async transformResult({ result }): Promise<QueryResult<UnknownRow>> {
      // Later than is looked: one event in a part of a bucket, and one in a whole bucket.
      const isLate = looked > 0 && !committed
      committed ||= isLate
      if (isLate) for (const minutes of [8, 21]) await store('signup', start + minutes * 60_000, 9)
      return result
    },
  })
  const { rows } = await eventsOverTime(watching, viewer, {
    name: '*',
    startTime: at(5),
    endTime: at(30),
    interval: 'TOTAL',
  })
  expect(looked).toBe(1)
  expect(rows).toMatchObject([{ value: 2 }])
  expect(await countIn(5, 30)).toBe(4)
})
