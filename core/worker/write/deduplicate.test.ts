import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { TOPICS } from '../../../contract/log/topics.ts'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { type RecordFields, rawRecord } from '../../../tests/lib/records.ts'
import type { Log } from '../../log/log.ts'
import { createPostgresLog } from '../../log/postgres/postgres-log.ts'
import { createWorker } from '../worker.ts'

const PARTITION = 3
const HOUR_MS = 3_600_000

let database: TestDatabase
let log: Log
let running: Promise<void>
const stop = new AbortController()
/** Of each test its own. */
let tenant: string

beforeAll(async () => {
  database = await createTestDatabase()
  log = await createPostgresLog({ url: database.url })
  const logger = { info() {}, warn() {}, error() {} }
  running = createWorker({ databaseUrl: database.url, log, logger }).run(stop.signal)
})
afterAll(async () => {
  stop.abort()
  await running
  await log.close()
  await database.drop()
})
beforeEach(async () => {
  const { rows } = await database.pool.query(
    "INSERT INTO tenant (slug) SELECT 'tenant-' || count(*) FROM tenant RETURNING slug",
  )
  tenant = rows[0].slug
})

/** Each batch is written before the next one is in the log. @returns the outcomes of the test's tenant */
async function write(...batches: RecordFields[][]) {
  for (const batch of batches) {
    const [last] = (
      await log.append(
        TOPICS.raw.name,
        batch.map((fields) => ({ ...rawRecord({ tenant, ...fields }), partition: PARTITION })),
      )
    ).slice(-1)
    await expect.poll(position).toBe(Number(last?.offset) + 1)
  }
  const { rows } = await database.pool.query(
    `SELECT sum(stored)::int AS stored, sum(duplicate)::int AS duplicate, sum(conflicting)::int AS conflicting,
            sum(dead)::int AS dead
       FROM outcome_minute JOIN tenant USING (tenant_id) WHERE slug = $1`,
    [tenant],
  )
  return rows[0]
}

async function position(): Promise<number> {
  const { rows } = await database.pool.query(
    'SELECT next_offset::int AS next FROM log_position WHERE topic = $1 AND partition = $2',
    [TOPICS.raw.name, PARTITION],
  )
  return rows[0].next
}

/** RFC 3339, so long before now. */
const ago = (ms: number) => new Date(NOW - ms).toISOString()
const NOW = Date.now()

