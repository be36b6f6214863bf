import { expect, test } from 'vitest'
import { LIMITS } from '../../../contract/limits.ts'
import { type RecordFields, rawRecord, rawValue } from '../../../tests/lib/records.ts'
import { eventUuid } from '../../db/event-uuid.ts'
import type { LogRecord, NewRecord } from '../../log/log.ts'
import type { PoisonReasons } from '../write/poison-records.ts'
import { decodeBatch } from './decode.ts'
import { type Decoded, recordOf, splitDecoded } from './decoded.ts'
import { createTenants } from './tenant-settings.ts'

const DAY_MS = 86_400_000
const NOW_MS = Date.parse('2026-11-21T09:00:00Z')
const AGE_MAX_S = 3_600

const iso = (ms: number) => new Date(ms).toISOString()
const tenants = () =>
  createTenants(async () => ({
    rows: [{ tenant_id: 7, slug: 'default', event_age_max_s: AGE_MAX_S }],
  }))

/** @param logged when the log took the record */
async function decode(
  sent: NewRecord,
  {
    logged = NOW_MS,
    poisoned = new Map() as PoisonReasons,
    ageDaysMax = undefined as number | undefined,
  } = {},
): Promise<Decoded> {
  const { key, value } = sent
  const record: LogRecord = { partition: 3, offset: 41, timestamp: logged, key, value }
  const [decoded] = await decodeBatch(
    { partitions: [{ partition: 3, baseOffset: 41, nextOffset: 42, records: [record] }] } as never,
    tenants(),
    poisoned,
    { nowMs: NOW_MS, ageDaysMax },
  )
  expect(recordOf(decoded as Decoded)).toBe(record)
  return decoded as Decoded
}
const event = (fields: RecordFields = {}) => rawRecord({ received_at: iso(NOW_MS), ...fields })
const reasonOf = async (...args: Parameters<typeof decode>) => {
  const decoded = await decode(...args)
  return decoded.kind === 'event' ? 'event' : decoded.deadLetter.reason
}

test('an event of a server becomes a row with everything it carries', async () => {
  const id = '0192A1B2-0000-7000-8000-000000000001'
  const sent = event({
    event_id: id,
    occurred_at: '2026-11-21T08:59:00.123456Z',
    client_occurred_at: '2026-11-21T08:58:00Z',
    historical: true,
    time: 'computed',
    properties: { a: 1 },
  })
  const decoded = await decode(sent)
  expect(decoded).toMatchObject({
    kind: 'event',
    row: {
      tenantId: 7,
      trust: 'server',
      eventId: id.toLowerCase(),
      clientEventId: null,
      receivedDay: Math.floor(NOW_MS / DAY_MS),
      received: { ms: NOW_MS, us: 0 },
      occurred: { ms: NOW_MS - 60_000 + 123, us: 456 },
      clientOccurred: { ms: NOW_MS - 120_000, us: 0 },
      timeIsComputed: true,
      historical: true,
      event: { event_id: id, name: 'page_view', properties: { a: 1 } },
      keyId: '0192a1b2-0000-7000-8000-000000000001',
      requestId: 'a-request',
    },
  })
})

test('what an event does not carry is absent from its row', async () => {
  const value = JSON.parse(String(event({ event_id: 'mine' }).value))
  const decoded = await decode(rawValue(JSON.stringify({ ...value, key: 'bootstrap' })))
  expect(decoded).toMatchObject({
    row: { clientEventId: 'mine', timeIsComputed: false, historical: false, keyId: null },
  })
  expect(decoded).toHaveProperty('row.clientOccurred', undefined)
  expect(decoded).toHaveProperty('row.eventId', eventUuid('mine'))
})

test('an id with a public key is never one of a server, and is kept as it was sent', async () => {
  const id = '0192a1b2-0000-7000-8000-000000000001'
  expect(await decode(event({ event_id: id, trust: 'public' }))).toMatchObject({
    row: { trust: 'public', clientEventId: id, eventId: eventUuid(id, 'public') },
  })
})

