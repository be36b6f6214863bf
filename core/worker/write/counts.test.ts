import type pg from 'pg'
import { expect, test } from 'vitest'
import type { DeadLetter } from '../decode/decoded.ts'
import { eventRow, RECEIVED_MS } from '../testing/event-rows.ts'
import { upsertAggregates } from './aggregates.ts'
import { inTenantOrder } from './copy-rows.ts'
import { insertDeadLetters, markRecovered } from './dead-letters.ts'
import { NEVER_FINAL } from './finality.ts'
import { countKeyUse } from './key-use.ts'
import { type BatchOutcome, countOutcomes, totalOutcomes } from './outcomes.ts'
import { rollUp } from './roll-up.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
/** Received then; it occurred at a time that decides about no outcome and no key's use. */
const at = (ms: number, more = {}) =>
  eventRow({ received: { ms, us: 0 }, occurred: { ms: ms - 9 * HOUR_MS, us: 0 }, ...more })
const deadLetter = (fields: Partial<DeadLetter> = {}): DeadLetter => ({
  tenantId: 1,
  reason: 'NOT_JSON',
  detail: 'because',
  requestId: 'r',
  route: 'events',
  client: 'sdk',
  keyId: null,
  pointer: null,
  name: 'checkout',
  stamp: '{}',
  receivedMs: RECEIVED_MS,
  eventId: null,
  original: Buffer.from('sent'),
  record: eventRow().record,
  ...fields,
})
const nothing: BatchOutcome = {
  newRows: [],
  duplicates: [],
  conflicting: [],
  deadLetters: [],
  recovered: [],
}
/** Takes statements as Postgres would, and answers each with these rows. */
function recorder(rows: object[] = []) {
  const queries: pg.QueryConfig[] = []
  const client = {
    async query(query: pg.QueryConfig) {
      queries.push(query)
      return { rows }
    },
  } as unknown as pg.Client
  return { queries, client }
}

test('outcomes are counted by tenant and minute, each kind for itself, in the order of their key', () => {
  const minute = 100 * MINUTE_MS
  expect(
    countOutcomes({
      newRows: [at(minute + MINUTE_MS), at(minute), at(minute + MINUTE_MS - 1)],
      duplicates: [at(minute, { tenantId: 2 }), at(minute)],
      conflicting: [at(minute)],
      deadLetters: [
        deadLetter({ receivedMs: minute }),
        deadLetter({ receivedMs: minute, tenantId: 10 }),
        deadLetter({ receivedMs: minute, tenantId: null }),
      ],
      recovered: [{ tenantId: 2, receivedMs: minute + 5 }],
    }),
  ).toEqual([
    { tenantId: 1, minuteMs: minute, stored: 2, duplicate: 1, conflicting: 1, dead: 1 },
    { tenantId: 1, minuteMs: minute + MINUTE_MS, stored: 1, duplicate: 0, conflicting: 0, dead: 0 },
    { tenantId: 2, minuteMs: minute, stored: 0, duplicate: 1, conflicting: 0, dead: -1 },
    { tenantId: 10, minuteMs: minute, stored: 0, duplicate: 0, conflicting: 0, dead: 1 },
  ])
})

test('rows are copied by tenant, and those of a tenant in the order of the log', () => {
  const rows = [3, 1, 2_147_483_647, 1, 3].map((tenantId, i) => at(RECEIVED_MS + i, { tenantId }))
  expect(inTenantOrder(rows)).toEqual([1, 3, 0, 4, 2].map((i) => rows[i]))
  expect(inTenantOrder([])).toEqual([])
})

test('the total of a batch is the sum over its tenants, under a partition of its own', () => {
  const counts = [1, 2].map((tenantId) => ({
    ...{ tenantId, minuteMs: 0, stored: 1, duplicate: 2, conflicting: 3, dead: -4 },
  }))
  const record = { ...eventRow().record, partition: 4 }
  const total = { partition: 4, stored: 2, duplicate: 4, conflicting: 6, dead: -8 }
  expect(totalOutcomes({ ...nothing, duplicates: [at(0, { record })] }, counts)).toEqual([total])
  expect(totalOutcomes({ ...nothing, deadLetters: [deadLetter({ record })] }, counts)).toEqual([
    total,
  ])
  expect(totalOutcomes(nothing, [])).toEqual([])
})

test('the use of a key is counted by the hour over all lists, and events without a key in none', () => {
  const hour = HOUR_MS
  expect(
    countKeyUse(
      [at(hour, { keyId: 'a' }), at(2 * hour - 1, { keyId: 'a' }), at(2 * hour, { keyId: 'a' })],
      [at(hour, { keyId: 'b' }), at(hour, { keyId: null }), at(hour, { keyId: 'a' })],
    ),
  ).toEqual([
    { keyId: 'a', hourMs: hour, events: 3 },
    { keyId: 'a', hourMs: 2 * hour, events: 1 },
    { keyId: 'b', hourMs: hour, events: 1 },
  ])
})

