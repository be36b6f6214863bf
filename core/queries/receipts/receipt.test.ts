import { afterAll, beforeAll, expect, test } from 'vitest'
import { idempotencyHash } from '../../../contract/event/idempotency-hash.ts'
import { uuidV7 } from '../../../contract/event/uuid.ts'
import { TOPICS } from '../../../contract/log/topics.ts'
import { type RecordFields, rawRecord, rawValue } from '../../../tests/lib/records.ts'
import { createQueryFixture, type QueryFixture } from '../../api/graphql/testing/fixture.ts'
import { createRestApp } from '../../api/rest/app.ts'
import { DAY_MS } from '../../db/day-partitions.ts'
import { createKey } from '../../identity/api-keys.ts'
import { declareMetric } from '../../metrics/declare-metric.ts'
import { parseMetricDefinition } from '../../metrics/metric-definition.ts'
import { createLogCounter } from '../../proof/count-log.ts'
import { createPartitionMaintenance } from '../../worker/maintenance/partition-maintenance.ts'
import { createWorker } from '../../worker/worker.ts'

const logger = { info() {}, warn() {}, error() {} }
let fixture: QueryFixture
let app: ReturnType<typeof createRestApp>
let keys: Record<'default' | 'other', Record<string, string>>
let stopWorker: () => Promise<void>

beforeAll(async () => {
  fixture = await createQueryFixture()
  keys = { default: await fixture.keyOf('default'), other: await fixture.keyOf('other') }
  const { graphql } = fixture
  app = createRestApp({ graphql, checkHealth: () => Promise.reject(new Error()), secure: false })
  stopWorker = startWorker()
})
afterAll(async () => {
  await stopWorker?.()
  await fixture?.close()
})

function startWorker() {
  const ended = new AbortController()
  const { database, log } = fixture
  const running = createWorker({ databaseUrl: database.url, log, logger }).run(ended.signal)
  return async () => {
    ended.abort()
    await running
  }
}

const rows = async (text: string, values?: unknown[]) =>
  (await fixture.database.pool.query(text, values)).rows

async function append(events: RecordFields[], more: Record<string, unknown> = {}): Promise<void> {
  const records = events.map((event) => {
    const record = rawRecord(event)
    const value = { ...JSON.parse(record.value.toString()), ...more }
    return { ...record, value: Buffer.from(JSON.stringify(value)) }
  })
  await fixture.log.append(TOPICS.raw.name, records)
}

/** Until the worker has applied all that is in the log. */
async function applied(): Promise<void> {
  const ends = await fixture.log.offsets(TOPICS.raw.name)
  const end = ends.reduce((sum, { lastStableOffset }) => sum + lastStableOffset, 0)
  const position = async () =>
    (
      await rows("SELECT sum(next_offset)::int AS n FROM log_position WHERE topic = 'events.raw'")
    )[0].n
  await expect.poll(position, { timeout: 20_000, interval: 20 }).toBe(end)
}

async function find(id: string, query = '', tenant: keyof typeof keys = 'default') {
  const response = await app.request(
    `http://localhost/v1/receipts/${encodeURIComponent(id)}${query}`,
    { headers: keys[tenant] },
  )
  const body = (await response.json()) as Record<string, unknown>
  return { status: response.status, body, data: (body.data ?? {}) as Record<string, unknown> }
}

test('a stored event has its request, key, position, day, and the numbers that count it', async () => {
  const { db } = fixture
  const [{ id: tenantId }] = await rows("SELECT tenant_id AS id FROM tenant WHERE slug = 'default'")
  const { keyId } = await createKey(db, { tenant: 'default', name: 'shop', scopes: ['ingest'] })
  for (const plan of ['pro', 'free'])
    await declareMetric(
      db,
      tenantId,
      parseMetricDefinition({ name: `plan ${plan}`, filter: { plan } }),
      { kind: 'cli' },
    )
  await append([{ event_id: 'order-1', name: 'order', properties: { plan: 'pro' } }], {
    ...{ key: keyId, request_id: 'request-1' },
  })
  await applied()
  const { status, data } = await find('order-1')
  expect(status).toBe(200)
  const [{ partition, offset, day, bucket }] = await rows(
    `SELECT log_partition AS partition, log_offset::text AS offset, received_on::text AS day,
            to_char(date_bin('15 minutes', occurred_at, 'epoch') AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS bucket
       FROM event WHERE client_event_id = 'order-1'`,
  )
  expect(data).toMatchObject({
    ...{ event_id: 'order-1', outcome: 'stored', trust_class: 'server' },
    accepted: {
      ...{ request_id: 'request-1', key_id: keyId, key_name: 'shop', partition, offset },
    },
    stored: {
      day,
      counted_by: [
        { metric: 'order', kind: 'event', version: 1, bucket },
        { metric: 'plan pro', kind: 'metric', version: 1, bucket },
      ],
    },
    ...{ duplicates: [], has_more_duplicates: false, dead_letters: [], removed: null },
  })
  expect(Date.parse(String(data.processed_at))).toBeGreaterThan(Date.now() - 60_000)
})