test.each([
  ['at the most in the future', LIMITS.futureSecondsMax * 1000, 'event'],
  [
    'a millisecond further in the future',
    LIMITS.futureSecondsMax * 1000 + 1,
    'OCCURRED_AT_IN_FUTURE',
  ],
  ['as old as the tenant takes', -AGE_MAX_S * 1000, 'event'],
  ['a millisecond older', -AGE_MAX_S * 1000 - 1, 'OCCURRED_AT_TOO_OLD'],
])('an event that occurred %s is judged by when it was received', async (_, ms, expected) => {
  expect(await reasonOf(event({ occurred_at: iso(NOW_MS + ms) }))).toBe(expected)
})

test('an event that is too old stays known, in case it is a duplicate; one of an import is stored', async () => {
  const old = { occurred_at: iso(NOW_MS - 2 * AGE_MAX_S * 1000) }
  expect(await decode(event(old))).toMatchObject({
    kind: 'dead-letter',
    deadLetter: {
      reason: 'OCCURRED_AT_TOO_OLD',
      detail: expect.stringContaining('7200 s before received_at'),
    },
    expired: { tenantId: 7, event: old },
  })
  expect(await reasonOf(event({ ...old, historical: true }))).toBe('event')
  const future = await decode(event({ occurred_at: iso(NOW_MS + 2_000_000) }))
  expect(future).not.toHaveProperty('expired')
  expect(future).toMatchObject({
    deadLetter: { detail: expect.stringContaining('occurred_at is 2000 s after received_at') },
  })
})

test.each([
  [
    'as long before the log took it as is believed',
    -LIMITS.receivedAgeDaysMax * DAY_MS,
    0,
    'event',
  ],
  [
    'a millisecond longer before',
    -LIMITS.receivedAgeDaysMax * DAY_MS - 1,
    0,
    'RECEIVED_AT_OUT_OF_RANGE',
  ],
  ['a day after the log took it', 0, -DAY_MS, 'event'],
  ['more than a day after', 0, -DAY_MS - 1, 'RECEIVED_AT_OUT_OF_RANGE'],
  ['a day after it is read', DAY_MS, DAY_MS, 'event'],
  ['more than a day after it is read', DAY_MS + 1, DAY_MS, 'RECEIVED_AT_OUT_OF_RANGE'],
  ['as many days ago as the log keeps', -40 * DAY_MS, -40 * DAY_MS, 'event'],
  ['longer ago', -40 * DAY_MS - 1, -40 * DAY_MS, 'RECEIVED_AT_OUT_OF_RANGE'],
])('a record received %s is judged by it', async (_, received, logged, expected) => {
  const at = iso(NOW_MS + received)
  expect(
    await reasonOf(rawRecord({ received_at: at, historical: true }), {
      logged: NOW_MS + logged,
      ageDaysMax: 40,
    }),
  ).toBe(expected)
})

test('a time received that is not believed is replaced by when the log took the record, within its bounds', async () => {
  const receivedOf = async (logged: number) => {
    const decoded = await decode(event({ received_at: iso(NOW_MS - 300 * DAY_MS) }), {
      logged: NOW_MS + logged,
      ageDaysMax: 40,
    })
    return decoded.kind === 'dead-letter' && decoded.deadLetter.receivedMs - NOW_MS
  }
  expect(await receivedOf(-5)).toBe(-5)
  expect(await receivedOf(9 * DAY_MS)).toBe(DAY_MS)
  expect(await receivedOf(-99 * DAY_MS)).toBe(-40 * DAY_MS)
})

