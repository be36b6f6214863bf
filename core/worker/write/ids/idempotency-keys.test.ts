import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { idempotencyHash } from '../../../../contract/event/idempotency-hash.ts'
import { TOPICS } from '../../../../contract/log/topics.ts'
import { type RecordFields, rawRecord } from '../../../../tests/lib/records.ts'
import { createQueryFixture, type QueryFixture } from '../../../api/graphql/testing/fixture.ts'
import { DAY_MS } from '../../../db/day-partitions.ts'
import { createPartitionMaintenance } from '../../maintenance/partition-maintenance.ts'
import { createWorker } from '../../worker.ts'

let fixture: QueryFixture
let keys: Record<string, Record<string, string>>
let stop: () => Promise<void>
beforeAll(async () => {
  fixture = await createQueryFixture()
  keys = { default: await fixture.keyOf('default'), other: await fixture.keyOf('other') }
  const ended = new AbortController()
  const { database, log } = fixture
  const logger = { info() {}, warn() {}, error() {} }
  const running = createWorker({ databaseUrl: database.url, log, logger }).run(ended.signal)
  stop = async () => {
    ended.abort()
    await running
  }
})
afterAll(async () => {
  await stop?.()
  await fixture?.close()
})

const rows = async (text: string) => (await fixture.database.pool.query(text)).rows
const tables = () =>
  rows(
    "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'event_idempotency'::regclass",
  )

/** Stores events that came with a key, or without one. */
async function store(key: string | undefined, events: RecordFields[]): Promise<void> {
  const [{ n: before }] = await rows('SELECT count(*)::int AS n FROM event')
  const records = await Promise.all(
    events.map(async (event) => {
      const { tenant = 'default', trust = 'server' } = event
      const idempotency = key && (await idempotencyHash(tenant, trust, key))
      const record = rawRecord(event)
      const value = JSON.parse(record.value.toString())
      return {
        ...record,
        value: Buffer.from(JSON.stringify({ ...value, ...(key && { idempotency }) })),
      }
    }),
  )
  await fixture.log.append(TOPICS.raw.name, records)
  const isStored = async () =>
    (await rows('SELECT count(*)::int AS n FROM event'))[0].n === before + events.length
  await vi.waitUntil(isStored, { timeout: 20_000, interval: 20 })
}

async function find(key: string, more = '', tenant = 'default') {
  const { data, errors } = await fixture.execute(
    `query ($key: String) { events(idempotencyKey: $key ${more}) { totalCount edges { node { id } } } }`,
    keys[tenant],
    { key },
  )
  expect(errors).toBeUndefined()
  return {
    total: data.events.totalCount,
    ids: data.events.edges.map(({ node }: { node: { id: string } }) => node.id).sort(),
  }
}

test('nothing is written, and no table created, for events that came without a key', async () => {
  await store(undefined, [{ event_id: 'none-1' }, { event_id: 'none-2' }])
  expect(await tables()).toEqual([])
  expect(await find('none-1')).toEqual({ total: 0, ids: [] })
})

test('the events of a request are found by its key, of whichever partition, day and trust class, and those of no other', async () => {
  const yesterday = new Date(Date.now() - DAY_MS).toISOString()
  await store('k-1', [
    ...Array.from({ length: 30 }, (_, i) => ({
      event_id: `k1-${i}`,
      actor: `u${i}`,
      name: i % 2 ? 'a' : 'b',
    })),
    { event_id: 'k1-old', received_at: yesterday, occurred_at: yesterday },
    { event_id: 'k1-public', trust: 'public' },
  ])
  await store('k-2', [{ event_id: 'k2' }])
  await store('k-1', [{ event_id: 'foreign', tenant: 'other' }])
  await store(undefined, [{ event_id: 'plain' }])

  const all = await find('k-1', ', first: 100')
  expect(all.total).toBe(32)
  const named = Array.from({ length: 30 }, (_, i) => `k1-${i}`)
  expect(all.ids).toEqual([...named, 'k1-old', 'k1-public'].sort())
  expect(await find('k-2')).toEqual({ total: 1, ids: ['k2'] })
  expect(await find('k-1', '', 'other')).toEqual({ total: 1, ids: ['foreign'] })
  expect(await find('K-1')).toEqual({ total: 0, ids: [] })
  // With other conditions, and page by page.
  expect((await find('k-1', ', name: "a"')).total).toBe(15)
  const today = new Date(Math.floor(Date.now() / DAY_MS) * DAY_MS).toISOString()
  expect((await find('k-1', `, startTime: "${today}"`)).total).toBe(31)
  expect((await find('k-1', `, endTime: "${today}"`)).ids).toEqual(['k1-old'])
  expect((await find('k-1', ', first: 2')).ids).toHaveLength(2)
  // A row for each key, day and batch, not for each event.
  const [{ n, bytes }] = await rows(
    'SELECT count(*)::int AS n, sum(pg_column_size(k.*))::int AS bytes FROM event_idempotency k',
  )
  expect(n).toBeLessThan(20)
  expect(bytes / 34).toBeLessThan(60)
})

test('a duplicate, and a hash that no edge makes, are stored without a key', async () => {
  await store('k-3', [{ event_id: 'first' }])
  const again = rawRecord({ event_id: 'first' })
  const withKey = async (record: typeof again, idempotency: unknown) => ({
    ...record,
    value: Buffer.from(JSON.stringify({ ...JSON.parse(record.value.toString()), idempotency })),
  })
  await fixture.log.append(TOPICS.raw.name, [
    await withKey(again, await idempotencyHash('default', 'server', 'k-4')),
  ])
  const odd = ['short', 7, null, 'g'.repeat(16)]
  await fixture.log.append(
    TOPICS.raw.name,
    await Promise.all(odd.map((hash, i) => withKey(rawRecord({ event_id: `odd-${i}` }), hash))),
  )
  const stored = async () =>
    (await rows("SELECT count(*)::int AS n FROM event WHERE client_event_id LIKE 'odd-%'"))[0].n
  await expect.poll(stored).toBe(odd.length)
  await expect
    .poll(async () => (await rows('SELECT sum(duplicate)::int AS n FROM outcome_minute'))[0].n)
    .toBe(1)
  expect((await find('k-3')).ids).toEqual(['first'])
  expect((await find('k-4')).ids).toEqual([])
})

test('keys go with the events of their day', async () => {
  const old = new Date(Date.now() - 5 * DAY_MS).toISOString()
  await store('k-old', [{ event_id: 'old', received_at: old, occurred_at: old }])
  expect((await find('k-old')).ids).toEqual(['old'])
  const before = (await tables()).length
  const { pool } = fixture.database
  await createPartitionMaintenance({ pool, retentionDays: 6 }).run()
  expect((await tables()).length).toBe(before)
  await rows("UPDATE log_lease SET applied_through = 'infinity'")
  await createPartitionMaintenance({ pool, retentionDays: 4 }).run()
  expect((await tables()).length).toBe(before - 1)
  expect(await find('k-old')).toEqual({ total: 0, ids: [] })
  expect((await find('k-1')).total).toBe(32)
})
