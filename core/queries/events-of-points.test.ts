import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  createQueryFixture,
  type FixtureEvent,
  type QueryFixture,
} from '../api/graphql/testing/fixture.ts'
import type { MetricPoint } from './metrics/events-over-time.ts'

/** The events of every fourth are late, some have no plan, and two plans differ after their 256th character only. */
const LONG = 'x'.repeat(256)
const PLANS = ['pro', 'free', undefined, `${LONG}1`, `${LONG}2`, 'name:"\\{}']
const DAY = '2026-11-20'
const events: FixtureEvent[] = Array.from({ length: 240 }, (_, i) => ({
  id: `event-${i}`,
  name: i % 3 === 0 ? 'signup' : 'order',
  occurredAt: `${DAY}T${String(6 + (i % 12)).padStart(2, '0')}:${String(i % 60).padStart(2, '0')}:00Z`,
  receivedAt: i % 4 === 0 ? `2026-11-2${2 + (i % 5)}T03:00:00Z` : `${DAY}T18:00:00.${i}Z`,
  late: i % 4 === 0,
  source: i % 5 === 0 ? null : `source-${i % 2}`,
  properties: i % 6 === 2 ? {} : { plan: PLANS[i % 6] },
}))

let fixture: QueryFixture
let headers: Record<string, string>
beforeAll(async () => {
  fixture = await createQueryFixture()
  headers = await fixture.keyOf('default')
  await fixture.store('default', events)
  await fixture.store('other', events.slice(0, 50))
})
afterAll(() => fixture.close())

interface Filter {
  dimension: string
  in: (string | null)[]
}

interface Query {
  name: string
  interval: string
  groupBy?: string[]
  filter?: Filter[]
}

async function points(variables: object): Promise<MetricPoint[]> {
  const { data, errors } = await fixture.execute(
    `query ($name: String!, $interval: Interval!, $groupBy: [String!], $filter: [DimensionFilter!]) {
       metrics(name: $name, startTime: "${DAY}T06:20:00Z", endTime: "${DAY}T20:00:00Z", interval: $interval, groupBy: $groupBy, filter: $filter) {
         timestamp value dimensions lateCount } }`,
    headers,
    variables,
  )
  expect(errors).toBeUndefined()
  return data.metrics
}

/** The ids on all pages, and how many the first of them says there are. */
async function listed(variables: object) {
  const ids: string[] = []
  const totals = new Set<number>()
  for (let after: string | null = null; ; ) {
    const { data, errors } = await fixture.execute(
      `query ($name: String, $startTime: DateTime, $endTime: DateTime, $filter: [DimensionFilter!], $after: String) {
         events(name: $name, startTime: $startTime, endTime: $endTime, filter: $filter, first: 7, after: $after) {
           totalCount edges { node { id } } pageInfo { hasNextPage endCursor } } }`,
      headers,
      { ...variables, after },
    )
    expect(errors).toBeUndefined()
    const { edges, pageInfo, totalCount } = data.events
    ids.push(...edges.map(({ node }: { node: { id: string } }) => node.id))
    totals.add(totalCount)
    if (!pageInfo.hasNextPage) return { ids, totals: [...totals] }
    after = pageInfo.endCursor
  }
}

test.each<[string, Query, number]>([
  ['of one name by the hour', { name: 'order', interval: 'HOUR' }, 3_600_000],
  ['of all names by 15 minutes', { name: '*', interval: 'QUARTER_HOUR' }, 900_000],
  [
    'by plan, those without one together',
    { name: '*', interval: 'HOUR', groupBy: ['plan'] },
    3_600_000,
  ],
  [
    'by name and plan, with a filter',
    {
      name: '*',
      interval: 'HOUR',
      groupBy: ['name', 'plan'],
      filter: [{ dimension: 'source', in: ['source-1', null] }],
    },
    3_600_000,
  ],
])(
  'the events of a point %s are exactly those that it counts, late ones too',
  async (_, query, ms) => {
    const [start, end] = [`${DAY}T06:20:00Z`, `${DAY}T20:00:00Z`].map((time) => Date.parse(time))
    const { name, groupBy = [], filter = [] }: Query = query
    const found = await points(query)
    expect(found.some(({ lateCount }) => lateCount > 0)).toBe(true)
    const all: string[] = []
    for (const { timestamp, value, dimensions } of found) {
      const from = Date.parse(timestamp)
      const ofGroup: Filter[] = groupBy.map((dimension: string) => ({
        dimension,
        in: [dimensions[dimension] ?? null],
      }))
      const { ids, totals } = await listed({
        name: name === '*' ? null : name,
        startTime: new Date(Math.max(from, start as number)).toISOString(),
        endTime: new Date(Math.min(from + ms, end as number)).toISOString(),
        filter: [...filter, ...ofGroup],
      })
      expect([ids.length, totals], JSON.stringify([timestamp, dimensions])).toEqual([
        value,
        [value],
      ])
      all.push(...ids)
    }
    const expected = events.filter(
      (event) =>
        (name === '*' || event.name === name) &&
        (event.occurredAt as string) >= `${DAY}T06:20` &&
        (filter.length === 0 || event.source !== 'source-0'),
    )
    expect(all.toSorted()).toEqual(expected.map(({ id }) => id).toSorted())
  },
)

test('a filter on null counts the events without the dimension, and with its complement all', async () => {
  const total = async (filter: Filter[]) =>
    (await points({ name: '*', interval: 'TOTAL', filter }))[0]?.value ?? 0
  const without = await total([{ dimension: 'plan', in: [null] }])
  const plans = PLANS.map((plan) => plan?.slice(0, 256)).filter((plan) => plan !== undefined)
  const others = await total([{ dimension: 'plan', in: plans }])
  expect([without > 0, without + others]).toEqual([true, await total([])])
  expect(await total([{ dimension: 'name', in: [null] }])).toBe(0)
})

test('a count needs a range with two ends, and a range does not end where it begins', async () => {
  for (const [args, selected, argument] of [
    ['first: 1', 'totalCount', 'startTime'],
    [`startTime: "${DAY}T00:00:00Z"`, 'totalCount', 'startTime'],
    [`startTime: "${DAY}T00:00:00Z", endTime: "${DAY}T00:00:00Z"`, 'edges { cursor }', 'endTime'],
  ]) {
    const { status, errors } = await fixture.execute(`{ events(${args}) { ${selected} } }`, headers)
    expect([status, errors?.[0]?.extensions], args).toEqual([
      400,
      { code: 'BAD_USER_INPUT', argument },
    ])
  }
})