test('a dead letter says whose it is, why, and what was sent', async () => {
  const sent = event({ tenant: 'nobody' })
  expect(await decode(sent)).toEqual({
    kind: 'dead-letter',
    deadLetter: {
      tenantId: null,
      reason: 'TENANT_UNKNOWN',
      detail: 'no such tenant',
      requestId: 'a-request',
      route: null,
      client: null,
      keyId: '0192a1b2-0000-7000-8000-000000000001',
      pointer: null,
      name: 'page_view',
      stamp: expect.stringMatching(/^\{"v":1,"tenant":"nobody",(?!.*"event")/),
      receivedMs: NOW_MS,
      eventId: JSON.parse(String(sent.value)).event.event_id,
      original: sent.value,
      record: expect.anything(),
    },
  })
  const value = JSON.parse(String(event({ occurred_at: iso(NOW_MS - 9e6) }).value))
  const stamped = { ...value, route: 'segment', client: 'sdk/1', original: 'as sent' }
  const dead = await decode(rawValue(JSON.stringify(stamped)))
  expect(dead).toMatchObject({ deadLetter: { tenantId: 7, route: 'segment', client: 'sdk/1' } })
  expect(dead.kind === 'dead-letter' && String(dead.deadLetter.original)).toBe('as sent')
})

const stamp = { v: 1, tenant: 'default', key: 'k', request_id: 'r', edge: 'e' }
const refused = [{ code: 'NAME_MISSING', pointer: '/name', detail: 'is missing' }]

test.each([
  ['text', { original: '{"x":"ä"}' }, '{"x":"ä"}'],
  [
    'bytes in base64',
    { original: Buffer.from([0xff, 0x00]).toString('base64'), base64: true },
    Buffer.from([0xff, 0x00]),
  ],
])('what the edge refused comes back as the %s that was sent', async (_, what, expected) => {
  const received_at = iso(NOW_MS - 5_000)
  const decoded = await decode(
    rawValue(JSON.stringify({ ...stamp, received_at, refused, ...what })),
  )
  expect(decoded).toMatchObject({
    kind: 'dead-letter',
    deadLetter: {
      tenantId: 7,
      reason: 'NAME_MISSING',
      receivedMs: NOW_MS - 5_000,
      original: Buffer.from(expected as string),
    },
  })
  const long = JSON.stringify({
    ...stamp,
    received_at: iso(NOW_MS - 400 * DAY_MS),
    refused,
    ...what,
  })
  expect(await decode(rawValue(long))).toMatchObject({ deadLetter: { receivedMs: NOW_MS } })
})

test('a value that is not UTF-8, or no record, is a dead letter with its bytes and the time of the log', async () => {
  const bytes = Buffer.from([0x22, 0xff, 0x22])
  expect(await decode(rawValue(bytes), { logged: NOW_MS - 7 })).toMatchObject({
    deadLetter: { tenantId: null, reason: 'NOT_UTF8', receivedMs: NOW_MS - 7, original: bytes },
  })
  expect(await reasonOf(rawValue('{'))).toBe('NOT_JSON')
  expect(await reasonOf(rawValue('"text"'))).toBe('NOT_A_RECORD')
})

test('a record that could not be written is a dead letter, bare where nothing of it can be trusted', async () => {
  const poisoned = (bare: boolean, offset = 41): PoisonReasons =>
    new Map([[`3:${offset}`, { bare, detail: `x\0${'y'.repeat(3_000)}` }]]) as PoisonReasons
  expect(await decode(event(), { poisoned: poisoned(false) })).toMatchObject({
    deadLetter: { reason: 'UNSTORABLE', tenantId: 7, requestId: 'a-request' },
  })
  const bare = await decode(event(), { poisoned: poisoned(true), logged: NOW_MS - 3 })
  expect(bare).toMatchObject({
    deadLetter: {
      reason: 'UNSTORABLE',
      tenantId: 7,
      requestId: null,
      receivedMs: NOW_MS - 3,
      detail: `x${'y'.repeat(1_999)}`,
    },
  })
  expect(await reasonOf(event(), { poisoned: poisoned(true, 42) })).toBe('event')
  expect(await decode(event({ tenant: 'nobody' }), { poisoned: poisoned(true) })).toMatchObject({
    deadLetter: { tenantId: null, reason: 'UNSTORABLE' },
  })
})

test('a batch is decoded in the order of the log, with one look-up of its tenants', async () => {
  const asked: unknown[] = []
  const directory = createTenants(async (_, values) => {
    asked.push(...values)
    return {
      rows: [{ tenant_id: 7, slug: 'default', event_age_max_s: AGE_MAX_S, schemas_version: 0 }],
    }
  })
  const records = Array.from({ length: 450 }, (_, i) => {
    const { key, value } =
      i % 3 === 0 ? rawValue('{') : event({ tenant: i % 2 ? 'default' : 'other' })
    return { partition: i % 2, offset: i, timestamp: NOW_MS, key, value }
  })
  const partitions = [0, 1].map((partition) => ({
    partition,
    baseOffset: 0,
    nextOffset: 450,
    records: records.filter((record) => record.partition === partition),
  }))
  let turns = 0
  const count = setImmediate(function again() {
    turns++
    setImmediate(again).unref()
  })
  const decoded = await decodeBatch({ partitions } as never, directory, new Map(), {
    nowMs: NOW_MS,
  })
  clearImmediate(count)
  expect(decoded.map(recordOf)).toEqual(partitions.flatMap((each) => each.records))
  expect(asked).toEqual([['other', 'default']])
  // The event loop had a turn within the batch.
  expect(turns).toBeGreaterThan(0)
})

test('an expired event keeps its place between the rows', async () => {
  const old = event({ occurred_at: iso(NOW_MS - 9e6) })
  const all = [
    await decode(event()),
    await decode(old),
    await decode(rawValue('{')),
    await decode(event()),
  ]
  const { rows, deadLetters, expired } = splitDecoded(all)
  expect(rows).toHaveLength(2)
  expect(deadLetters.map(({ reason }) => reason)).toEqual(['NOT_JSON'])
  expect(expired).toMatchObject([
    { rowsBefore: 1, deadLetter: { reason: 'OCCURRED_AT_TOO_OLD' }, row: { tenantId: 7 } },
  ])
})

test('a fault in the worker costs the record at hand and not the batch', async () => {
  let failures = 1
  const directory = tenants()
  const failing = {
    ...directory,
    get(slug: string) {
      if (failures-- > 0) throw new Error('a fault')
      return directory.get(slug)
    },
  }
  const records = [event(), event()].map(({ key, value }, offset) => ({
    ...{ partition: 0, offset, timestamp: NOW_MS, key, value },
  }))
  const batch = { partitions: [{ partition: 0, baseOffset: 0, nextOffset: 2, records }] }
  const found = await decodeBatch(batch as never, failing, new Map(), { nowMs: NOW_MS })
  expect(found).toMatchObject([
    {
      kind: 'dead-letter',
      deadLetter: { tenantId: 7, reason: 'UNSTORABLE', detail: 'Error: a fault', requestId: null },
    },
    { kind: 'event' },
  ])
})

test('what a tenant declares is derived from its events, and of an expired one too', async () => {
  const record = JSON.parse(String(event().value))
  const visited = { ...record, ua: 'Firefox/145', geo: { country: 'DE' } }
  const decodeFor = async (enrich: string[] | null, value: object) => {
    const directory = createTenants(async () => ({
      rows: [{ tenant_id: 7, slug: 'default', event_age_max_s: AGE_MAX_S, enrich }],
    }))
    const { key, value: bytes } = rawValue(JSON.stringify(value))
    const records = [{ partition: 0, offset: 0, timestamp: NOW_MS, key, value: bytes }]
    const batch = { partitions: [{ partition: 0, baseOffset: 0, nextOffset: 1, records }] }
    const [found] = await decodeBatch(batch as never, directory, new Map(), { nowMs: NOW_MS })
    return found as Decoded
  }
  expect(await decodeFor(['geo'], visited)).toMatchObject({
    row: { enrichment: { country: 'DE' }, event: { properties: {} } },
  })
  expect(await decodeFor(['browser', 'geo'], visited)).toMatchObject({
    row: { enrichment: { browser: 'Firefox', country: 'DE' } },
  })
  for (const [declared, value] of [
    [null, visited],
    [[], visited],
    [['of a later version'], visited],
    // From an edge that does not know visitors yet.
    [['geo', 'browser'], record],
  ] as const)
    expect(await decodeFor(declared as string[] | null, value)).toHaveProperty(
      'row.enrichment',
      undefined,
    )
  const old = { ...visited, event: { ...visited.event, occurred_at: iso(NOW_MS - 9e6) } }
  expect(await decodeFor(['geo'], old)).toMatchObject({
    kind: 'dead-letter',
    expired: { enrichment: { country: 'DE' } },
  })
})