test('what came again is listed with its request, and whether its content differs; its id is one of each trust class', async () => {
  const event = { event_id: 'again-1', name: 'a', actor: 'ada' }
  await append([event])
  await append([event], { request_id: 'second' })
  await append([{ ...event, name: 'b' }], { request_id: 'third' })
  await append([{ ...event, trust: 'public' }])
  await applied()
  const { data } = await find('again-1')
  expect(data).toMatchObject({ outcome: 'stored', trust_class: 'server' })
  expect(data.duplicates).toMatchObject([
    { request_id: 'second', conflicting: false },
    { request_id: 'third', conflicting: true },
  ])
  const ofPublic = (await find('again-1', '?trust_class=public')).data
  expect(ofPublic).toMatchObject({ outcome: 'stored', trust_class: 'public', duplicates: [] })
  const [{ counted }] = await rows(
    'SELECT sum(duplicate + conflicting)::int AS counted FROM outcome_minute',
  )
  expect(await rows('SELECT count(*)::int AS n FROM event_duplicate')).toEqual([{ n: counted }])

  await append(Array.from({ length: 25 }, () => ({ ...event, trust: 'public' as const })))
  await applied()
  const many = (await find('again-1', '?trust_class=public')).data
  expect(many.duplicates).toHaveLength(20)
  expect(many.has_more_duplicates).toBe(true)
})

test('an event that became a dead letter has the reason, and the dead letter', async () => {
  const future = new Date(Date.now() + DAY_MS).toISOString()
  await append([{ event_id: 'dead-1', occurred_at: future }], { route: 'POST /v1/events' })
  await applied()
  const [{ id }] = await rows('SELECT dead_letter_id::text AS id FROM dead_letter')
  expect((await find('dead-1')).data).toMatchObject({
    ...{ outcome: 'dead', stored: null, trust_class: 'server' },
    accepted: { request_id: 'a-request' },
    dead_letters: [
      { id, reason: 'OCCURRED_AT_IN_FUTURE', state: 'open', format: 'POST /v1/events' },
    ],
  })
})

test('nothing is found of an id that never came, of that of another tenant, or of the other trust class, each with one status', async () => {
  await append([
    { event_id: 'foreign', tenant: 'other' },
    { event_id: 'page', trust: 'public' },
  ])
  await applied()
  const never = await find('never-1')
  const foreign = await find('foreign')
  expect(never.status).toBe(404)
  const reason = { code: 'RECEIPT_NOT_FOUND', reason: 'never_seen', records_in_flight: 0 }
  expect(never.body).toMatchObject(reason)
  const since = Date.parse(String(never.body.since))
  expect(since).toBeLessThan(Date.now())
  const text = (body: object) => JSON.stringify(body).replaceAll(/never-1|foreign/g, '')
  expect(text(foreign.body)).toBe(text(never.body))
  expect((await find('foreign', '', 'other')).data.outcome).toBe('stored')
  expect((await find('page', '?trust_class=server')).body.reason).toBe('other_trust_class')
  expect((await find('page')).data).toMatchObject({ outcome: 'stored', trust_class: 'public' })
})

async function list(query: string, tenant: keyof typeof keys = 'default') {
  const response = await app.request(`http://localhost/v1/receipts?${query}`, {
    headers: keys[tenant],
  })
  const { data, code } = (await response.json()) as { data?: { outcome: string }[]; code?: string }
  return { status: response.status, code, data: data ?? [] }
}

