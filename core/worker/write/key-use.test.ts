import { afterEach, beforeEach, expect, test } from 'vitest'
import { uuidV7 } from '../../../contract/event/uuid.ts'
import { LIMITS } from '../../../contract/limits.ts'
import { recordEncoder } from '../../../contract/log/record.ts'
import { TOPICS } from '../../../contract/log/topics.ts'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { rawValue } from '../../../tests/lib/records.ts'
import { DAY_MS } from '../../db/day-partitions.ts'
import type { Log, NewRecord } from '../../log/log.ts'
import { createPostgresLog } from '../../log/postgres/postgres-log.ts'
import { createPartitionMaintenance } from '../maintenance/partition-maintenance.ts'
import { createWorker } from '../worker.ts'

const quiet = { info() {}, warn() {}, error() {} }
const ONE = '0192a1b2-0000-7000-8000-00000000000a'
const OTHER = '0192a1b2-0000-7000-8000-00000000000b'

let database: TestDatabase
let log: Log
let stop: AbortController
let running: Promise<void>

beforeEach(async () => {
  database = await createTestDatabase()
  await database.pool.query("INSERT INTO tenant (slug) VALUES ('default')")
  log = await createPostgresLog({ url: database.url })
  stop = new AbortController()
  const worker = createWorker({ databaseUrl: database.url, log, logger: quiet, concurrency: 2 })
  running = worker.run(stop.signal)
})
afterEach(async () => {
  stop.abort()
  await running
  await log.close()
  await database.drop()
})

/** @param actor decides the log partition, and so which connection writes it */
function record(key: string, received_at: string, event_id = uuidV7(Date.now()), actor = 'ada') {
  const stamp = { v: 1 as const, tenant: 'default', key, request_id: 'r', received_at, edge: 'e' }
  const event = { event_id, name: 'a', occurred_at: received_at, actor, properties: {} }
  return rawValue(recordEncoder({ ...stamp, route: 'events' }).event(JSON.stringify(event)), actor)
}

async function useAfter(records: NewRecord[], all = records.length) {
  for (let i = 0; i < records.length; i += 500)
    await log.append(TOPICS.raw.name, records.slice(i, i + 500))
  await expect
    .poll(
      async () => {
        const { rows } = await database.pool.query(
          "SELECT sum(next_offset)::int AS read FROM log_position WHERE topic = 'events.raw'",
        )
        return rows[0].read
      },
      { timeout: 20_000 },
    )
    .toBe(all)
  const { rows } = await database.pool.query(
    'SELECT key_id, hour, events::int FROM key_use_hour ORDER BY key_id, hour',
  )
  return rows.map((row) => [row.key_id, row.hour.toISOString(), row.events])
}

test('every event counts as a use of its key in the hour it was received, duplicates included', async () => {
  const hour = Math.floor(Date.now() / 3_600_000) * 3_600_000
  const at = (ms: number) => new Date(hour + ms).toISOString()
  expect(
    await useAfter([
      record(ONE, at(-1)),
      record(ONE, at(0), 'same'),
      record(ONE.toUpperCase(), at(1)),
      record(ONE, at(0), 'same'),
      record(OTHER, at(0), 'same'),
      record('no uuid', at(0)),
    ]),
  ).toEqual([
    [ONE, at(-3_600_000), 1],
    [ONE, at(0), 3],
    [OTHER, at(0), 1],
  ])
})

test('the use of a key is counted exactly once, although connections break while it is written', async () => {
  const hour = new Date(Math.floor(Date.now() / 3_600_000) * 3_600_000).toISOString()
  const cut = setInterval(
    () =>
      database.pool
        .query(
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'sluice worker%' AND datname = current_database()",
        )
        .catch(() => {}),
    150,
  )
  try {
    const records = Array.from({ length: 6_000 }, (_, i) =>
      record(i % 3 ? ONE : OTHER, hour, undefined, `actor-${i % 50}`),
    )
    for (let i = 0; i < 6_000; i += 600)
      await log.append(TOPICS.raw.name, records.slice(i, i + 600))
    setTimeout(() => clearInterval(cut), 1_500)
    expect(await useAfter([], 6_000)).toEqual([
      [ONE, hour, 4_000],
      [OTHER, hour, 2_000],
    ])
  } finally {
    clearInterval(cut)
  }
})

test('the use of a key is deleted after ninety days', async () => {
  const maintenance = createPartitionMaintenance({ pool: database.pool })
  const daysAgo = (days: number) => new Date(Date.now() - days * DAY_MS)
  for (const days of [0, LIMITS.keyUseDays - 1, LIMITS.keyUseDays + 1])
    await database.pool.query('INSERT INTO key_use_hour VALUES ($1, $2, 1)', [ONE, daysAgo(days)])
  // The running worker does the same maintenance; whichever comes first deletes the rows.
  await maintenance.run()
  expect(await useAfter([])).toHaveLength(2)
})

test('who sent events with a key is stored when the worker ends, at the latest', async () => {
  const received_at = new Date().toISOString()
  const stamp = {
    v: 1 as const,
    tenant: 'default',
    key: ONE,
    request_id: 'r',
    received_at,
    edge: 'e',
  }
  const from = { client: 'curl/8.5.0 (linux)', origin: 'https://shop.example' }
  const encoder = recordEncoder({ ...stamp, ...from })
  const event = {
    event_id: uuidV7(Date.now()),
    name: 'a',
    occurred_at: received_at,
    properties: {},
  }
  await useAfter([rawValue(encoder.event(JSON.stringify(event)), 'ada')])
  stop.abort()
  await running
  const { rows } = await database.pool.query(
    'SELECT tenant_id, key_id, client, origin, events::int FROM key_sender_hour',
  )
  expect(rows).toEqual([
    { tenant_id: 1, key_id: ONE, client: 'curl/8.5.0', origin: 'https://shop.example', events: 1 },
  ])
})
