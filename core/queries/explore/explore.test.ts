import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  createQueryFixture,
  type FixtureEvent,
  type QueryFixture,
} from '../../api/graphql/testing/fixture.ts'
import { type TenantViewer, tenantViewer } from '../../identity/viewer.ts'
import { eventsOverTime } from '../metrics/events-over-time.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { eventNames } from './event-names.ts'
import { eventProperties } from './event-properties.ts'
import { type TopValuesInput, topValues } from './top-values.ts'

const RANGE = { startTime: '2026-11-20T00:00:00Z', endTime: '2026-11-22T00:00:00Z' }
const VALUES = ['pro', 'Pro plus', 'free', '(other)', '100 %', 'Ünder', null]
const random = seededRandom(14)

const EVENTS: FixtureEvent[] = Array.from({ length: 300 }, (_, i) => {
  const plan = random.pick(VALUES)
  const occurredAt = new Date(Date.UTC(2026, 10, 20) + random.int(2 * 86_400_000)).toISOString()
  return {
    name: random.pick(['order', 'order paid', 'Checkout']),
    occurredAt,
    receivedAt: occurredAt,
    actor: random.pick(['ann', 'bob', null]),
    source: random.pick(['web', 'app']),
    properties: {
      ...(plan === null ? {} : { plan }),
      cart: { total: i, 'a.b': 1, empty: {} },
      'flat.key': true,
      nothing: null,
      name: 'of the properties',
      list: [1],
    },
  }
})

let fixture: QueryFixture
let viewer: TenantViewer
beforeAll(async () => {
  fixture = await createQueryFixture()
  viewer = await tenantViewer(fixture.db, { kind: 'SESSION' }, 'default')
  await fixture.store('default', EVENTS)
  await fixture.store('other', [{ name: 'foreign', occurredAt: '2026-11-20T10:00:00Z' }])
})
afterAll(() => fixture.close())

const planOf = ({ properties }: FixtureEvent) => (properties?.plan ?? null) as string | null
const top = (args: Partial<TopValuesInput> = {}) =>
  topValues(fixture.db, viewer, { name: '*', dimension: 'plan', ...RANGE, ...args })

/** What a plain program counts, the most frequent first. */
function recount(events: FixtureEvent[], of: (event: FixtureEvent) => string | null) {
  const counts = new Map<string | null, number>()
  for (const event of events) counts.set(of(event), (counts.get(of(event)) ?? 0) + 1)
  return [...counts].map(([value, count]) => ({ value, count }))
}

describe('top values', () => {
  test('are a recount of the events, and with "(other)" add up to the whole', async () => {
    for (const name of ['*', 'order'])
      for (const limit of [1, 3, 100]) {
        const events = EVENTS.filter((event) => name === '*' || event.name === name)
        const { rows, total, found } = await top({ name, limit })
        expect(total).toBe(events.length)
        expect(found).toBe(VALUES.length)
        const counts = recount(events, planOf).sort((a, b) => b.count - a.count)
        const listed = rows.filter(({ isOther }) => !isOther)
        expect(listed.map(({ count }) => count)).toEqual(
          counts.slice(0, limit).map(({ count }) => count),
        )
        for (const { value, count } of listed) expect(counts).toContainEqual({ value, count })
        expect(rows.reduce((sum, { count }) => sum + count, 0)).toBe(total)
        expect(rows.some(({ isOther }) => isOther)).toBe(limit < VALUES.length)
        expect(rows.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1)
      }
  })

  test('a filter and its complement are the whole', async () => {
    const { total } = await top()
    const rest = VALUES.filter((value) => value !== null && value !== 'pro') as string[]
    const of = async (values: string[]) =>
      (await top({ filter: [{ dimension: 'plan', in: values }] })).total
    const without = EVENTS.filter((event) => planOf(event) === null).length
    expect((await of(['pro'])) + (await of(rest)) + without).toBe(total)
  })

  test('of names come from rollups, and are the same as from single events', async () => {
    const byName = await top({ dimension: 'name' })
    expect(byName.source).toBe('rollup')
    const filter = [{ dimension: 'source', in: ['web', 'app'] }]
    const fromEvents = await top({ dimension: 'name', filter })
    expect(fromEvents.source).toBe('raw')
    expect(byName.rows).toEqual(fromEvents.rows)
    expect(byName.rows).toHaveLength(3)
  })

  test('a search lists what contains it in any case, first what begins with it, and counts the rest', async () => {
    const { rows, total, found } = await top({ search: 'P' })
    expect(rows.map(({ value }) => value).sort()).toEqual(['(other)', 'Pro plus', 'pro'])
    expect([total, found]).toEqual([EVENTS.length, 2])
    expect((await top({ search: 'ÜN' })).rows[0]?.value).toBe('Ünder')
    // No character means anything but itself.
    expect((await top({ search: '%' })).rows[0]?.value).toBe('100 %')
    const none = await top({ search: 'nothing' })
    expect(none.rows).toEqual([{ value: '(other)', count: total, share: 1, isOther: true }])
    const first = await top({ search: 'r', dimension: 'properties.plan', limit: 1 })
    expect(first.found).toBe(5)
  })

  test('say when and from what they were read, and depend on their range alone', async () => {
    const { info, dependencies } = await top()
    expect(info).toMatchObject({
      source: 'raw',
      asOf: expect.stringMatching(/Z$/),
      definition: { metric: '*', version: 1 },
      errorBound: 0,
      queryId: expect.stringMatching(/^[\w-]{22}$/),
    })
    expect((await top({ limit: 10, search: '' })).info.queryId).toBe(info.queryId)
    expect((await top({ limit: 9 })).info.queryId).not.toBe(info.queryId)
    expect(dependencies).toMatchObject([
      { viewer, range: { start: RANGE.startTime, end: RANGE.endTime }, final: info.final },
    ])
  })

  test.each([
    [{ limit: 0 }, 'limit'],
    [{ limit: 101 }, 'limit'],
    [{ dimension: 'a..b' }, 'dimension'],
    [{ search: 'x'.repeat(257) }, 'search'],
    [{ endTime: RANGE.startTime }, 'endTime'],
  ])('%j is refused by the name of the argument', async (args, argument) => {
    await expect(top(args)).rejects.toMatchObject({
      code: 'BAD_USER_INPUT',
      details: { argument },
    })
  })
})