test('the events of a request are found by the id that the edge made, stored, repeated or dead, and by its Idempotency-Key', async () => {
  const request = uuidV7(Date.now() - 5_000)
  const idempotency = await idempotencyHash('default', 'server', 'import-7')
  const more = { request_id: request, idempotency }
  await append([{ event_id: 'r-first' }], { request_id: 'another', idempotency })
  await applied()
  const future = new Date(Date.now() + DAY_MS).toISOString()
  await append(
    [{ event_id: 'r-new' }, { event_id: 'r-first' }, { event_id: 'r-dead', occurred_at: future }],
    more,
  )
  const invalid = JSON.parse(rawRecord().value.toString())
  delete invalid.event
  const refused = [{ code: 'NAME_MISSING', pointer: '/name', detail: 'is missing' }]
  await fixture.log.append(TOPICS.raw.name, [
    rawValue(JSON.stringify({ ...invalid, ...more, refused, original: '{}' })),
  ])
  await applied()
  const outcomes = async (query: string, tenant?: 'other') =>
    (await list(query, tenant)).data.map(
      ({ outcome, event_id, dead_letters }: Record<string, unknown>) => [
        outcome,
        event_id,
        (dead_letters as { reason: string }[])[0]?.reason,
      ],
    )
  const ofRequest = await outcomes(`request_id=${request}`)
  expect(ofRequest).toHaveLength(4)
  const [{ id }] = await rows(
    "SELECT event_id AS id FROM dead_letter WHERE detail LIKE 'occurred_at%' ORDER BY dead_letter_id DESC LIMIT 1",
  )
  expect(ofRequest).toEqual(
    expect.arrayContaining([
      ['stored', 'r-new', undefined],
      ['stored', 'r-first', undefined],
      ['dead', id, 'OCCURRED_AT_IN_FUTURE'],
      ['dead', null, 'NAME_MISSING'],
    ]),
  )
  expect((await outcomes('idempotency_key=import-7')).sort()).toEqual([
    ['stored', 'r-first', undefined],
    ['stored', 'r-new', undefined],
  ])
  // Another tenant's request, and one that never was.
  const never = `request_id=${uuidV7(Date.now())}`
  expect(await list(`request_id=${request}`, 'other')).toEqual(await list(never))
  expect(await list(never)).toMatchObject({ status: 200, data: [] })
  expect(await list('idempotency_key=import-7', 'other')).toMatchObject({ data: [] })
  for (const query of ['', 'request_id=mine', `request_id=${request}&idempotency_key=a`])
    expect(await list(query)).toMatchObject({ status: 400, code: 'BAD_USER_INPUT' })
})

test('what was dropped by the retention is removed where a duplicate proves it, else older than kept by the time in its id', async () => {
  const at = (days: number) => new Date(Date.now() - days * DAY_MS).toISOString()
  const day = at(8).slice(0, 10)
  const oldId = uuidV7(Date.parse(at(8)))
  const old = { received_at: at(8), occurred_at: at(8) }
  await append([
    { ...old, event_id: 'old-1' },
    { ...old, event_id: oldId },
  ])
  await applied()
  const later = { ...old, received_at: at(7) }
  await append([{ ...later, event_id: 'old-1' }])
  await applied()
  expect((await find('old-1')).data).toMatchObject({ outcome: 'stored', duplicates: [{}] })
  await rows("UPDATE log_lease SET applied_through = 'infinity'")
  await createPartitionMaintenance({ pool: fixture.database.pool, retentionDays: 7 }).run()
  expect((await find('old-1')).data).toMatchObject({
    ...{ outcome: 'removed', stored: null, removed: { day }, duplicates: [{}] },
  })
  expect((await find(oldId)).body).toMatchObject({ reason: 'older_than_kept', removed: { day } })
  // Months of duplicates go once all their days are older than what is kept.
  await rows(
    "CREATE TABLE event_duplicate_202001 PARTITION OF event_duplicate FOR VALUES FROM ('2020-01-01') TO ('2020-02-01')",
  )
  await createPartitionMaintenance({ pool: fixture.database.pool, retentionDays: 7 }).run()
  expect(await rows("SELECT to_regclass('event_duplicate_202001') AS t")).toEqual([{ t: null }])
  expect((await find('old-1')).data.outcome).toBe('removed')
})

test('an event that no worker has applied may be one of those that are in flight', async () => {
  await stopWorker()
  const { database, log } = fixture
  const counting = new AbortController()
  const counter = createLogCounter({ databaseUrl: database.url, log, logger }).run(counting.signal)
  await append([{ event_id: 'waits' }, { event_id: 'waits-too' }])
  const inFlight = async () => (await find('waits')).body.records_in_flight
  await expect.poll(inFlight, { timeout: 20_000 }).toBe(2)
  expect((await find('waits', '', 'other')).body.records_in_flight).toBe(0)
  stopWorker = startWorker()
  await applied()
  await expect.poll(inFlight).toBe(undefined)
  expect((await find('waits')).data.outcome).toBe('stored')
  counting.abort()
  await counter
})
