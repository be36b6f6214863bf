import { DateTime } from 'luxon'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createQueryFixture, type QueryFixture } from '../../api/graphql/testing/fixture.ts'
import { type TenantViewer, tenantViewer } from '../../identity/viewer.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { type CompareInput, compareMetrics } from './compare-metrics.ts'
import { eventsOverTime } from './events-over-time.ts'
import { metricRatio, type RatioInput } from './metric-ratio.ts'

const ZONES = ['UTC', 'Australia/Lord_Howe', 'Asia/Kathmandu', 'Europe/Berlin']

let fixture: QueryFixture
let viewer: TenantViewer
beforeAll(async () => {
  fixture = await createQueryFixture()
  viewer = await tenantViewer(fixture.db, { kind: 'SESSION' }, 'default')
  const random = seededRandom(3)
  // Around the days on which clocks move: 3 October in Lord Howe, 24 October in Berlin.
  const start = Date.parse('2026-09-01T00:00:00Z')
  await fixture.store(
    'default',
    Array.from({ length: 2_000 }, () => ({
      name: random.pick(['view', 'view', 'order']),
      occurredAt: new Date(start + random.int(90 * 86_400_000)).toISOString(),
      receivedAt: '2026-12-01T00:00:00Z',
      value: (1 + random.int(1_000)) / 100,
      properties: { plan: random.pick(['pro', 'free']) },
    })),
  )
})
afterAll(() => fixture.close())

const compare = (input: Partial<CompareInput> & { startTime: string; endTime: string }) =>
  compareMetrics(fixture.db, viewer, { name: '*', ...input })
const local = (time: string | null, zone: string) =>
  time === null ? null : DateTime.fromISO(time, { zone }).toFormat('yyyy-MM-dd HH:mm')

describe('compare', () => {
  test.each(ZONES)(
    'each bucket of both ranges is in one point, and the totals are those of the ranges (%s)',
    async (timeZone) => {
      const range = { startTime: '2026-10-19T22:10:00Z', endTime: '2026-10-28T05:00:00Z' }
      for (const interval of ['QUARTER_HOUR', 'HOUR', 'DAY', 'WEEK', 'MONTH', 'TOTAL'] as const)
        for (const previous of [
          {},
          { previousStart: '2026-09-28T09:20:00Z', previousEnd: '2026-10-06T00:00:00Z' },
        ]) {
          const input = { ...range, ...previous, interval, timeZone, aggregate: 'SUM' } as const
          const result = await compare(input)
          const of = async (startTime: string, endTime: string) =>
            (
              await eventsOverTime(fixture.db, viewer, {
                name: '*',
                startTime,
                endTime,
                interval,
                timeZone,
                aggregate: 'SUM',
              })
            ).rows.map(({ timestamp, value }) => [timestamp, value])
          const { start, end } = result.previous
          const points = result.rows
          const values = <T>(own: T, value: number | null) => (value ? [[own, value]] : [])
          const sorted = (pairs: unknown[][]) =>
            pairs.sort((a, b) => (`${a[0]}` < `${b[0]}` ? -1 : 1))
          expect(sorted(points.flatMap((each) => values(each.timestamp, each.value)))).toEqual(
            await of(range.startTime, range.endTime),
          )
          expect(
            sorted(points.flatMap((each) => values(each.previousTimestamp, each.previousValue))),
          ).toEqual(await of(start, end))
        }
    },
  )

  test('days are paired by the calendar of the zone, also where a clock moves between them', async () => {
    for (const timeZone of ZONES) {
      const at = (day: string) => DateTime.fromISO(day, { zone: timeZone }).toUTC().toISO() ?? ''
      const range = { startTime: at('2026-10-21'), endTime: at('2026-10-28') }
      const { rows, previous } = await compare({ ...range, interval: 'DAY', timeZone })
      expect(local(previous.start, timeZone)).toBe('2026-10-14 00:00')
      expect(rows).toHaveLength(7)
      for (const [i, { timestamp, previousTimestamp }] of rows.entries())
        expect([local(timestamp, timeZone), local(previousTimestamp, timeZone)]).toEqual([
          `2026-10-${21 + i} 00:00`,
          `2026-10-${14 + i} 00:00`,
        ])
    }
  })

  test('hours are paired by the clock', async () => {
    const timeZone = 'Europe/Berlin'
    // 25 October has 25 hours there; 02:00 comes twice.
    const range = { startTime: '2026-10-24T22:00:00Z', endTime: '2026-10-25T23:00:00Z' }
    const { rows, previous } = await compare({ ...range, interval: 'HOUR', timeZone })
    expect(local(previous.start, timeZone)).toBe('2026-10-24 00:00')
    for (const { timestamp, previousTimestamp } of rows)
      if (timestamp && previousTimestamp)
        expect(local(timestamp, timeZone)?.slice(11)).toBe(
          local(previousTimestamp, timeZone)?.slice(11),
        )
    expect(rows.filter(({ timestamp }) => timestamp).length).toBeGreaterThan(20)
  })

  test('the period before whole months is as many whole months, and what it lacks is null', async () => {
    const timeZone = 'Asia/Kathmandu'
    const range = { startTime: '2026-09-30T18:15:00Z', endTime: '2026-10-31T18:15:00Z' }
    const { rows, previous } = await compare({ ...range, interval: 'DAY', timeZone })
    expect(local(previous.start, timeZone)).toBe('2026-09-01 00:00')
    expect(rows).toHaveLength(31)
    expect(rows[30]).toMatchObject({
      timestamp: '2026-10-30T18:15:00Z',
      previousTimestamp: null,
      previousValue: null,
      difference: null,
    })
  })

  test('a point is final once both of its buckets are', async () => {
    const range = { startTime: '2026-10-02T00:00:00Z', endTime: '2026-10-03T00:00:00Z' }
    const finalOf = async (previousStart: string, previousEnd: string) => {
      const { rows } = await compare({ ...range, previousStart, previousEnd, interval: 'HOUR' })
      return new Set(rows.map(({ isFinal }) => isFinal))
    }
    expect(await finalOf('2026-10-01T00:00:00Z', range.startTime)).toEqual(new Set([true]))
    expect(await finalOf('2026-12-02T00:00:00Z', '2026-12-03T00:00:00Z')).toEqual(new Set([false]))
  })

  test('a result says what it depends on, and refuses half a range', async () => {
    const range = { startTime: '2026-10-02T00:00:00Z', endTime: '2026-10-03T00:00:00Z' }
    const { dependencies, info, previous } = await compare({ ...range, aggregate: 'P50' })
    expect(dependencies?.map((each) => each.range)).toEqual([
      { start: range.startTime, end: range.endTime },
      previous,
    ])
    expect(info).toMatchObject({ source: 'raw', queryId: expect.stringMatching(/^[\w-]{22}$/) })
    await expect(compare({ ...range, previousStart: range.startTime })).rejects.toMatchObject({
      details: { argument: 'previousEnd' },
    })
  })
})