describe('event names', () => {
  const names = async (args: Parameters<typeof eventNames>[2] = {}) =>
    eventNames(fixture.db, viewer, args)

  test('are searched by a part in any case, as many as are asked for', async () => {
    expect((await names()).rows.map(({ name }) => name)).toEqual([
      'Checkout',
      'order',
      'order paid',
    ])
    expect((await names({ search: 'OUT' })).rows).toEqual([{ name: 'Checkout', count: null }])
    const first = await names({ search: 'o', limit: 1 })
    expect(first).toMatchObject({ rows: [{ name: 'order' }], hasMore: true, complete: true })
  })

  test('of a range have their counts, the most frequent first', async () => {
    const { rows, dependencies } = await names(RANGE)
    const counted = recount(EVENTS, ({ name }) => name ?? null)
    expect(rows).toEqual(
      counted.map(({ value, count }) => ({ name: value, count })).sort((a, b) => b.count - a.count),
    )
    expect(dependencies).toHaveLength(1)
    const empty = { startTime: '2026-10-01T00:00:00Z', endTime: '2026-10-02T00:00:00Z' }
    expect((await names(empty)).rows).toEqual([])
    await expect(names({ startTime: RANGE.startTime })).rejects.toMatchObject({
      details: { argument: 'endTime' },
    })
  })
})

describe('properties', () => {
  const properties = (name = '*') => eventProperties(fixture.db, viewer, { name, ...RANGE })

  test('are the paths that events have, each a dimension with exactly so many events', async () => {
    const { rows, sampled } = await properties()
    expect(sampled).toBe(EVENTS.length)
    expect(rows.map(({ path, types }) => [path, ...types]).sort()).toEqual([
      ['actor', 'string'],
      ['cart.empty', 'object'],
      ['cart.total', 'number'],
      ['flat.key', 'boolean'],
      ['list', 'array'],
      ['plan', 'string'],
      ['properties.name', 'string'],
      ['source', 'string'],
    ])
    for (const { path, count } of rows) {
      const groups = await eventsOverTime(fixture.db, viewer, {
        name: '*',
        ...RANGE,
        interval: 'TOTAL',
        groupBy: [path],
      })
      const having = groups.rows.filter(({ dimensions }) => dimensions[path] !== null)
      expect([path, having.reduce((sum, { value }) => sum + value, 0)]).toEqual([path, count])
    }
  })

  test('are those of one event name, and none of a name without events', async () => {
    const order = await properties('order')
    expect(order.sampled).toBe(EVENTS.filter(({ name }) => name === 'order').length)
    expect(await properties('foreign')).toMatchObject({ rows: [], sampled: 0 })
  })
})
