import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { normalise } from '../../../contract/event/normalise.ts'
import { uuidV7 } from '../../../contract/event/uuid.ts'
import { parseExactly } from '../../../contract/json/exact-parse.ts'
import { recordEncoder } from '../../../contract/log/record.ts'
import { recordKey, TOPICS } from '../../../contract/log/topics.ts'
import { anyJson, mutated, sentEvent } from '../../../contract/testing/arbitrary.ts'
import { expectedOf } from '../../../contract/testing/model.ts'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { countTotals, rawValue } from '../../../tests/lib/records.ts'
import type { Log, NewRecord } from '../../log/log.ts'
import { createPostgresLog } from '../../log/postgres/postgres-log.ts'
import { createWorker } from '../worker.ts'

const EVENTS = 4_000
const SEED = Number(process.env.FUZZ_SEED) || Math.floor(Math.random() * 2 ** 31)
const quiet = { info() {}, warn() {}, error() {} }

let database: TestDatabase
let log: Log
let running: Promise<void> | undefined
const stop = new AbortController()

beforeEach(async () => {
  database = await createTestDatabase()
  await database.pool.query("INSERT INTO tenant (slug) VALUES ('default'), ('other')")
  log = await createPostgresLog({ url: database.url })
})
afterEach(async () => {
  stop.abort()
  await running
  await log.close()
  await database.drop()
})

/** A record, and what must come of it. */
interface Sent {
  record: NewRecord
  /** As the row must read; undefined: a dead letter. */
  event?: Record<string, unknown>
  /** What its dead letter must hold, byte for byte. */
  original?: string
}

test('accepted = stored + duplicates + dead letters for any input, and every row reads as it was sent', async () => {
  console.info(`FUZZ_SEED=${SEED}`)
  const texts = fc.sample(
    fc.oneof({ weight: 9, arbitrary: sentEvent }, { weight: 1, arbitrary: anyJson }),
    { numRuns: EVENTS, seed: SEED },
  )
  const broken = fc.sample(mutated(sentEvent.map((event) => JSON.stringify(event))), {
    numRuns: 300,
    seed: SEED,
  })
  const sent = [
    ...texts.map((raw, i) => throughTheEdge(JSON.stringify(tamed(raw, i)), i)),
    // What only somebody who reaches the log could write there.
    ...broken.map((text, i) => ({ record: rawValue(tampered(text, i), `k${i}`) })),
  ]
  const again = sent.filter((_, i) => i % 5 === 0)
  const positions = await appendAll([...sent, ...again])
  const worker = createWorker({ databaseUrl: database.url, log, logger: quiet, concurrency: 2 })
  running = worker.run(stop.signal)
  const all = sent.length + again.length
  await expect.poll(settled, { timeout: 60_000, interval: 200 }).toBe(all)

  const { stored, duplicates, conflicting, dead, wrongRollups, double } = await countTotals(
    database.pool,
  )
  expect(stored + duplicates + conflicting + dead).toBe(all)
  expect([wrongRollups, double]).toEqual([0, 0])
  // Else it would prove nothing.
  expect(Math.min(stored, dead)).toBeGreaterThan(500)
  expect(duplicates).toBeGreaterThan(100)

  const rows = await storedRows()
  expect(rows.length).toBe(stored)
  for (const { key, ...row } of rows) expect(row).toEqual(rowOf(positions.get(key)?.event))
  const deadLetters = await readDeadLetters()
  for (const { key, original } of deadLetters) {
    const expected = positions.get(key)?.original
    if (expected !== undefined) expect(original).toBe(expected)
  }

  // What the log holds again, because it was truncated or written twice, contradicts nothing.
  const held = rows.map(({ key }) => positions.get(key) as Sent)
  await appendAll(held)
  await expect.poll(settled, { timeout: 60_000, interval: 200 }).toBe(all + held.length)
  const totals = await countTotals(database.pool)
  expect(totals).toMatchObject({ stored, duplicates: duplicates + held.length, conflicting, dead })
}, 120_000)

