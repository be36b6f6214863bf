import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { ApiError } from '../lib/api-error.ts'
import { ceilBucket15m, floorBucket15m, fromMicros, isBefore, toMicros } from './instant.ts'
import { QUERY_LIMITS } from './limits.ts'
import { type MetricsInput, parseMetricsArgs } from './metrics/metrics-args.ts'
import { createPointsPlan } from './metrics/metrics-points.ts'
import {
  checkBuckets,
  checkRange,
  checkTimeZone,
  countBuckets,
  defaultInterval,
  periodBefore,
} from './sql/buckets.ts'

const START = '2026-11-01T00:00:00Z'
const DAY = 86_400_000_000n
const after = (micros: bigint) => fromMicros(toMicros(START) + micros)
const range = (micros: bigint) => ({ start: START, end: after(micros) })
function errorOf(run: () => unknown) {
  try {
    run()
  } catch (error) {
    const { code, message, details } = error as ApiError
    return { code, message, ...details }
  }
}

test('an instant keeps its microseconds, and is written with as few digits as it needs', () => {
  expect(toMicros('1970-01-01T00:00:01.000001Z')).toBe(1_000_001n)
  expect(toMicros('1970-01-01T00:00:01.5Z')).toBe(1_500_000n)
  expect(toMicros('1969-12-31T23:59:59Z')).toBe(-1_000_000n)
  expect(fromMicros(1_500_000n)).toBe('1970-01-01T00:00:01.5Z')
  expect(fromMicros(1_000_010n)).toBe('1970-01-01T00:00:01.00001Z')
  expect(fromMicros(-1n)).toBe('1969-12-31T23:59:59.999999Z')
  expect(fromMicros(2_000_000n)).toBe('1970-01-01T00:00:02Z')
})

test('instants outside the years 1 to 9999 become the first and the last one', () => {
  const first = toMicros('0001-01-01T00:00:00Z')
  const last = toMicros('9999-12-31T23:59:59.999999Z')
  for (const [micros, clamped] of [
    [first - 1n, first],
    [first, first],
    [first + 1n, first + 1n],
    [last + 1n, last],
    [last, last],
    [last - 1n, last - 1n],
  ] as const)
    expect(toMicros(fromMicros(micros))).toBe(clamped)
})

test('a 15-minute bucket contains its start and not its end, before 1970 too', () => {
  const micros = fc.bigInt({ min: -62_135_000_000_000_000n, max: 253_402_000_000_000_000n })
  const near = fc.tuple(fc.bigInt({ min: -9_999n, max: 9_999n }), fc.bigInt({ min: -1n, max: 1n }))
  fc.assert(
    fc.property(
      fc.oneof(
        micros,
        near.map(([n, d]) => n * 900_000_000n + d),
      ),
      (at) => {
        const floor = toMicros(floorBucket15m(fromMicros(at)))
        const ceil = toMicros(ceilBucket15m(fromMicros(at)))
        expect([floor % 900_000_000n, ceil % 900_000_000n]).toEqual([0n, 0n])
        expect(floor <= at && at < floor + 900_000_000n).toBe(true)
        expect(ceil).toBe(floor === at ? at : floor + 900_000_000n)
      },
    ),
  )
})

test('instants compare by time and not by their number of digits', () => {
  expect(isBefore('2026-01-01T00:00:00Z', '2026-01-01T00:00:00.5Z')).toBe(true)
  expect(isBefore('2026-01-01T00:00:00.5Z', '2026-01-01T00:00:00Z')).toBe(false)
  expect(isBefore('2026-01-01T00:00:00.5Z', '2026-01-01T00:00:00.5Z')).toBe(false)
  expect(isBefore('2026-01-01T00:00:00.5Z', '2026-01-01T00:00:00.51Z')).toBe(true)
})

test.each([
  [DAY, 'QUARTER_HOUR'],
  [DAY + 1n, 'HOUR'],
  [8n * DAY, 'HOUR'],
  [8n * DAY + 1n, 'DAY'],
  [200n * DAY, 'DAY'],
  [200n * DAY + 1n, 'WEEK'],
  [1098n * DAY, 'WEEK'],
  [1098n * DAY + 1n, 'MONTH'],
] as const)('a range of %s µs is shown by %s', (micros, interval) => {
  expect(defaultInterval(range(micros))).toBe(interval)
})

