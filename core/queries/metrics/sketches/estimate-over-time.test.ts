import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  createQueryFixture,
  type FixtureEvent,
  type QueryFixture,
} from '../../../api/graphql/testing/fixture.ts'
import { type TenantViewer, tenantViewer } from '../../../identity/viewer.ts'
import { UNIQUES_STANDARD_ERROR } from '../../../lib/sketches/hyperloglog.ts'
import { createSketchDerivation } from '../../../worker/sketches/derive-sketches.ts'
import { uniqueActors } from '../../unique-actors.ts'
import { eventsOverTime } from '../events-over-time.ts'
import type { Aggregate, MetricsInput } from '../metrics-args.ts'

let fixture: QueryFixture
let viewer: TenantViewer

function dice(seed: number) {
  let state = seed
  return (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

/** Days on which clocks in Lord Howe move by half an hour, and what surrounds them. */
const SPANS = [
  ['2026-04-02T00:00:00Z', '2026-04-07T00:00:00Z'],
  ['2026-09-30T00:00:00Z', '2026-10-06T00:00:00Z'],
].map((span) => span.map((time) => Date.parse(time)) as [number, number])

function randomEvents(count: number): FixtureEvent[] {
  const roll = dice(11)
  return Array.from({ length: count }, () => {
    const [from, before] = SPANS[roll(2)] as [number, number]
    let ms = from + roll(before - from)
    if (roll(5) === 0) ms = Math.floor(ms / 900_000) * 900_000 + (roll(3) - 1)
    return {
      name: `name_${roll(4)}`,
      actor: roll(10) === 0 ? null : `actor-${roll(1_500)}`,
      value: roll(3) === 0 ? null : (1 + roll(1_000_000)) / 10 ** roll(6),
      occurredAt: new Date(ms).toISOString(),
      receivedAt: new Date(ms + 1_000).toISOString(),
    }
  })
}

beforeAll(async () => {
  fixture = await createQueryFixture(['default', 'other', 'large', 'history'])
  viewer = await tenantViewer(fixture.db, { kind: 'SESSION' }, 'default')
  await fixture.store('default', randomEvents(5_000))
  await fixture.store('other', randomEvents(100))
  const derivation = createSketchDerivation({ pool: fixture.database.pool })
  expect(await derivation.run()).toMatchObject({ isComplete: true })
})
afterAll(() => fixture.close())

const RANGE = { startTime: '2026-04-01T00:00:00Z', endTime: '2026-10-05T12:00:00Z' }
const execute = (args: Partial<MetricsInput>) =>
  eventsOverTime(fixture.db, viewer, { name: '*', ...RANGE, ...args })

/** The same query from sketches and from single events: the same points, and values within the bound. */
async function compare(args: Partial<MetricsInput>) {
  const estimate = await execute(args)
  const exact = await execute({ ...args, exactness: 'EXACT' })
  expect(exact).toMatchObject({ source: 'raw', info: { errorBound: 0 } })
  const withoutValue = ({ rows }: typeof exact) => rows.map((row) => ({ ...row, value: 0 }))
  expect(withoutValue(estimate)).toEqual(withoutValue(exact))
  const isUniques = args.aggregate === 'UNIQUES'
  for (const [i, { value }] of exact.rows.entries()) {
    const estimated = estimate.rows[i]?.value as number
    // Small sets are counted exactly. All values are positive: so is what a percentile lies between.
    if (isUniques) expect(estimated).toBe(value)
    else expect(Math.abs(estimated / value - 1)).toBeLessThanOrEqual(0.01 * (1 + 1e-9))
  }
  return estimate
}

const AGGREGATES: Aggregate[] = ['UNIQUES', 'P50', 'P95', 'P99']

describe.each(['UTC', 'Asia/Kathmandu', 'Australia/Lord_Howe'])('in %s', (timeZone) => {
  test.each(['HOUR', 'DAY', 'WEEK', 'MONTH', 'TOTAL'] as const)(
    'estimates by %s are within their bound of a count of single events',
    async (interval) => {
      const narrow = { startTime: '2026-04-03T00:00:00Z', endTime: '2026-04-06T20:00:00Z' }
      for (const aggregate of AGGREGATES) {
        const args = { interval, timeZone, aggregate, ...(interval === 'HOUR' ? narrow : {}) }
        const estimate = await compare(args)
        expect(estimate.source).toBe('sketch')
        expect(estimate.rows.length).toBeGreaterThan(0)
        expect(estimate.info.errorBound).toBeCloseTo(
          aggregate === 'UNIQUES' ? UNIQUES_STANDARD_ERROR : 0.01,
          9,
        )
      }
    },
  )
})

test('each name has its own estimates, and all names together count an actor once', async () => {
  for (const aggregate of AGGREGATES) {
    await compare({ aggregate, interval: 'DAY', groupBy: ['name'], timeZone: 'Asia/Kathmandu' })
    await compare({ aggregate, interval: 'TOTAL', name: 'name_2' })
    await compare({
      aggregate,
      interval: 'TOTAL',
      filter: [{ dimension: 'name', in: ['name_1', 'name_3', 'none'] }],
    })
  }
  const all = await execute({ aggregate: 'UNIQUES', interval: 'TOTAL' })
  const byName = await execute({ aggregate: 'UNIQUES', interval: 'TOTAL', groupBy: ['name'] })
  const sum = byName.rows.reduce((total, { value }) => total + value, 0)
  expect(all.rows[0]?.value).toBeLessThanOrEqual(1_500)
  expect(sum).toBeGreaterThan(2_500)
})

test('ranges that begin and end inside a bucket, or in an hour that is open, read the rest from single events once', async () => {
  for (const aggregate of AGGREGATES)
    for (const range of [
      { startTime: '2026-10-03T13:07:11.5Z', endTime: '2026-10-04T17:31:00Z' },
      { startTime: '2026-10-03T13:15:00Z', endTime: '2027-01-01T00:00:00Z' },
    ])
      for (const timeZone of ['UTC', 'Australia/Lord_Howe'])
        for (const groupBy of [[], ['name']]) {
          const estimate = await compare({
            ...range,
            aggregate,
            timeZone,
            groupBy,
            interval: 'DAY',
          })
          expect(estimate.source).toBe('sketch+raw')
        }
})

test('other groups, filters, minutes and aggregates are exact, and so is a range without sketches', async () => {
  const day = { startTime: '2026-10-03T00:00:00Z', endTime: '2026-10-04T00:00:00Z' }
  const minutes = { startTime: '2026-10-03T00:00:00Z', endTime: '2026-10-03T02:00:00Z' }
  for (const args of [
    { groupBy: ['actor'] },
    { filter: [{ dimension: 'actor', in: ['actor-1'] }] },
    { interval: 'MINUTE', ...minutes } as const,
    { startTime: '2026-10-05T23:30:00Z', endTime: '2026-10-06T00:00:00Z' },
  ])
    expect(await execute({ ...day, aggregate: 'UNIQUES', ...args })).toMatchObject({
      source: 'raw',
      info: { errorBound: 0 },
    })
  expect(await execute({ ...day, aggregate: 'AVG' })).toMatchObject({ source: 'rollup' })
})

test('an exact query is another question than an estimate, unless its aggregate is exact anyway', async () => {
  const idOf = async (args: Partial<MetricsInput>) => (await execute(args)).info.queryId
  const day = { startTime: '2026-10-03T00:00:00Z', endTime: '2026-10-04T00:00:00Z' }
  const [uniques, exactUniques] = [
    await idOf({ ...day, aggregate: 'UNIQUES' }),
    await idOf({ ...day, aggregate: 'UNIQUES', exactness: 'EXACT' }),
  ]
  expect(exactUniques).not.toBe(uniques)
  expect(await idOf({ ...day, aggregate: 'UNIQUES', exactness: 'ESTIMATE' })).toBe(uniques)
  expect(await idOf({ ...day, exactness: 'EXACT' })).toBe(await idOf(day))
})

test('estimates of many actors are within the standard error, whether sketches or single events have them', async () => {
  const hour = (start: string, from: number, before: number) =>
    Array.from({ length: before - from }, (_, i) => ({
      name: `name_${i % 2}`,
      actor: `visitor-${from + i}`,
      occurredAt: start,
      receivedAt: start,
    }))
  await fixture.store('large', [
    ...hour('2026-10-05T10:20:00Z', 0, 20_000),
    ...hour('2026-10-05T11:20:00Z', 15_000, 40_000),
  ])
  await createSketchDerivation({ pool: fixture.database.pool }).run()
  const large = await tenantViewer(fixture.db, { kind: 'SESSION' }, 'large')
  const result = await eventsOverTime(fixture.db, large, {
    name: '*',
    startTime: '2026-10-05T00:00:00Z',
    endTime: '2026-10-06T00:00:00Z',
    aggregate: 'UNIQUES',
    interval: 'TOTAL',
  })
  expect(result.source).toBe('sketch+raw')
  const error = (result.rows[0]?.value as number) / 40_000 - 1
  expect(error).not.toBe(0)
  expect(Math.abs(error)).toBeLessThan(4 * UNIQUES_STANDARD_ERROR)
})

test('the total of unique actors is the number that metrics have', async () => {
  const [start, end] = ['2026-10-03T13:07:11Z', '2026-10-05T23:30:00Z']
  const { rows, source } = await uniqueActors(fixture.db, viewer, { range: { start, end } })
  const args = { startTime: start, endTime: end, interval: 'TOTAL', aggregate: 'UNIQUES' } as const
  expect(rows).toEqual([(await execute(args)).rows[0]?.value])
  expect(source).toBe('sketch+raw')
})

test('a tenant sees no sketches of others', async () => {
  const other = await tenantViewer(fixture.db, { kind: 'SESSION' }, 'other')
  const ask = (of: TenantViewer) =>
    eventsOverTime(fixture.db, of, { name: '*', ...RANGE, aggregate: 'UNIQUES', interval: 'TOTAL' })
  expect((await ask(other)).rows[0]?.value).toBeLessThanOrEqual(100)
  expect((await ask(viewer)).rows[0]?.value).toBeGreaterThan(1_000)
})

test('events that no sketch has, and no mark shows, are read from single events, or the result names the time', async () => {
  const history = await tenantViewer(fixture.db, { kind: 'SESSION' }, 'history')
  const imported = (start: string, count: number, name = 'name_1') =>
    Array.from({ length: count }, (_, i) => ({
      name,
      actor: `${start} ${i}`,
      value: i + 1,
      occurredAt: start,
      receivedAt: '2026-10-05T11:00:00Z',
    }))
  const range = { startTime: '2026-09-01T00:00:00Z', endTime: '2026-10-01T00:00:00Z' }
  const total = (args: Partial<MetricsInput> = {}) =>
    eventsOverTime(fixture.db, history, {
      name: '*',
      ...range,
      aggregate: 'UNIQUES',
      interval: 'TOTAL',
      ...args,
    })
  await fixture.store('history', [
    ...imported('2026-09-02T10:05:00Z', 10),
    ...imported('2026-09-20T10:05:00Z', 10),
    ...imported('2026-10-05T10:05:00Z', 1),
  ])
  await createSketchDerivation({ pool: fixture.database.pool }).run()
  expect(await total()).toMatchObject({ source: 'sketch', rows: [{ value: 20 }] })
  // Neither late nor revised, as where sketches end later than the watermark, and hours of rollups do not.
  await fixture.database.pool.query('DELETE FROM rollup_long_progress')
  await fixture.store('history', [
    ...imported('2026-09-03T10:05:00Z', 5),
    ...imported('2026-09-12T10:05:00Z', 7, 'name_2'),
    ...['13', '14', '15', '16'].flatMap((day) => imported(`2026-09-${day}T10:05:00Z`, 2)),
  ])
  expect(await total()).toMatchObject({ source: 'sketch+raw', rows: [{ value: 40 }] })
  expect(await total({ name: 'name_2' })).toMatchObject({ rows: [{ value: 7 }] })
  expect((await total({ groupBy: ['name'] })).rows.map(({ value }) => value)).toEqual([33, 7])
  expect((await total()).info.rawSince).toBeUndefined()
  await fixture.database.pool.query("DELETE FROM event WHERE occurred_at = '2026-09-12T10:05:00Z'")
  const dropped = await total()
  expect(dropped.rows[0]?.value).toBeLessThan(40)
  expect(dropped.info.rawSince).toMatch(/^2026-09-1/)
  // Sketches that nothing is missing in stay as they are, whether their events are held or not.
  await fixture.database.pool.query("DELETE FROM event WHERE occurred_at = '2026-09-20T10:05:00Z'")
  const day = { startTime: '2026-09-20T00:00:00Z', endTime: '2026-09-21T00:00:00Z' }
  expect(await total(day)).toMatchObject({ source: 'sketch', rows: [{ value: 10 }] })
})
