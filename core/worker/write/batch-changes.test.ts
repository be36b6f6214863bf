import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { LIMITS } from '../../../contract/limits.ts'
import { TOPICS } from '../../../contract/log/topics.ts'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { rawRecord } from '../../../tests/lib/records.ts'
import { DAY_MS, isoDay } from '../../db/day-partitions.ts'
import { UNSTAMPED } from '../decode/dead-stamp.ts'
import type { DeadLetter } from '../decode/decoded.ts'
import { createPartitionMaintenance } from '../maintenance/partition-maintenance.ts'
import { eventRow } from '../testing/event-rows.ts'
import { upsertAggregates } from './aggregates.ts'
import { findRereadChanges } from './batch-changes.ts'
import { markRecovered } from './dead-letters.ts'

const ID = '0192a1b2-0000-7000-8000-00000000000a'
const TODAY = Math.floor(Date.now() / DAY_MS)
const NOON_MS = (TODAY - 5) * DAY_MS + DAY_MS / 2
/** Of the records, which decide where the event is looked for. */
const DAYS = [-3, -2, -1, 0, 1, 2, 3]

let database: TestDatabase
let client: pg.Client
beforeAll(async () => {
  database = await createTestDatabase()
  client = new pg.Client(database.url)
  await client.connect()
  await client.query("INSERT INTO tenant (slug) VALUES ('default'), ('other')")
  const receivedDay = Math.floor(NOON_MS / DAY_MS)
  const rows = [{ receivedDay, occurred: { ms: NOON_MS } }]
  await createPartitionMaintenance({ pool: database.pool }).ensure({
    rows,
    deadLetters: [],
    expired: [],
  })
  await client.query(
    `INSERT INTO event (tenant_id, event_id, received_on, received_at, occurred_at, name, properties, log_partition, log_offset)
     VALUES (1, $1, $2, $3, $3, 'order', '{}', 0, 7)`,
    [ID, isoDay(receivedDay), new Date(NOON_MS)],
  )
})
afterAll(async () => {
  await client.end()
  await database.drop()
})

/** Of a record that was received so many days after the event, under rules that refuse it now. */
const deadLetter = (days: number, fields: Partial<DeadLetter> = {}): DeadLetter => {
  const received_at = new Date(NOON_MS + days * DAY_MS).toISOString()
  const { value, key } = rawRecord({ event_id: ID, received_at })
  return {
    tenantId: 1,
    reason: 'OCCURRED_AT_IN_FUTURE',
    detail: '',
    requestId: null,
    route: null,
    client: null,
    ...UNSTAMPED,
    // Not where the event is looked for: it may be the time of the log.
    receivedMs: TODAY * DAY_MS,
    eventId: null,
    original: value,
    record: { partition: 0, offset: 100 + days, timestamp: NOON_MS, key, value },
    ...fields,
  }
}

async function missing(deadLetters: DeadLetter[]): Promise<DeadLetter[]> {
  const batch = {
    partitions: [{ partition: 0, baseOffset: 0, nextOffset: 200, records: [] }],
    recordCount: 0,
  }
  const parts = { rows: [], deadLetters, expired: [] }
  const changes = await findRereadChanges(
    client,
    TOPICS.raw.name,
    () => Buffer.alloc(0),
    batch,
    parts,
  )
  return changes.deadLetters
}

test('a record that is refused now was no dead letter where its event is stored on a day within the dedupe horizon', async () => {
  const all = DAYS.map((days) => deadLetter(days))
  const found = await missing(all)
  const days = found.map(({ record }) => record.offset - 100)
  expect(days).toEqual(DAYS.filter((day) => Math.abs(day) > LIMITS.dedupeDays))
})

test('another tenant’s event, and one without a tenant, is none that is stored; a dead letter that is there is not missing', async () => {
  const others = [deadLetter(0, { tenantId: 2 }), deadLetter(1, { tenantId: null })]
  expect(await missing(others)).toEqual(others)
  await client.query(
    `INSERT INTO dead_letter (tenant_id, reason, detail, fingerprint, original, topic, partition, log_offset, received_at)
     SELECT 2, 'NOT_JSON', '', '', 'x', topic, 0, 100, now() FROM unnest($1::text[]) topic`,
    [[TOPICS.raw.name, `${TOPICS.raw.name}@before`]],
  )
  expect(await missing(others)).toEqual(others.slice(1))
})

test('a record that is stored now recovers its own dead letter, and none of a former log or of another partition', async () => {
  const former = `${TOPICS.raw.name}@2026-01-01T00:00:00.000Z`
  for (const { partition, topics } of [
    { partition: 0, topics: [TOPICS.raw.name, former] },
    { partition: 3, topics: [TOPICS.raw.name] },
  ])
    await client.query(
      `INSERT INTO dead_letter (tenant_id, reason, detail, fingerprint, original, topic, partition, log_offset, received_at)
       SELECT 1, 'NOT_JSON', '', '', 'x', topic, $2::int, o, $3 FROM unnest($1::text[]) topic, unnest('{50,51}'::int[]) o`,
      [topics, partition, new Date(NOON_MS)],
    )
  const { record } = eventRow()
  const row = eventRow({ record: { ...record, partition: 0, offset: 50 } })
  expect(await markRecovered(client, TOPICS.raw.name, [row])).toEqual([
    { tenantId: 1, receivedMs: NOON_MS },
  ])
  const { rows: replayed } = await client.query(
    "SELECT topic, partition, log_offset::int AS offset FROM dead_letter WHERE state = 'replayed'",
  )
  expect(replayed).toEqual([{ topic: TOPICS.raw.name, partition: 0, offset: 50 }])
})

test('a watermark never goes back, and that of a partition rises by itself', async () => {
  const nothing = { newRows: [], duplicates: [], conflicting: [], deadLetters: [], recovered: [] }
  const highest = async () =>
    (
      await client.query(
        'SELECT partition, (extract(epoch FROM highest_at) * 1000)::float8 AS ms FROM watermark WHERE tenant_id = 1 ORDER BY 1',
      )
    ).rows
  const reach = (...all: [partition: number, ms: number][]) =>
    upsertAggregates(
      client,
      { buckets: [], highest: all.map(([partition, ms]) => ({ tenantId: 1, partition, ms })) },
      nothing,
    )
  await reach([0, NOON_MS], [1, NOON_MS + 5])
  await reach([0, NOON_MS])
  await reach([0, NOON_MS - 1], [1, NOON_MS + 6])
  expect(await highest()).toEqual([
    { partition: 0, ms: NOON_MS },
    { partition: 1, ms: NOON_MS + 6 },
  ])
})