test('a range ends after it starts', () => {
  expect(errorOf(() => checkRange(range(0n)))).toMatchObject({
    code: 'BAD_USER_INPUT',
    argument: 'endTime',
  })
  expect(errorOf(() => checkRange(range(-1n)))).toMatchObject({ argument: 'endTime' })
  expect(checkRange(range(1n))).toBeUndefined()
})

test.each([
  ['QUARTER_HOUR', 15n * 60_000_000n],
  ['HOUR', 60n * 60_000_000n],
  ['DAY', 23n * 3_600_000_000n],
  ['WEEK', 167n * 3_600_000_000n],
  ['MONTH', 671n * 3_600_000_000n],
] as const)(
  'buckets by %s are counted by their shortest length, and one is added for the ends',
  (interval, shortest) => {
    expect(countBuckets(range(1n), interval)).toBe(1)
    expect(countBuckets(range(shortest - 1n), interval)).toBe(1)
    expect(countBuckets(range(shortest), interval)).toBe(2)
    expect(countBuckets(range(10n * shortest), interval)).toBe(11)
    expect(countBuckets(range(10n * shortest), 'TOTAL')).toBe(1)
  },
)

test('a range has at most so many buckets, fewer with groupBy, and a total always one', () => {
  const quarters = (count: number) => range(BigInt(count - 1) * 900_000_000n)
  expect(checkBuckets(quarters(QUERY_LIMITS.bucketsMax), 'QUARTER_HOUR', false)).toBeUndefined()
  expect(
    checkBuckets(quarters(QUERY_LIMITS.bucketsGroupedMax), 'QUARTER_HOUR', true),
  ).toBeUndefined()
  expect(
    errorOf(() => checkBuckets(quarters(QUERY_LIMITS.bucketsMax + 1), 'QUARTER_HOUR', false))
      ?.message,
  ).toMatch(
    /^interval QUARTER_HOUR gives about 10001 points in this range; at most 10000 are returned$/,
  )
  expect(
    errorOf(() => checkBuckets(quarters(QUERY_LIMITS.bucketsGroupedMax + 1), 'QUARTER_HOUR', true))
      ?.message,
  ).toMatch(/with groupBy$/)
  expect(checkBuckets(range(9_999_999n * DAY), 'TOTAL', true)).toBeUndefined()
})

test('the period before a range ends where that begins, and is as long', () => {
  expect(periodBefore(range(3n))).toEqual({ start: after(-3n), end: START })
})

test.each([
  'UTC',
  'Europe/Berlin',
  'America/Argentina/Buenos_Aires',
  'Asia/Kathmandu',
  'Etc/GMT+5',
  'America/Port-au-Prince',
])('%s names a time zone', (zone) => {
  expect(checkTimeZone(zone)).toBe(zone)
})

test.each([
  ...['+02:00', '-5', 'UTC+2', 'GMT-3', '5', 'Z', 'Z3', 'UTC2', '+x'].map((zone) => [
    zone,
    'instead of an offset',
  ]),
  ...['EST', 'CEST', 'PST', 'GMT', 'CET', 'AKDT', 'ABCDE'].map((zone) => [
    zone,
    `instead of the abbreviation ${zone}`,
  ]),
  ...[
    'Europe/Atlantis',
    'Europe',
    'europe berlin',
    '',
    'A/B/C/D',
    ' Europe/Berlin',
    'Europe/Berlin ',
    'ABCDEF',
    '<x>/y',
    'E',
  ].map((zone) => [zone, `"${zone}" is not the name of a time zone`]),
])('"%s" is refused as a time zone: %s', (zone, reason) => {
  const error = errorOf(() => checkTimeZone(zone))
  expect(error).toMatchObject({ code: 'BAD_USER_INPUT', argument: 'timeZone' })
  expect(error?.message).toContain(reason)
})

test('a time zone that is refused is repeated with 64 characters at most', () => {
  expect(errorOf(() => checkTimeZone('é'.repeat(65)))?.message).toContain(`"${'é'.repeat(64)}"`)
})

const input = (fields: Partial<MetricsInput> = {}): MetricsInput => ({
  name: 'order',
  startTime: START,
  endTime: after(DAY),
  ...fields,
})

test('arguments that are not given have their defaults', () => {
  expect(parseMetricsArgs(input())).toEqual({
    names: ['order'],
    range: range(DAY),
    groupBy: [],
    interval: 'QUARTER_HOUR',
    timeZone: 'UTC',
    aggregate: 'COUNT',
    exactness: 'ESTIMATE',
    filters: [],
  })
  const given = input({
    groupBy: ['source', 'source'],
    interval: 'HOUR',
    timeZone: 'Europe/Berlin',
    aggregate: 'SUM',
  })
  expect(parseMetricsArgs(given)).toMatchObject({
    groupBy: ['source'],
    interval: 'HOUR',
    timeZone: 'Europe/Berlin',
    aggregate: 'SUM',
  })
})

