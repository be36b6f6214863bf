import { DateTime } from 'luxon'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  createQueryFixture,
  type FixtureEvent,
  type QueryFixture,
} from '../../api/graphql/testing/fixture.ts'
import { createTenant } from '../../identity/tenants.ts'
import { type TenantViewer, tenantViewer } from '../../identity/viewer.ts'
import { eventsOverTime } from './events-over-time.ts'
import { type MetricsInput, parseMetricsArgs } from './metrics-args.ts'

let fixture: QueryFixture
let viewer: TenantViewer
let events: Required<Omit<FixtureEvent, 'trust'>>[]

/** Repeatable: the same numbers for the same seed. */
function dice(seed: number) {
  let state = seed
  return (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

beforeAll(async () => {
  fixture = await createQueryFixture()
  viewer = await tenantViewer(fixture.db, { kind: 'SESSION' }, 'default')
  events = randomEvents(4_000)
  await fixture.store('default', events)
  await fixture.store('other', randomEvents(500))
})
afterAll(() => fixture.close())

/** Over two years, dense around the days on which clocks change, some at the very edges of 15-minute buckets. */
function randomEvents(count: number): Required<Omit<FixtureEvent, 'trust'>>[] {
  const roll = dice(7)
  const thick = [
    '2026-03-29T00:00:00Z',
    '2026-10-25T00:00:00Z',
    '2026-03-08T06:00:00Z',
    '2026-11-01T03:00:00Z',
    '2026-04-24T20:00:00Z',
    '2025-12-31T12:00:00Z',
  ].map((time) => Date.parse(time))
  return Array.from({ length: count }, (_, i) => {
    const base = thick[roll(thick.length)] as number
    const spread = roll(10) < 8 ? 2 * 86_400_000 : 200 * 86_400_000
    let ms = base - spread / 2 + roll(spread)
    if (roll(5) === 0) ms = Math.floor(ms / 900_000) * 900_000 + (roll(3) - 1)
    return {
      id: `event-${i}-${Math.random()}`,
      name: `name_${roll(4)}`,
      occurredAt: new Date(ms).toISOString(),
      receivedAt: '2026-11-20T12:00:00Z',
      actor: roll(4) === 0 ? null : `actor-${roll(30)}`,
      session: null,
      source: roll(3) === 0 ? null : `source-${roll(3)}`,
      value: roll(3) === 0 ? null : roll(1_000) / 8 - 20,
      properties: { net: `net-${roll(5)}`, deep: { er: roll(3) }, 'a.b': roll(2) === 0 },
      late: roll(10) === 0,
    } as unknown as Required<FixtureEvent>
  })
}

const RANGE = { startTime: '2025-01-01T00:00:00Z', endTime: '2028-01-01T00:00:00Z' }
const execute = (args: Partial<MetricsInput>, options = {}) =>
  eventsOverTime(fixture.db, viewer, { name: '*', ...RANGE, ...args }, options)

/** The same counts by a plain loop. */
function count(args: Partial<MetricsInput>, start: (ms: number) => number) {
  const { name = '*', startTime, endTime } = { ...RANGE, ...args }
  const buckets = new Map<number, number>()
  for (const event of events) {
    const ms = Date.parse(event.occurredAt)
    if ((name !== '*' && event.name !== name) || ms < Date.parse(startTime)) continue
    if (ms >= Date.parse(endTime)) continue
    const bucket = start(ms)
    buckets.set(bucket, (buckets.get(bucket) ?? 0) + 1)
  }
  return Object.fromEntries(
    [...buckets].sort(([a], [b]) => a - b).map(([ms, n]) => [new Date(ms).toISOString(), n]),
  )
}

/** Where midnight comes twice luxon begins a day of its own at the second one; the day began with the first. */
function startOf(ms: number, unit: 'day' | 'week' | 'month', zone: string): number {
  const start = DateTime.fromMillis(ms, { zone }).startOf(unit)
  const before = start.minus({ hours: 1 })
  return (before.toISODate() === start.toISODate() ? before : start).toMillis()
}

function byTime(points: readonly { timestamp: string; value: number }[]) {
  return Object.fromEntries(
    points.map(({ timestamp, value }) => [new Date(timestamp).toISOString(), value]),
  )
}

describe('time zones', () => {
  const zones = [
    'UTC',
    'Europe/Berlin',
    'America/Los_Angeles',
    'Asia/Kathmandu',
    'Australia/Lord_Howe',
    'Africa/Cairo',
    'America/Havana',
    'Pacific/Chatham',
  ]
  for (const timeZone of zones)
    test(`days, weeks and months in ${timeZone} equal a plain count, clock changes included`, async () => {
      for (const [interval, unit] of [
        ['DAY', 'day'],
        ['WEEK', 'week'],
        ['MONTH', 'month'],
      ] as const) {
        const result = await execute({ interval, timeZone })
        expect(result.source).toBe('rollup')
        const expected = count({}, (ms) => startOf(ms, unit, timeZone))
        expect(byTime(result.rows), interval).toEqual(expected)
        expect((await execute({ interval, timeZone }, { onlyRaw: true })).rows).toEqual(result.rows)
      }
    })

  test('an hour that comes twice when clocks go back is two buckets', async () => {
    const args = {
      startTime: '2026-10-24T22:00:00Z',
      endTime: '2026-10-25T23:00:00Z',
      timeZone: 'Europe/Berlin',
    }
    const { rows: points } = await execute({ ...args, interval: 'HOUR' })
    expect(byTime(points)).toEqual(count(args, (ms) => Math.floor(ms / 3_600_000) * 3_600_000))
    const kathmandu = await execute({ ...args, timeZone: 'Asia/Kathmandu', interval: 'HOUR' })
    const offset = 900_000
    expect(byTime(kathmandu.rows)).toEqual(
      count(args, (ms) => Math.floor((ms - offset) / 3_600_000) * 3_600_000 + offset),
    )
  })

  test('a name that is not in the IANA database is rejected as timeZone', async () => {
    for (const timeZone of ['Mars/Olympus', 'CET', '+05:45', 'FOO3', '', "UTC'; --", 'posixrules'])
      expect(() => parseMetricsArgs({ name: '*', ...RANGE, timeZone })).toThrow(/^timeZone /)
    expect(parseMetricsArgs({ name: '*', ...RANGE, timeZone: 'Asia/Kathmandu' }).timeZone).toBe(
      'Asia/Kathmandu',
    )
  })
})

describe('rollups and single events', () => {
  test.each([
    ['COUNT', (_values: number[], events: number) => events],
    ['SUM', (values: number[]) => values.reduce((sum, value) => sum + value, 0)],
    ['MIN', (values: number[]) => Math.min(...values)],
    ['MAX', (values: number[]) => Math.max(...values)],
    ['AVG', (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length],
  ] as const)(
    '%s equals a plain loop over the events, those without a value included',
    async (aggregate, plain) => {
      const values = events.flatMap(({ value }) => (value === null ? [] : [value]))
      expect(values.length).toBeLessThan(events.length)
      const { rows } = await execute({ interval: 'TOTAL', aggregate })
      expect(rows[0]?.value).toBeCloseTo(plain(values, events.length), 6)
    },
  )

  test('give the same points for any range, name, interval and aggregate', async () => {
    const roll = dice(11)
    const sources = new Set<string>()
    for (let i = 0; i < 120; i++) {
      const centre = Date.parse(events[roll(events.length)]?.occurredAt as string)
      const length = [60_000, 40 * 60_000, 7_200_000, 3 * 86_400_000, 100 * 86_400_000][roll(5)]
      const start = centre - roll(length as number)
      const aligned = (ms: number) => (roll(2) === 0 ? Math.floor(ms / 900_000) * 900_000 : ms)
      const args: Partial<MetricsInput> = {
        name: roll(2) === 0 ? '*' : `name_${roll(5)}`,
        startTime: new Date(aligned(start)).toISOString(),
        endTime: new Date(aligned(start + (length as number)) + 900_000).toISOString(),
        interval: (['DAY', 'WEEK', 'MONTH', 'TOTAL', null] as const)[roll(5)],
        timeZone: ['UTC', 'Asia/Kathmandu', 'America/Havana'][roll(3)],
        aggregate: (['COUNT', 'SUM', 'MIN', 'MAX', 'AVG'] as const)[roll(5)],
        groupBy: roll(2) === 0 ? ['name'] : null,
        filter: roll(4) === 0 ? [{ dimension: 'name', in: ['name_1', 'name_2'] }] : null,
      }
      const rolled = await execute(args)
      const raw = await execute(args, { onlyRaw: true })
      sources.add(rolled.source)
      expect(rolled.rows.length, JSON.stringify(args)).toBe(raw.rows.length)
      for (const [j, point] of rolled.rows.entries()) {
        const other = raw.rows[j] as typeof point
        expect(point, JSON.stringify(args)).toEqual({ ...other, value: expect.any(Number) })
        expect(point.value).toBeCloseTo(other.value, 6)
      }
    }
    expect([...sources].sort()).toEqual(['raw', 'rollup', 'rollup+raw'])
  })

  test('give the counts of a plain loop for partial buckets, down to the microsecond', async () => {
    const roll = dice(3)
    for (let i = 0; i < 60; i++) {
      const start = Date.parse(events[roll(events.length)]?.occurredAt as string)
      const args = {
        startTime: new Date(start).toISOString(),
        endTime: new Date(start + 1 + roll(86_400_000)).toISOString(),
      }
      const { rows: points } = await execute({ ...args, interval: 'TOTAL' })
      const expected = Object.values(count(args, () => 0))[0] ?? 0
      expect(points[0]?.value ?? 0, JSON.stringify(args)).toBe(expected)
      expect(points[0]?.timestamp ?? `${args.startTime}`.replace('.000', '')).toBe(
        new Date(start).toISOString().replace(/\.?0*Z$/, 'Z'),
      )
    }
    const [first] = events as [FixtureEvent]
    const at = (first.occurredAt as string).replace('Z', '')
    const window = (startTime: string, endTime: string) =>
      execute({ startTime, endTime, interval: 'TOTAL' }).then(
        ({ rows: points }) => points[0]?.value ?? 0,
      )
    const before = await window(`${at}Z`, `${at}001Z`)
    expect(before).toBeGreaterThan(0)
    expect(await window(`${at}001Z`, `${at}002Z`)).toBe(0)
  })
})

describe('groups', () => {
  test('events are grouped by a property, a nested one, a key with a dot and columns, with null for none', async () => {
    const groupBy = ['net', 'deep.er', 'a.b', 'source']
    const { rows: points, source, info } = await execute({ interval: 'TOTAL', groupBy })
    const expected = new Map<string, number>()
    for (const { properties, source } of events) {
      const {
        net,
        deep,
        'a.b': dotted,
      } = properties as typeof properties & {
        deep: { er: number }
      }
      const key = JSON.stringify([net, String(deep.er), String(dotted), source])
      expected.set(key, (expected.get(key) ?? 0) + 1)
    }
    expect(source).toBe('raw')
    expect(info.groups).toEqual({ found: expected.size, listed: 100 })
    const listed = points.filter(({ dimensions }) => dimensions.net !== '(other)')
    expect(listed.length).toBe(100)
    for (const { dimensions, value } of listed)
      expect(value).toBe(expected.get(JSON.stringify(groupBy.map((name) => dimensions[name]))))
    // The largest groups are listed, and "(other)" has all the others.
    const rest = [...expected.values()].sort((a, b) => b - a).slice(100)
    expect(points.find(({ dimensions }) => dimensions.net === '(other)')).toMatchObject({
      value: rest.reduce((a, b) => a + b, 0),
      dimensions: { net: '(other)', 'deep.er': '(other)', 'a.b': '(other)', source: '(other)' },
    })
  })

  test('a filter counts only what matches all of its dimensions', async () => {
    const filter = [
      { dimension: 'net', in: ['net-1', 'net-2'] },
      { dimension: 'source', in: ['source-0'] },
    ]
    const { rows: points, source } = await execute({ interval: 'TOTAL', filter })
    const expected = events.filter(
      (e) => ['net-1', 'net-2'].includes(e.properties.net as string) && e.source === 'source-0',
    )
    expect([points[0]?.value, source]).toEqual([expected.length, 'raw'])
    expect((await execute({ filter: [{ dimension: 'net', in: [] }] })).rows).toEqual([])
  })

  test('uniques and percentiles equal those of a plain loop', async () => {
    const uniques = await execute({ interval: 'TOTAL', aggregate: 'UNIQUES' })
    expect(uniques.rows[0]?.value).toBe(
      new Set(events.flatMap(({ actor }) => (actor === null ? [] : [actor]))).size,
    )
    const values = events.flatMap(({ value }) => (value === null ? [] : [value]))
    values.sort((a, b) => a - b)
    const rank = 0.95 * (values.length - 1)
    const [low, high] = [values[Math.floor(rank)], values[Math.ceil(rank)]] as [number, number]
    const p95 = await execute({ interval: 'TOTAL', aggregate: 'P95' })
    expect(p95.rows[0]?.value).toBeCloseTo(low + (high - low) * (rank % 1), 9)
    const perName = await execute({ interval: 'TOTAL', aggregate: 'UNIQUES', groupBy: ['name'] })
    for (const { dimensions, value } of perName.rows)
      expect(value).toBe(
        new Set(
          events.flatMap((e) => (e.name === dimensions.name && e.actor !== null ? [e.actor] : [])),
        ).size,
      )
  })

  test('a dimension named __proto__ is a member like any other', async () => {
    const { rows: points } = await execute({ interval: 'TOTAL', groupBy: ['__proto__'] })
    expect(Object.hasOwn(points[0]?.dimensions ?? {}, '__proto__')).toBe(true)
  })
})

describe('finality', () => {
  test('a bucket is final once the watermark has passed its end, and counts its late events', async () => {
    await fixture.store('other', [
      { name: 'f', occurredAt: '2026-11-20T10:05:00Z', receivedAt: '2026-11-20T10:05:01Z' },
      {
        name: 'f',
        occurredAt: '2026-11-20T10:07:00Z',
        receivedAt: '2026-11-20T13:00:00Z',
        late: true,
      },
      { name: 'f', occurredAt: '2026-11-20T13:00:00Z', receivedAt: '2026-11-20T13:00:00Z' },
    ])
    await fixture.database.pool.query(
      "UPDATE watermark SET highest_at = '2026-11-20T11:15:00Z' WHERE tenant_id = 2",
    )
    const other = await tenantViewer(fixture.db, { kind: 'SESSION' }, 'other')
    const range = { startTime: '2026-11-20T10:00:00Z', endTime: '2026-11-20T14:00:00Z' }
    const result = await eventsOverTime(fixture.db, other, {
      name: 'f',
      ...range,
      interval: 'QUARTER_HOUR',
    })
    expect(result.rows).toMatchObject([
      {
        timestamp: '2026-11-20T10:00:00Z',
        value: 2,
        dimensions: {},
        // One hour of allowed lateness: 11:15 − 1 h is exactly the bucket's end.
        isFinal: true,
        lateCount: 1,
      },
      {
        timestamp: '2026-11-20T13:00:00Z',
        value: 1,
        dimensions: {},
        isFinal: false,
        lateCount: 0,
      },
    ])
    expect(result.info.finalThrough).toBe('2026-11-20T10:15:00Z')
    // Late events are counted by whole buckets, so those of a bucket that the range covers in part too.
    for (const interval of ['QUARTER_HOUR', 'HOUR', 'TOTAL'] as const)
      for (const [start, end] of [
        ['10:06', '10:08'],
        ['10:06', '10:30'],
        ['09:50', '10:06'],
        ['10:00', '10:15'],
      ]) {
        const part = { startTime: `2026-11-20T${start}:00Z`, endTime: `2026-11-20T${end}:00Z` }
        const { rows } = await eventsOverTime(fixture.db, other, { name: 'f', ...part, interval })
        expect([interval, start, rows[0]?.lateCount]).toEqual([interval, start, 1])
      }
  })

  test('a result says up to when buckets are final, where it has no points too', async () => {
    const finalThrough = async (tenant: string) => {
      const viewer = await tenantViewer(fixture.db, { kind: 'SESSION' }, tenant)
      const range = { startTime: '2026-11-20T09:00:00Z', endTime: '2026-11-20T10:00:00Z' }
      const input = { name: 'f', ...range, groupBy: ['name'] }
      const { rows, info } = await eventsOverTime(fixture.db, viewer, input)
      expect([rows, info.groups?.found]).toEqual([[], 0])
      return info.finalThrough
    }
    expect(await finalThrough('other')).toBe('2026-11-20T10:15:00Z')
    await createTenant(fixture.db, { tenant: 'empty' })
    expect(await finalThrough('empty')).toBeUndefined()
  })

  test('a bucket in which the range ends is final once the watermark has passed the range', async () => {
    const isFinal = async (endTime: string, interval: MetricsInput['interval']) => {
      const range = { startTime: '2026-11-20T10:00:00Z', endTime: `2026-11-20T${endTime}Z` }
      const input = { name: 'f', ...range, interval }
      const other = await tenantViewer(fixture.db, { kind: 'SESSION' }, 'other')
      return (await eventsOverTime(fixture.db, other, input)).rows.map((each) => each.isFinal)
    }
    // The watermark is at 10:15, and an event of 10:12 is late from now on.
    for (const interval of ['QUARTER_HOUR', 'DAY', 'MONTH', 'TOTAL'] as const) {
      expect(await isFinal('10:12:00', interval), interval).toEqual([true])
      expect(await isFinal('10:15:00', interval), interval).toEqual([true])
    }
    for (const interval of ['DAY', 'MONTH', 'TOTAL'] as const)
      expect(await isFinal('10:15:01', interval), interval).toEqual([false])
    await fixture.database.pool.query(
      "UPDATE watermark SET highest_at = '2026-11-20T11:13:00Z' WHERE tenant_id = 2",
    )
    // An event of 10:12 is not late yet.
    for (const interval of ['QUARTER_HOUR', 'DAY', 'TOTAL'] as const)
      expect(await isFinal('10:12:30', interval), interval).toEqual([false])
  })
})

describe('event names beyond the limit of series', () => {
  test('are counted exactly from single events, and together where rollups are grouped by name', async () => {
    const { pool } = fixture.database
    await fixture.store('other', [{ name: 'rare', occurredAt: '2026-01-01T00:00:00Z' }])
    await pool.query(
      `INSERT INTO series (tenant_id, metric) VALUES (2, '');
       UPDATE rollup_15m SET series_id = (SELECT series_id FROM series WHERE tenant_id = 2 AND metric = '')
        WHERE series_id = (SELECT series_id FROM series WHERE tenant_id = 2 AND metric = 'rare');
       DELETE FROM series WHERE tenant_id = 2 AND metric = 'rare'`,
    )
    const other = await tenantViewer(fixture.db, { kind: 'SESSION' }, 'other')
    const of = (args: Partial<MetricsInput>) =>
      eventsOverTime(fixture.db, other, {
        name: '*',
        startTime: '2026-01-01T00:00:00Z',
        endTime: '2026-01-01T00:15:00Z',
        interval: 'TOTAL',
        ...args,
      })
    expect(await of({ name: 'rare' })).toMatchObject({ source: 'raw', rows: [{ value: 1 }] })
    expect(await of({ name: 'name_1' })).toMatchObject({ source: 'rollup' })
    expect(await of({ filter: [{ dimension: 'name', in: [''] }] })).toMatchObject({ rows: [] })
    const grouped = await of({ groupBy: ['name'] })
    expect(grouped.rows.map(({ dimensions }) => dimensions.name)).toContain('(other)')
    expect(await of({ endTime: '2026-01-01T00:15:01Z' })).toMatchObject({ source: 'rollup+raw' })
  })
})

test('what came late is added up over the buckets of an interval, and the last revision of any of them is shown', async () => {
  const name = 'revised'
  await fixture.store(
    'default',
    ['10:05', '10:20', '10:40', '11:05', '12:05'].map((time) => ({
      name,
      occurredAt: `2026-11-10T${time}:00Z`,
    })),
  )
  const revise = (bucket: string, late: number, at: string) =>
    fixture.database.pool.query(
      `UPDATE rollup_15m r SET late_count = $2, revised_at = $3 FROM series s
        WHERE s.series_id = r.series_id AND s.metric = '${name}' AND r.bucket = $1`,
      [`2026-11-10T${bucket}:00Z`, late, at],
    )
  // Not in the order of their buckets.
  await revise('10:00', 2, '2026-11-12T08:00:00Z')
  await revise('10:15', 3, '2026-11-13T08:00:00Z')
  await revise('10:30', 0, '2026-11-11T08:00:00Z')
  await revise('11:00', 1, '2026-11-11T09:00:00Z')
  const of = async (interval: 'HOUR' | 'TOTAL', onlyRaw: boolean) => {
    const range = { startTime: '2026-11-10T10:00:00Z', endTime: '2026-11-10T13:00:00Z' }
    const { rows } = await eventsOverTime(
      fixture.db,
      viewer,
      { name, interval, ...range },
      { onlyRaw },
    )
    return rows.map(({ value, lateCount, revisedAt }) => [value, lateCount, revisedAt])
  }
  for (const onlyRaw of [false, true]) {
    expect(await of('HOUR', onlyRaw)).toEqual([
      [3, 5, '2026-11-13T08:00:00Z'],
      [1, 1, '2026-11-11T09:00:00Z'],
      [1, 0, null],
    ])
    expect(await of('TOTAL', onlyRaw)).toEqual([[5, 6, '2026-11-13T08:00:00Z']])
  }
})

test('where clocks move by half an hour, an hour begins with its first event at the earliest and overlaps no other', async () => {
  // Lord Howe: back at 15:00Z on 4 April 2026, forward at 15:30Z on 3 October.
  const times = [
    '04-04T14:10',
    '04-04T15:05',
    '04-04T15:40',
    '10-03T15:10',
    '10-03T15:40',
    '10-03T16:10',
  ]
  const name = 'half hours'
  await fixture.store(
    'default',
    times.map((time) => ({ name, occurredAt: `2026-${time}:00Z` })),
  )
  const { rows } = await execute({
    name,
    interval: 'HOUR',
    timeZone: 'Australia/Lord_Howe',
    startTime: '2026-04-01T00:00:00Z',
    endTime: '2026-11-01T00:00:00Z',
  })
  expect(rows.map(({ timestamp }) => timestamp)).toEqual([
    '2026-04-04T14:00:00Z',
    '2026-04-04T15:00:00Z',
    '2026-04-04T15:30:00Z',
    '2026-10-03T14:30:00Z',
    '2026-10-03T15:30:00Z',
    '2026-10-03T16:00:00Z',
  ])
})

test('a day begins to the second where a zone once had an offset of no whole quarters of an hour', async () => {
  // Monrovia: 44 minutes and 30 seconds behind UTC until 1972.
  const name = 'offset of seconds'
  await fixture.store(
    'default',
    ['00:44:29', '00:44:31', '00:59:59'].map((time) => ({
      name,
      occurredAt: `1971-06-01T${time}Z`,
    })),
  )
  const range = { startTime: '1971-05-30T00:00:00Z', endTime: '1971-06-03T00:00:00Z' }
  const input = { name, ...range, interval: 'DAY', timeZone: 'Africa/Monrovia' } as const
  const { rows, source } = await eventsOverTime(fixture.db, viewer, input)
  expect(rows.map(({ timestamp, value }) => [timestamp, value])).toEqual([
    ['1971-05-31T00:44:30Z', 1],
    ['1971-06-01T00:44:30Z', 2],
  ])
  expect(source).toBe('raw')
})

test('no zone has had an offset other than whole quarters of an hour since rollups serve its days', () => {
  const since = Date.parse('1979-10-01T10:40:00Z')
  for (const zone of Intl.supportedValuesOf('timeZone'))
    for (let ms = since; ms < Date.parse('2030-01-01T00:00:00Z'); ms += 91 * 86_400_000)
      if (DateTime.fromMillis(ms, { zone }).offset % 15 !== 0)
        expect.fail(`${zone} at ${new Date(ms).toISOString()}`)
})
