import type pg from 'pg'
import { expect, test } from 'vitest'
import { LIMITS } from '../../../contract/limits.ts'
import type { DeadLetter, EventRow, ExpiredEvent } from '../decode/decoded.ts'
import { eventRow, RECEIVED_MS } from '../testing/event-rows.ts'
import { splitConflicting } from './conflicts.ts'
import { deduplicate } from './deduplicate.ts'
import { copyOf, eventKey, findCopy } from './find-stored.ts'

// The rules of one batch; deduplicate.test.ts has the same ones with what Postgres stores.

const DAY_MS = 86_400_000
const HORIZON_MS = LIMITS.dedupeDays * DAY_MS
const ID = '0192a1b2-0000-7000-8000-0000000000aa'
const OTHER_ID = '0192a1b2-0000-7000-8000-0000000000bb'

const same = (ms = 0, fields: Partial<EventRow> = {}) => {
  const received = { ms: RECEIVED_MS + ms, us: 0 }
  return eventRow({ eventId: ID, received, occurred: received, ...fields })
}

interface Stored {
  tenant: number
  id: string
  ms: number
}
/** A Postgres that holds these copies, and calls these rows of `FIND_CONFLICTING` different. */
function database(stored: Stored[] = [], conflicting: number[] = []) {
  const queries: { text: string; values: unknown[] }[] = []
  const client = {
    async query(query: string | pg.QueryConfig, values: unknown[] = []) {
      const found = typeof query === 'string' ? { text: query, values } : query
      queries.push(found as { text: string; values: unknown[] })
      if (typeof query !== 'string') return { rows: conflicting.map((n) => ({ n })) }
      const [tenants, ids] = values.map((list) => String(list).slice(1, -1).split(','))
      const wanted = ids?.map((id, i) => `${tenants?.[i]} ${id}`) ?? []
      return {
        rows: stored
          .filter(({ tenant, id }) => wanted.includes(`${tenant} ${id}`))
          .map(({ tenant, id, ms }) => ({ tenant, id, us: (RECEIVED_MS + ms) * 1000 })),
      }
    },
  } as unknown as pg.Client
  return { client, queries }
}
const encode = (rows: readonly EventRow[]) => Buffer.from(`${rows.length} rows`)
const split = (rows: EventRow[], stored: Stored[] = [], expired: ExpiredEvent[] = []) =>
  deduplicate(database(stored).client, { rows, expired }, { encode })

test('a copy counts within the horizon in both directions, to the microsecond', () => {
  const row = same()
  const at = (us: number) => findCopy([{ receivedUs: RECEIVED_MS * 1000 + us }], row)
  expect(at(HORIZON_MS * 1000)).toBeDefined()
  expect(at(-HORIZON_MS * 1000)).toBeDefined()
  expect(at(HORIZON_MS * 1000 + 1)).toBeUndefined()
  expect(at(-HORIZON_MS * 1000 - 1)).toBeUndefined()
  expect(findCopy(undefined, row)).toBeUndefined()
  expect(copyOf(same(0, { received: { ms: 3, us: 7 } })).receivedUs).toBe(3007)
  expect(eventKey({ tenantId: 1, eventId: 'x' })).not.toBe(eventKey({ tenantId: 2, eventId: 'x' }))
})

test('of the same event in a batch the first one is new, and other tenants and ids are events of their own', async () => {
  const [first, again, other, tenant] = [
    same(),
    same(5),
    same(0, { eventId: OTHER_ID }),
    same(0, { tenantId: 2 }),
  ]
  const found = await split([first, again, other, tenant])
  expect(found.newRows).toEqual([first, other, tenant])
  expect(found.duplicates).toEqual([again])
  expect(found.conflicting).toEqual([])
})

test('an event that is stored within the horizon is a duplicate, and beyond it is new', async () => {
  const stored = [{ tenant: 1, id: ID, ms: -HORIZON_MS }]
  const [within, beyond] = [same(), same(1)]
  expect(await split([within], stored)).toMatchObject({ newRows: [], duplicates: [within] })
  expect(await split([beyond], stored)).toMatchObject({ newRows: [beyond], duplicates: [] })
  // One of several copies is enough.
  const several = [-2 * HORIZON_MS, -HORIZON_MS, -3 * HORIZON_MS].map((ms) => ({
    tenant: 1,
    id: ID,
    ms,
  }))
  expect(await split([within], several)).toMatchObject({ newRows: [], duplicates: [within] })
})