test('one statement carries every sum, every outcome, the watermarks, the key use and what to tell readers', async () => {
  const { queries, client } = recorder()
  const row = (fields: object) => {
    const occurred = { ms: RECEIVED_MS, us: 0 }
    return at(RECEIVED_MS, { occurred, keyId: '0192a1b2-0000-7000-8000-000000000001', ...fields })
  }
  const event = { event_id: 'e', name: 'order', occurred_at: '', properties: {} }
  const newRows = [row({ event: { ...event, value: 2.5 } }), row({ tenantId: 3 })]
  const rollup = rollUp(newRows, {
    seriesId: ({ tenantId }) => 70 + tenantId,
    finality: (tenantId) =>
      tenantId === 3 ? { ...NEVER_FINAL, floorMs: RECEIVED_MS + 900_000 } : NEVER_FINAL,
  })
  const changed = await upsertAggregates(client, rollup, {
    ...nothing,
    newRows,
    duplicates: [row({})],
    conflicting: [row({})],
    deadLetters: [deadLetter({ tenantId: 4, receivedMs: RECEIVED_MS + 900_000 })],
  })
  const bucket = '2026-11-21T09:00:00.000Z'
  const minute = '2026-11-21T09:07:00.000Z'
  const later = '2026-11-21T09:22:00.000Z'
  const quarter = Math.floor(RECEIVED_MS / 900_000)
  expect(queries).toHaveLength(1)
  expect(queries[0]?.name).toBe('upsert_aggregates')
  expect(queries[0]?.values).toEqual([
    // rollup_15m
    ...['{1,3}', '{71,73}', `{${bucket},${bucket}}`, '{1,1}', '{1,0}', '{2.5,0}'],
    ...['{2.5,NULL}', '{2.5,NULL}', '{0,1}', '{NULL,now}'],
    // outcome_minute, outcome_total_by_partition
    ...['{1,3,4}', `{${minute},${minute},${later}}`],
    ...['{1,1,0}', '{1,0,0}', '{1,0,0}', '{0,0,1}'],
    ...['{0}', '{2}', '{1}', '{1}', '{1}'],
    // watermark
    ...['{1,3}', '{0,0}', `{${minute},${minute}}`],
    // key_use_hour
    ...['{0192a1b2-0000-7000-8000-000000000001}', `{${bucket}}`, '{4}'],
  ])
  // Where only an outcome changed too, and in the bucket in which the event occurred as well as in that of its receipt.
  expect(changed).toEqual(
    new Map([
      [1, new Set([quarter])],
      [3, new Set([quarter])],
      [4, new Set([quarter + 1])],
    ]),
  )
  const occurred = { ms: RECEIVED_MS - 3 * 900_000, us: 0 }
  const imported = [row({ occurred })]
  const context = { seriesId: () => 1, finality: () => NEVER_FINAL }
  expect(
    await upsertAggregates(client, rollUp(imported, context), { ...nothing, newRows: imported }),
  ).toEqual(new Map([[1, new Set([quarter - 3, quarter])]]))
})

test('a dead letter is stored with all it says, and shares its fingerprint with those of the same cause', async () => {
  const { queries, client } = recorder()
  const record = { ...eventRow().record, partition: 4, offset: 99 }
  const letters = [
    deadLetter({ record, detail: '12 s after 3' }),
    deadLetter({ record, detail: 'another', requestId: null, route: null }),
    deadLetter({ record, pointer: '/name' }),
    deadLetter({ record, detail: '9 s after 55', reason: 'NOT_UTF8' }),
  ]
  await insertDeadLetters(client, 'events.raw', letters)
  const values = queries[0]?.values as unknown[]
  const fingerprints = values[4] as string[]
  expect(values).toEqual([
    ...['events.raw', '{1,1,1,1}', letters.map(({ reason }) => reason)],
    ...[letters.map(({ detail }) => detail), expect.anything()],
    Array(4).fill(Buffer.from('sent')),
    ...['{4,4,4,4}', '{99,99,99,99}', ['r', null, 'r', 'r']],
    `{${Array(4).fill('2026-11-21T09:07:30.250Z').join(',')}}`,
    ...[['events', null, 'events', 'events'], Array(4).fill('sdk')],
    '{NULL,NULL,NULL,NULL}',
    ...['{NULL,NULL,NULL,NULL}', [null, null, '/name', null]],
    ...[Array(4).fill('checkout'), Array(4).fill('{}')],
  ])
  expect(fingerprints[0]).toMatch(/^[0-9a-f]{16}$/)
  expect(fingerprints[1]).toBe(fingerprints[0])
  expect(new Set(fingerprints).size).toBe(3)
})

test('recovered dead letters are looked for by partition and offset, and count where they have a tenant', async () => {
  const { queries, client } = recorder([
    { tenant: 1, ms: 5 },
    { tenant: null, ms: 6 },
  ])
  expect(await markRecovered(client, 'events.raw', [])).toEqual([])
  expect(queries).toEqual([])
  const row = eventRow({ record: { ...eventRow().record, partition: 4, offset: 99 } })
  expect(await markRecovered(client, 'events.raw', [row])).toEqual([{ tenantId: 1, receivedMs: 5 }])
  expect(queries[0]?.values).toEqual(['{4}', '{99}', 'events.raw'])
})