/** Huge sums depend on the order of their parts; other tests cover them. */
function tamed(raw: unknown, i: number): unknown {
  if (typeof raw !== 'object' || raw === null || !Object.hasOwn(raw, 'value')) return raw
  const { value } = raw as { value: unknown }
  return typeof value === 'number' && Math.abs(value) > 1e6 ? { ...raw, value: i } : raw
}

/** As the edge does it for a client that drops on 4xx. */
function throughTheEdge(text: string, i: number): Sent {
  const receivedMs = Date.now() - i
  const tenant = i % 2 ? 'default' : 'other'
  const historical = i % 3 !== 0 || undefined
  const received_at = new Date(receivedMs).toISOString()
  const encode = recordEncoder({
    v: 1,
    tenant,
    key: '0192a1b2-0000-7000-8000-000000000001',
    request_id: `r${i}`,
    received_at,
    edge: 'test',
    route: 'events',
    historical,
  })
  const sent = parseExactly(text)
  const id = uuidV7(receivedMs)
  const read = normalise(sent, { receivedAt: received_at, eventId: () => id })
  const expected = expectedOf(sent)
  expect(read.ok).toBe(expected !== undefined)
  if (!read.ok) {
    const value = encode.invalid({ refused: read.errors, original: text })
    return { record: rawValue(value, `${tenant}:r${i}`), original: text }
  }
  return {
    record: rawValue(encode.event(read.json, { original: text }), recordKey(tenant, read.event)),
    event: { tenant, event_id: id, occurred_at: received_at, ...expected },
    original: text,
  }
}

/** Half of them break an envelope that was good, the others are no record at all. */
function tampered(text: string, i: number): string {
  const received = new Date().toISOString()
  return i % 2
    ? text
    : `{"v":1,"tenant":"other","key":"k","request_id":"r","received_at":"${received}","edge":"e","event":${text}}`
}

async function appendAll(all: readonly Sent[]): Promise<Map<string, Sent>> {
  const keys = new Map<string, Sent>()
  for (let from = 0; from < all.length; from += 1_000) {
    const some = all.slice(from, from + 1_000)
    const positions = await log.append(
      TOPICS.raw.name,
      some.map(({ record }) => record),
    )
    positions.forEach(({ partition, offset }, i) => {
      keys.set(`${partition}:${offset}`, some[i] as Sent)
    })
  }
  return keys
}

async function settled(): Promise<number> {
  const { rows } = await database.pool.query(
    "SELECT coalesce(sum(next_offset), 0)::int AS read FROM log_position WHERE topic = 'events.raw'",
  )
  return rows[0].read
}

async function storedRows(): Promise<({ key: string } & Record<string, unknown>)[]> {
  const { rows } = await database.pool.query(`
    SELECT log_partition || ':' || log_offset AS key, t.slug AS tenant, client_event_id, event_id::text,
           e.name, actor, session, source, value, properties::text, context::text, schema_version,
           to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS occurred_at
      FROM event e JOIN tenant t USING (tenant_id)
     WHERE request_id <> 'r'`)
  return rows.map(({ client_event_id, event_id, ...row }) => ({
    ...row,
    // pg would read them with JSON.parse.
    properties: parseExactly(row.properties),
    context: row.context && parseExactly(row.context),
    event_id: client_event_id ?? event_id,
  }))
}

async function readDeadLetters(): Promise<{ key: string; original: string }[]> {
  const { rows } = await database.pool.query(
    "SELECT partition || ':' || log_offset AS key, original FROM dead_letter",
  )
  return rows.map(({ key, original }) => ({ key, original: original.toString('utf8') }))
}

/** With null for what is not there, and all digits of a second. */
function rowOf(event: Record<string, unknown> | undefined): Record<string, unknown> {
  const fields = ['actor', 'session', 'source', 'value', 'context', 'schema_version']
  const [whole, fraction = ''] = String(event?.occurred_at).slice(0, -1).split('.')
  return {
    ...Object.fromEntries(fields.map((field) => [field, null])),
    ...event,
    occurred_at: `${whole}.${fraction.padEnd(6, '0')}Z`,
  }
}
