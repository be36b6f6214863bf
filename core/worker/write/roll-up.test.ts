import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { EventRow } from '../decode/decoded.ts'
import { eventRow } from '../testing/event-rows.ts'
import { type FinalityView, mayBeFinal, NEVER_FINAL } from './finality.ts'
import { rollUp } from './roll-up.ts'

const QUARTER_MS = 15 * 60_000
const BASE_MS = Date.parse('2026-11-21T09:00:00Z')

interface At {
  occurred?: number
  received?: number
  came?: number
  value?: number
  partition?: number
  tenantId?: number
  name?: string
  historical?: boolean
}
/** Times in milliseconds after BASE_MS. */
function rowAt({
  occurred = 0,
  received = 10 * QUARTER_MS,
  came = received,
  ...more
}: At): EventRow {
  const { value, partition = 0, tenantId = 1, name = 'order', historical = false } = more
  return eventRow({
    tenantId,
    historical,
    occurred: { ms: BASE_MS + occurred, us: 0 },
    received: { ms: BASE_MS + received, us: 0 },
    event: {
      event_id: 'e',
      name,
      occurred_at: '',
      properties: {},
      ...(value !== undefined && { value }),
    },
    record: { partition, offset: 0, timestamp: BASE_MS + came, key: null, value: Buffer.alloc(0) },
  })
}
const SERIES: Record<string, number> = { order: 7, visit: 8 }
const roll = (rows: EventRow[], finality: Partial<FinalityView> = {}) =>
  rollUp(rows, {
    seriesId: ({ tenantId, event }) => 100 * tenantId + (SERIES[event.name] as number),
    finality: () => ({ ...NEVER_FINAL, ...finality }),
  })
const bucket = (fields: object) => ({
  tenantId: 1,
  seriesId: 107,
  bucketMs: BASE_MS,
  count: 1,
  valueCount: 0,
  sum: 0,
  min: null,
  max: null,
  lateCount: 0,
  revised: false,
  ...fields,
})

test('a bucket counts its events, and adds up those that have a value', () => {
  const rows = [{}, { value: 2.5 }, { value: -4 }, { value: 0 }, { value: 3 }].map(rowAt)
  expect(roll(rows).buckets).toEqual([
    bucket({ count: 5, valueCount: 4, sum: 1.5, min: -4, max: 3 }),
  ])
  expect(roll([rowAt({ value: 5 })]).buckets).toEqual([
    bucket({ valueCount: 1, sum: 5, min: 5, max: 5 }),
  ])
})

test('a bucket begins with its first millisecond and ends before that of the next, before 1970 too', () => {
  const found = roll([-1, 0, QUARTER_MS - 1, QUARTER_MS].map((occurred) => rowAt({ occurred })))
  expect(found.buckets.map(({ bucketMs, count }) => [bucketMs - BASE_MS, count])).toEqual([
    [-QUARTER_MS, 1],
    [0, 2],
    [QUARTER_MS, 1],
  ])
  expect(roll([rowAt({ occurred: -BASE_MS - 1 })]).buckets[0]?.bucketMs).toBe(-QUARTER_MS)
})

test('buckets and watermarks come in the order of their keys, whatever the order of the events', () => {
  const rows = [
    { tenantId: 2, occurred: QUARTER_MS, partition: 1 },
    { tenantId: 2, occurred: 0, partition: 0 },
    { tenantId: 1, name: 'visit', partition: 5 },
    { tenantId: 1, occurred: QUARTER_MS, partition: 2 },
    { tenantId: 1, occurred: 0, partition: 11 },
  ].map(rowAt)
  const { buckets, highest } = roll(rows)
  expect(
    buckets.map(({ tenantId, seriesId, bucketMs }) => [tenantId, seriesId, bucketMs - BASE_MS]),
  ).toEqual([
    [1, 107, 0],
    [1, 107, QUARTER_MS],
    [1, 108, 0],
    [2, 207, 0],
    [2, 207, QUARTER_MS],
  ])
  expect(highest.map(({ tenantId, partition }) => [tenantId, partition])).toEqual([
    [1, 2],
    [2, 1],
  ])
})

const MINUTE_MS = 60_000

test('the watermark of a tenant is the minute of its highest event, each held to when it was received and logged', () => {
  const highestOf = (...minutes: At[]) =>
    roll(
      minutes.map(({ occurred = 0, received = 900, came = 900, ...rest }) =>
        rowAt({
          occurred: occurred * MINUTE_MS,
          received: received * MINUTE_MS,
          came: came * MINUTE_MS,
          ...rest,
        }),
      ),
    ).highest.map(({ ms, partition }) => [(ms - BASE_MS) / MINUTE_MS, partition])
  expect(
    highestOf(
      { occurred: 5, partition: 1 },
      { occurred: 9, partition: 2 },
      { occurred: 7, partition: 3 },
    ),
  ).toEqual([[9, 2]])
  expect(highestOf({ occurred: 500, received: 100, came: 200 })).toEqual([[100, 0]])
  expect(highestOf({ occurred: 500, received: 300, came: 200 })).toEqual([[200, 0]])
  expect(highestOf({ occurred: 50, received: 300, came: 200 })).toEqual([[50, 0]])
  expect(highestOf({ occurred: 6 - 1 / MINUTE_MS })).toEqual([[5, 0]])
  expect(highestOf({ occurred: -1 / MINUTE_MS })).toEqual([[-1, 0]])
})