test('a name is compared as the edge stores it, and a filter on the name leaves the names that meet it', () => {
  const named = (name: string, ...filters: { dimension: string; in: string[] }[]) =>
    parseMetricsArgs(input({ name, filter: filters }))
  expect(named('  cafe\u0301 ').names).toEqual(['café'])
  expect(named(' * ').names).toBeUndefined()
  const [ab, bc, source] = [
    { dimension: 'name', in: ['a', 'b'] },
    { dimension: 'name', in: ['b', 'c'] },
    { dimension: 'source', in: ['web'] },
  ]
  expect(named('*', ab, bc)).toMatchObject({ names: ['b'], filters: [] })
  expect(named('*', ab).names).toEqual(['a', 'b'])
  expect(named('a', bc).names).toEqual([])
  expect(named('b', bc, source)).toMatchObject({ names: ['b'], filters: [source] })
  expect(errorOf(() => named('  '))).toMatchObject({ argument: 'name' })
  expect(errorOf(() => named('a\0'))).toMatchObject({ argument: 'name' })
})

test.each([
  ['endTime', { endTime: START }],
  ['timeZone', { timeZone: 'EST' }],
  ['groupBy', { groupBy: ['a', 'b', 'c', 'd', 'e'] }],
  ['groupBy', { groupBy: [''] }],
  ['filter', { filter: [{ dimension: '', in: [] }] }],
  ['interval', { endTime: after(9_999n * DAY), interval: 'QUARTER_HOUR' as const }],
  ['interval', { endTime: after(100n * DAY), interval: 'HOUR' as const, groupBy: ['source'] }],
])('an invalid %s is named', (argument, fields) => {
  expect(errorOf(() => parseMetricsArgs(input(fields)))).toMatchObject({
    code: 'BAD_USER_INPUT',
    argument,
  })
})

test('the points of a query are its buckets times its groups, never more than a request may have', () => {
  const add = (fields: Partial<MetricsInput>) => createPointsPlan().add(input(fields))
  expect(add({})).toBe(97)
  expect(add({ groupBy: ['source'], interval: 'TOTAL' })).toBe(QUERY_LIMITS.groupsMax + 1)
  const filter = [
    { dimension: 'source', in: ['a', 'b', 'c'] },
    { dimension: 'actor', in: ['x', 'y'] },
  ]
  expect(add({ groupBy: ['source'], interval: 'TOTAL', filter })).toBe(3)
  expect(add({ groupBy: ['source', 'actor'], interval: 'HOUR', filter })).toBe(6 * 25)
  expect(add({ groupBy: ['session', 'actor'], interval: 'TOTAL', filter })).toBe(
    QUERY_LIMITS.groupsMax + 1,
  )
  expect(add({ groupBy: ['source'], interval: 'QUARTER_HOUR', endTime: after(9n * DAY) })).toBe(
    QUERY_LIMITS.pointsMax,
  )
  expect(add({ endTime: START })).toBe(0)
})

test('queries of a request share the points: each has its buckets, and an equal part of the rest', () => {
  const { pointsMax } = QUERY_LIMITS
  const [day, total] = [input(), input({ interval: 'TOTAL' as const })]
  const plan = createPointsPlan()
  expect(plan.limitOf(total)).toBe(1 + pointsMax)
  plan.add(day)
  expect(plan.limitOf(day)).toBe(pointsMax)
  plan.add(total)
  plan.add(input({ endTime: START }))
  expect(plan.limitOf(day)).toBe(97 + Math.floor((pointsMax - 98) / 3))
  expect(plan.limitOf(total)).toBe(1 + Math.floor((pointsMax - 98) / 3))
})

test('queries that together ask for too many buckets are refused, exactly so many are not', () => {
  const quarters = (count: number) =>
    input({ interval: 'QUARTER_HOUR', endTime: after(BigInt(count - 1) * 900_000_000n) })
  const plan = createPointsPlan()
  plan.add(quarters(10_000))
  plan.add(quarters(10_000))
  expect(plan.limitOf(quarters(10_000))).toBe(10_000)
  plan.add(input({ interval: 'TOTAL' }))
  expect(errorOf(() => plan.limitOf(input()))).toMatchObject({
    code: 'QUERY_TOO_LARGE',
    limit: 'points',
  })
})