describe.each([
  ['in one batch', (events: RecordFields[]) => write(events)],
  ['in two batches', (events: RecordFields[]) => write(...events.map((event) => [event]))],
] as const)('an id that comes again %s', (_, send) => {
  test('is a duplicate for 48 hours after the first was received, and counts again after them', async () => {
    const at = (ms: number, event_id = 'e'): RecordFields => ({
      event_id,
      received_at: ago(60 * HOUR_MS - ms),
      occurred_at: ago(60 * HOUR_MS),
    })
    expect(await send([at(0), at(48 * HOUR_MS)])).toMatchObject({ stored: 1, duplicate: 1 })
    const beyond = [
      at(0, 'f'),
      at(47 * HOUR_MS, 'f'),
      at(48 * HOUR_MS + 1, 'f'),
      at(50 * HOUR_MS, 'f'),
    ]
    expect(await send(beyond)).toMatchObject({ stored: 3, duplicate: 3, conflicting: 0, dead: 0 })
  })

  test('is a duplicate over two midnights', async () => {
    const midnight = Date.parse(`${ago(24 * HOUR_MS).slice(0, 10)}T00:00:00Z`)
    const at = (ms: number) => new Date(midnight + ms).toISOString()
    const sent = [-60_000, 24 * HOUR_MS - 60_000].map((ms) => ({
      event_id: 'e',
      received_at: at(ms),
      occurred_at: at(-60_000),
    }))
    const next = { ...(sent[0] as RecordFields), received_at: ago(0) }
    expect(await send([...sent, next])).toMatchObject({ stored: 1, duplicate: 2 })
  })

  test('is compared with the first also where midnight lies between them', async () => {
    const midnight = Date.parse(`${ago(24 * HOUR_MS).slice(0, 10)}T00:00:00Z`)
    const at = (ms: number, value: number): RecordFields => ({
      event_id: 'e',
      value,
      occurred_at: new Date(midnight - 60_000).toISOString(),
      received_at: new Date(midnight + ms).toISOString(),
    })
    const sent = [at(-60_000, 1), at(60_000, 2), at(90_000, 1), at(20 * HOUR_MS, 2)]
    expect(await send(sent)).toEqual({ stored: 1, duplicate: 1, conflicting: 2, dead: 0 })
  })

  test('from two tenants is two events', async () => {
    await database.pool.query("INSERT INTO tenant (slug) VALUES ($1 || '-other')", [tenant])
    const event_id = 'order-1'
    const events = [{ event_id }, { event_id, tenant: `${tenant}-other` }, { event_id }]
    expect(await send(events)).toMatchObject({ stored: 1, duplicate: 1 })
  })

  test('with a public key leaves the id of a server free, and each counts once', async () => {
    const event_id = 'order-1001'
    const visitor = { event_id, trust: 'public', value: 0.01, actor: 'attacker' } as const
    const shop = { event_id, value: 4_990, actor: 'real' }
    expect(await send([visitor, shop, visitor, shop])).toEqual({
      stored: 2,
      duplicate: 2,
      conflicting: 0,
      dead: 0,
    })
    const { rows } = await database.pool.query(
      `SELECT trust_class, client_event_id, value FROM event JOIN tenant USING (tenant_id)
        WHERE slug = $1 ORDER BY value`,
      [tenant],
    )
    expect(rows).toEqual([
      { trust_class: 'public', client_event_id: event_id, value: 0.01 },
      { trust_class: null, client_event_id: event_id, value: 4_990 },
    ])
  })

  test('is a duplicate and no dead letter, even if it is too old by then', async () => {
    const old = { occurred_at: ago(40 * 24 * HOUR_MS), received_at: ago(HOUR_MS) }
    const outcome = await send([
      { event_id: 'never stored', ...old },
      { event_id: 'e', ...old, historical: true },
      { event_id: 'e', ...old, received_at: ago(0) },
      { event_id: 'never stored', ...old, received_at: ago(0) },
      { event_id: 'stored later', ...old },
      { event_id: 'stored later', ...old, historical: true },
    ])
    expect(outcome).toEqual({ stored: 2, duplicate: 1, conflicting: 0, dead: 3 })
  })

  test('is counted as conflicting where its content differs', async () => {
    const base: RecordFields = {
      event_id: 'e',
      name: 'order',
      occurred_at: ago(HOUR_MS),
      value: 1,
      actor: 'a',
      session: 's',
      source: 'shop',
      properties: { total: 1, items: ['x'] },
      context: { page: '/' },
      schema_version: '1',
    }
    const others: RecordFields[] = [
      { name: 'refund' },
      { occurred_at: ago(2 * HOUR_MS) },
      { value: 2 },
      { value: undefined },
      { actor: 'b' },
      { session: 't' },
      { source: 'pos' },
      { properties: { total: 1, items: ['x', 'y'] } },
      { context: { page: '/a' } },
      { context: undefined },
      { schema_version: '2' },
    ]
    const outcome = await send([base, ...others.map((other) => ({ ...base, ...other })), base])
    expect(outcome).toEqual({ stored: 1, duplicate: 1, conflicting: others.length, dead: 0 })
  })

  test('does not conflict where only the attempt to send it differs', async () => {
    const event_id = 'e'
    const context = { page: '/', sentAt: '2026-01-01T00:00:00Z', _metadata: { retryCount: 1 } }
    const at = ago(HOUR_MS)
    const pairs: [RecordFields, RecordFields][] = [
      // Without a time, an event has the time at which it was received.
      [{ received_at: at }, { received_at: ago(0) }],
      [{ properties: { a: 1, b: [-0] } }, { properties: { b: [0], a: 1 } }],
      [
        { occurred_at: at, client_occurred_at: ago(5 * HOUR_MS) },
        { occurred_at: ago(HOUR_MS - 5), client_occurred_at: ago(5 * HOUR_MS) },
      ],
      [
        { occurred_at: at, time: 'computed' },
        { occurred_at: ago(HOUR_MS - 7), time: 'computed' },
      ],
      [{ context }, { context: { ...context, sentAt: '2026-01-02T00:00:00Z', _metadata: {} } }],
      [{ context: { sentAt: 'x' } }, {}],
    ]
    const received_at = ago(0)
    const events = pairs.flatMap((pair, i) =>
      pair.map((fields) => ({ received_at, ...fields, event_id: `${event_id}${i}` })),
    )
    const count = pairs.length
    expect(await send(events)).toEqual({ stored: count, duplicate: count, conflicting: 0, dead: 0 })
  })

  test('is compared with what is stored, not with what came between', async () => {
    const [first, other] = [{ value: 1 }, { value: 2 }].map((of) => ({ event_id: 'e', ...of }))
    await write([first as RecordFields])
    const again = [other, first, other] as RecordFields[]
    expect(await send(again)).toEqual({ stored: 1, duplicate: 1, conflicting: 2, dead: 0 })
  })
})