test('copies of one key that lie further apart than the horizon are new, each with its own duplicates', async () => {
  const far = 2 * HORIZON_MS
  const rows = [same(0), same(far), same(far + 5), same(5), same(2 * far)]
  const found = await split(rows)
  expect(found.newRows).toEqual([rows[0], rows[1], rows[4]])
  expect(
    found.duplicates.map(({ received }) => received.ms - RECEIVED_MS).sort((a, b) => a - b),
  ).toEqual([5, far + 5])
  // Of three rounds, only the first could have encoded all rows.
  expect(found.encoded).toBeUndefined()
})

test('the first row of a key being a duplicate does not make the later ones new', async () => {
  const rows = [same(0), same(5), same(7)]
  const found = await split(rows, [{ tenant: 1, id: ID, ms: 0 }])
  expect(found).toMatchObject({ newRows: [], duplicates: rows, encoded: undefined })
})

test('rows of one day without a stored copy come encoded, and those of two days do not', async () => {
  expect((await split([same(), same(5)])).encoded?.toString()).toBe('1 rows')
  expect((await split([same(), same(DAY_MS, { eventId: OTHER_ID })])).encoded).toBeUndefined()
  expect(
    (await split([same(), same(0, { eventId: OTHER_ID })], [{ tenant: 1, id: ID, ms: 0 }])).encoded,
  ).toBeUndefined()
  expect((await split([])).encoded).toBeUndefined()
})

test('copies are looked for on every day of the horizon, around the day of each row', async () => {
  const { client, queries } = database()
  await deduplicate(
    client,
    { rows: [same(), same(DAY_MS, { eventId: OTHER_ID, tenantId: 9 })], expired: [] },
    { encode },
  )
  expect(queries.map(({ values }) => values)).toEqual([
    ['{1}', `{${ID}}`],
    ['{9}', `{${OTHER_ID}}`],
  ])
  const days = queries[0]?.text.match(/DATE '[\d-]+'/g) ?? []
  expect(days).toHaveLength(2 * LIMITS.dedupeDays + 1)
  const iso = (ms: number) => new Date(ms).toISOString().slice(0, 10)
  expect(days[0]).toContain(iso(RECEIVED_MS - HORIZON_MS))
  expect(days.at(-1)).toContain(iso(RECEIVED_MS + HORIZON_MS))
})

test('an expired event is a duplicate of a stored one or of one before it in the log, else a dead letter', async () => {
  const letter = (name: string) => ({ detail: name }) as DeadLetter
  const expire = (row: EventRow, rowsBefore: number, name: string): ExpiredEvent => ({
    row,
    rowsBefore,
    deadLetter: letter(name),
  })
  const rows = [same(), same(0, { eventId: OTHER_ID })]
  const found = await split(
    rows,
    [{ tenant: 5, id: ID, ms: 0 }],
    [
      expire(same(1), 1, 'after its event'),
      expire(same(1), 0, 'before its event'),
      expire(same(1, { eventId: OTHER_ID }), 1, 'before the other event'),
      expire(same(1, { tenantId: 5 }), 0, 'stored'),
      expire(same(HORIZON_MS + 1), 2, 'beyond the horizon'),
      expire(same(1, { tenantId: 6 }), 2, 'of another tenant'),
    ],
  )
  expect(found.deadLetters.map(({ detail }) => detail)).toEqual([
    'before its event',
    'before the other event',
    'beyond the horizon',
    'of another tenant',
  ])
  expect(found.newRows).toEqual(rows)
  expect(found.duplicates).toHaveLength(2)
})

test('only the duplicates that are asked for are counted', async () => {
  const rows = [same(), same(1), same(2)]
  const isCounted = (row: EventRow) => row === rows[2]
  const found = await deduplicate(database().client, { rows, expired: [] }, { encode, isCounted })
  expect(found).toMatchObject({ newRows: [rows[0]], duplicates: [rows[2]] })
})

const event = { event_id: 'e', name: 'order', occurred_at: '', properties: { a: 1, b: { c: 2 } } }
const full = { ...event, value: 1, actor: 'u', session: 's', source: 'w', schema_version: '1' }
const conflicts = async (first: Partial<EventRow>, again: Partial<EventRow>) => {
  const row = same(1, again)
  const copy = { receivedUs: 0, row: same(0, first) }
  const found = await splitConflicting(database().client, [{ row, copy }])
  expect(found.same.length + found.conflicting.length).toBe(1)
  return found.conflicting.length === 1
}