test('a watermark is written only where a batch moves it beyond what is stored', () => {
  const moved = (occurred: number) =>
    roll([rowAt({ occurred })], { highestMs: BASE_MS + MINUTE_MS }).highest.length
  expect([moved(MINUTE_MS), moved(2 * MINUTE_MS - 1), moved(2 * MINUTE_MS)]).toEqual([0, 0, 1])
})

test('an event is late exactly when its bucket ended at the watermark before it, less the allowed lateness', () => {
  const late = (highestMs: number, allowedLatenessMs = 0) =>
    roll([rowAt({ came: 90 * QUARTER_MS, received: 90 * QUARTER_MS })], {
      highestMs: BASE_MS + highestMs,
      allowedLatenessMs,
    }).buckets[0]
  expect(late(QUARTER_MS - 1)).toMatchObject({ lateCount: 0, revised: false })
  expect(late(QUARTER_MS)).toMatchObject({ lateCount: 1, revised: true })
  expect(late(QUARTER_MS + 999, 1_000)).toMatchObject({ lateCount: 0, revised: false })
  expect(late(QUARTER_MS + 1_000, 1_000)).toMatchObject({ lateCount: 1, revised: true })
})

test('events earlier in the batch move the watermark of their tenant, and of no other', () => {
  const ahead = rowAt({ occurred: QUARTER_MS, partition: 1 })
  expect(roll([ahead, rowAt({})]).buckets[0]).toMatchObject({ lateCount: 1 })
  expect(roll([rowAt({}), ahead]).buckets[0]).toMatchObject({ lateCount: 0 })
  expect(roll([rowAt({ tenantId: 2, occurred: QUARTER_MS }), rowAt({})]).buckets[0]).toMatchObject({
    lateCount: 0,
  })
  // A later event that is older moves nothing back.
  expect(roll([ahead, rowAt({ occurred: 5 }), rowAt({})]).buckets[0]).toMatchObject({
    count: 2,
    lateCount: 2,
  })
})

test('a historical event revises a final bucket and is never late', () => {
  const [found] = roll([rowAt({ historical: true }), rowAt({ historical: true })], {
    highestMs: BASE_MS + QUARTER_MS,
  }).buckets
  expect(found).toMatchObject({ count: 2, lateCount: 0, revised: true })
})

test('waiting in the log makes no event late, except where every partition was applied beyond it', () => {
  const view = { ...NEVER_FINAL, allowedLatenessMs: 0 }
  const seenMs = 10 * QUARTER_MS
  expect(mayBeFinal(0, { seenMs, cameMs: QUARTER_MS - 1 }, view)).toBe(false)
  expect(mayBeFinal(0, { seenMs, cameMs: QUARTER_MS }, view)).toBe(true)
  expect(mayBeFinal(0, { seenMs, cameMs: 0 }, { ...view, appliedThroughMs: QUARTER_MS })).toBe(true)
  expect(mayBeFinal(0, { seenMs: 0, cameMs: seenMs }, { ...view, appliedThroughMs: seenMs })).toBe(
    false,
  )
  expect(mayBeFinal(0, { seenMs: 0, cameMs: 0 }, { ...view, floorMs: QUARTER_MS })).toBe(true)
  expect(mayBeFinal(0, { seenMs: 0, cameMs: 0 }, { ...view, floorMs: QUARTER_MS - 1 })).toBe(false)
})

test('the sums of a batch are those of a recount, however it is ordered', () => {
  const row = fc
    .record({
      occurred: fc.integer({ min: -3 * QUARTER_MS, max: 3 * QUARTER_MS }),
      tenantId: fc.integer({ min: 1, max: 2 }),
      name: fc.constantFrom('order', 'visit'),
      value: fc.option(fc.integer({ min: -9, max: 9 }), { nil: undefined }),
    })
    .map(rowAt)
  fc.assert(
    fc.property(fc.array(row, { maxLength: 40 }), (rows) => {
      const { buckets } = roll(rows)
      for (const found of buckets) {
        const own = rows.filter(
          ({ tenantId, event, occurred }) =>
            100 * tenantId + (SERIES[event.name] as number) === found.seriesId &&
            occurred.ms >= found.bucketMs &&
            occurred.ms < found.bucketMs + QUARTER_MS,
        )
        const values = own.flatMap(({ event }) => event.value ?? [])
        expect(found).toMatchObject({
          count: own.length,
          valueCount: values.length,
          sum: values.reduce((sum, value) => sum + value, 0),
          min: values.length > 0 ? Math.min(...values) : null,
          max: values.length > 0 ? Math.max(...values) : null,
        })
      }
      expect(buckets.reduce((sum, { count }) => sum + count, 0)).toBe(rows.length)
    }),
  )
})