describe('ratio', () => {
  const ratio = (input: Partial<RatioInput> = {}) =>
    metricRatio(fixture.db, viewer, {
      numerator: { name: 'order' },
      denominator: { name: 'view' },
      startTime: '2026-10-01T00:00:00Z',
      endTime: '2026-10-04T00:00:00Z',
      interval: 'HOUR',
      ...input,
    })

  test('a point is its numerator divided by its denominator, and null where that is 0', async () => {
    const { rows, zeroDenominators, info } = await ratio()
    expect(zeroDenominators).toBeGreaterThan(0)
    expect(rows.filter(({ denominator }) => denominator === 0)).toHaveLength(zeroDenominators)
    for (const { value, numerator, denominator } of rows)
      expect(value).toBe(denominator ? (numerator as number) / denominator : null)
    expect(info.definition.metric).toBe('order / view')
  })

  test('a denominator without a value is not counted as one that is 0', async () => {
    const { rows, zeroDenominators } = await ratio({
      denominator: { name: 'view', aggregate: 'AVG' },
    })
    expect(rows.some(({ denominator }) => denominator === null)).toBe(true)
    expect(zeroDenominators).toBe(0)
  })

  test('its parts are those of metrics, with their own filter and aggregate', async () => {
    const filter = [{ dimension: 'plan', in: ['pro'] }]
    const numerator = { name: '*', aggregate: 'SUM', filter } as const
    const { rows } = await ratio({ numerator, denominator: { name: '*', aggregate: 'SUM' } })
    const complement = [{ dimension: 'plan', in: ['free'] }]
    const rest = await ratio({
      numerator: { ...numerator, filter: complement },
      denominator: { name: '*', aggregate: 'SUM' },
    })
    for (const [i, { value }] of rows.entries())
      expect((value ?? 0) + (rest.rows[i]?.value ?? 0)).toBeCloseTo(1)
  })
})