test.each([
  ['another name', { name: 'visit' }],
  ['another value', { value: 2 }],
  ['no value', { value: undefined }],
  ['another actor', { actor: 'v' }],
  ['another session', { session: 't' }],
  ['another source', { source: 'x' }],
  ['another schema version', { schema_version: '2' }],
  ['another property', { properties: { a: 1, b: { c: 3 } } }],
  ['a property less', { properties: { a: 1 } }],
  ['a context', { context: { ip: '::1' } }],
])('a repetition with %s conflicts', async (_, changed) => {
  expect(await conflicts({ event: full }, { event: { ...full, ...changed } })).toBe(true)
  expect(await conflicts({ event: { ...full, ...changed } }, { event: full })).toBe(true)
})

test.each([
  ['its members in another order', { properties: { b: { c: 2 }, a: 1 } }],
  ['-0 for 0', { properties: { a: 1, b: { c: 2 }, z: -0 } }],
  ['an empty context', { context: {} }],
  [
    'what an attempt to send adds',
    { context: { sentAt: 1, sent_at: 2, created_at: 3, _metadata: {} } },
  ],
])('a repetition with %s does not conflict', async (_, changed) => {
  const first = {
    ...full,
    ...('properties' in changed &&
      'z' in (changed.properties ?? {}) && { properties: { a: 1, b: { c: 2 }, z: 0 } }),
  }
  expect(await conflicts({ event: first }, { event: { ...first, ...changed } })).toBe(false)
})

test('a time counts where the client gave one that is the same at each try', async () => {
  const at = (ms: number, us = 0) => ({ occurred: { ms, us } })
  const corrected = (ms: number, us = 0) => ({ clientOccurred: { ms, us }, ...at(ms + 50) })
  expect(await conflicts(at(1), at(1))).toBe(false)
  expect(await conflicts(at(1), at(2))).toBe(true)
  expect(await conflicts(at(1, 1), at(1, 2))).toBe(true)
  // The client's own time, where it was corrected.
  expect(await conflicts(corrected(1), { ...corrected(1), ...at(99) })).toBe(false)
  expect(await conflicts(corrected(1), corrected(2))).toBe(true)
  expect(await conflicts({ ...corrected(1), ...at(7) }, { ...corrected(2), ...at(7) })).toBe(true)
  // Computed from the time of sending, or not given: then it is the time received.
  expect(await conflicts({ ...at(1), timeIsComputed: true }, at(2))).toBe(false)
  expect(await conflicts(at(1), { ...at(2), timeIsComputed: true })).toBe(false)
  expect(await conflicts({}, at(2))).toBe(false)
  const received = { ms: RECEIVED_MS, us: 3 }
  expect(await conflicts({ received, occurred: { ...received, us: 4 } }, at(2))).toBe(true)
})

test('Postgres compares with stored copies: one statement for each of their days, with everything a client sent', async () => {
  const rows = [
    same(0, {
      event: { ...full, context: { ip: 'x', sentAt: 1 } },
      clientOccurred: { ms: 7, us: 5 },
    }),
    same(0, { eventId: OTHER_ID, tenantId: 3, event }),
    same(0, { event }),
  ]
  const copyAt = (ms: number) => ({ receivedUs: (RECEIVED_MS + ms) * 1000 })
  const { client, queries } = database([], [1])
  const found = await splitConflicting(client, [
    { row: rows[0] as EventRow, copy: copyAt(0) },
    { row: rows[1] as EventRow, copy: copyAt(-10) },
    { row: rows[2] as EventRow, copy: copyAt(-DAY_MS) },
  ])
  expect(found).toEqual({ same: [rows[0], rows[2]], conflicting: [rows[1]] })
  expect(queries.map(({ values }) => values.at(-1))).toEqual([
    '2026-11-21T00:00:00.000Z',
    '2026-11-20T00:00:00.000Z',
  ])
  expect(queries[0]?.values.slice(0, -1)).toEqual([
    ...['{0,1}', '{1,3}', `{${ID},${OTHER_ID}}`, ['order', 'order'], '{1,NULL}', ['u', null]],
    ...[
      ['s', null],
      ['w', null],
      ['1', null],
    ],
    Array(2).fill('{"a":1,"b":{"c":2}}'),
    ...[['{"ip":"x"}', '{}'], '{7005,NULL}'],
  ])
})
