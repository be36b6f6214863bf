import { Hono } from 'hono'
import { requestId } from 'hono/request-id'
import { DateTime } from 'luxon'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { mulberry32 } from '../../tools/demo/traffic.ts'
import {
  createQueryFixture,
  type FixtureEvent,
  type QueryFixture,
} from './graphql/testing/fixture.ts'
import { handleError } from './http/problem.ts'
import { createRestApp } from './rest/app.ts'

/** One query, one number: whatever is asked, each interface gives the number of a plain recount. */
const QUERIES = 500
const EVENTS = 1_500
const SEED = Date.now() % 1_000_000
/** Both nights on which clocks change are in it: Lord Howe on 5 April, New York on 8 March. */
const FIRST = Date.parse('2026-03-01T00:00:00Z')
const DAYS = 45
const ZONES = ['UTC', 'Asia/Kathmandu', 'Australia/Lord_Howe', 'America/New_York']
const NAMES = ['view', 'order', 'a/b "c"']
const PLANS = ['pro', 'free', 'a, b', null]
const INTERVALS = ['hour', 'day', 'week', 'month', 'total'] as const
const AGGREGATES = ['count', 'sum', 'min', 'max', 'avg', 'uniques', 'p95'] as const

interface Asked {
  name: string
  start: string
  end: string
  interval: (typeof INTERVALS)[number]
  timeZone: string
  aggregate: (typeof AGGREGATES)[number]
  groupBy: 'plan' | 'name' | undefined
  /** Of the property `plan`. */
  filter: string | undefined
}

type Stored = Required<Pick<FixtureEvent, 'name' | 'occurredAt' | 'actor' | 'value'>> & {
  properties: { plan?: string }
}

/** Values by time and group. */
type Points = [time: string, group: string | null, value: number][]

let fixture: QueryFixture
let app: Hono
let key: Record<string, string>
let events: Stored[]
beforeAll(async () => {
  fixture = await createQueryFixture()
  key = await fixture.keyOf('default')
  app = new Hono().use(requestId())
  app.onError(handleError({ error() {} }))
  app.route(
    '/',
    createRestApp({ graphql: fixture.graphql, checkHealth: async () => ({}), secure: false }),
  )
  const random = mulberry32(SEED)
  events = Array.from({ length: EVENTS }, () => randomEvent(random))
  await fixture.store(
    'default',
    events.map((event) => ({ ...event, receivedAt: RECEIVED_AT })),
  )
  await fixture.store('other', events.slice(0, 50))
})
afterAll(() => fixture.close())

const RECEIVED_AT = new Date(FIRST + DAYS * 86_400_000).toISOString()

const pick = <T>(random: () => number, list: readonly T[]) =>
  list[Math.floor(random() * list.length)] as T

function randomEvent(random: () => number): Stored {
  const plan = pick(random, PLANS)
  return {
    name: pick(random, NAMES),
    occurredAt: new Date(FIRST + Math.floor(random() * DAYS * 86_400) * 1_000).toISOString(),
    actor: random() < 0.1 ? null : `u${Math.floor(random() * 40)}`,
    value: random() < 0.2 ? null : Math.floor(random() * 1_000),
    properties: plan === null ? {} : { plan },
  }
}

function randomQuestion(random: () => number): Asked {
  const interval = pick(random, INTERVALS)
  // An hour of a long range would be many points.
  const hours =
    interval === 'hour' ? 1 + Math.floor(random() * 72) : 24 + Math.floor(random() * DAYS * 24)
  const start = FIRST + Math.floor(random() * (DAYS * 24 - hours)) * 3_600_000
  return {
    name: pick(random, [...NAMES, '*']),
    start: new Date(Math.max(FIRST, start)).toISOString(),
    end: new Date(Math.max(FIRST, start) + hours * 3_600_000).toISOString(),
    interval,
    timeZone: pick(random, ZONES),
    aggregate: pick(random, AGGREGATES),
    groupBy: pick(random, ['plan', 'name', undefined, undefined] as const),
    filter: pick(random, ['pro', 'a, b', undefined, undefined]),
  }
}

function byHand(asked: Asked): Points {
  const { name, start, end, interval, timeZone, groupBy, filter } = asked
  const groups = new Map<string, Stored[]>()
  const buckets = interval === 'total' ? undefined : bucketsOf(interval, timeZone)
  for (const [i, event] of events.entries()) {
    if (name !== '*' && event.name !== name) continue
    if (event.occurredAt < start || event.occurredAt >= end) continue
    if (filter !== undefined && event.properties.plan !== filter) continue
    const group = groupBy === 'plan' ? (event.properties.plan ?? null) : groupBy ? event.name : null
    const id = JSON.stringify([buckets?.[i] ?? start, group])
    const found = groups.get(id)
    if (found) found.push(event)
    else groups.set(id, [event])
  }
  return [...groups].flatMap(([id, found]) => {
    const [time, group] = JSON.parse(id) as [string, string | null]
    const value = aggregateOf(asked.aggregate, found)
    return value === undefined ? [] : [[time, group, value] as [string, string | null, number]]
  })
}

/**
 * Where a clock is put back by half an hour, as on Lord Howe, the repeated half-hour is a bucket of its own; luxon would
 * count it with the hour before.
 */
function startOf(at: DateTime, interval: Exclude<Asked['interval'], 'total'>): number {
  if (interval !== 'hour') return at.startOf(interval).toMillis()
  const sinceFullHour = (at.minute * 60 + at.second) * 1_000 + at.millisecond
  let start = DateTime.fromMillis(at.toMillis() - sinceFullHour, { zone: at.zone })
  while (start.offset !== at.offset) start = start.plus({ minutes: 15 })
  return start.toMillis()
}

const knownBuckets = new Map<string, string[]>()

/** The start of the bucket of each event. */
function bucketsOf(interval: Exclude<Asked['interval'], 'total'>, zone: string): string[] {
  const id = `${interval} ${zone}`
  const found =
    knownBuckets.get(id) ??
    events.map(({ occurredAt }) =>
      new Date(startOf(DateTime.fromISO(occurredAt, { zone }), interval)).toISOString(),
    )
  knownBuckets.set(id, found)
  return found
}

/** undefined: no event has a value, and there is no point. */
function aggregateOf(aggregate: Asked['aggregate'], found: Stored[]): number | undefined {
  const values = found.flatMap(({ value }) => value ?? []).sort((a, b) => a - b)
  const sum = values.reduce((a, b) => a + b, 0)
  if (aggregate === 'count') return found.length
  if (aggregate === 'sum') return sum
  if (aggregate === 'uniques') return new Set(found.flatMap(({ actor }) => actor ?? [])).size
  if (values.length === 0) return undefined
  if (aggregate === 'min') return values[0]
  if (aggregate === 'max') return values.at(-1)
  if (aggregate === 'avg') return sum / values.length
  const rank = 0.95 * (values.length - 1)
  const [below, above] = [values[Math.floor(rank)], values[Math.ceil(rank)]] as [number, number]
  return below + (above - below) * (rank % 1)
}

interface Point {
  timestamp: string
  value: number
  dimensions: Record<string, string | null>
}

const INTERFACES: Record<string, (asked: Asked) => Promise<Points>> = {
  async GraphQL({ name, start, end, interval, timeZone, aggregate, groupBy, filter }) {
    const { data, errors } = await fixture.execute(
      `query ($name: String!, $start: DateTime!, $end: DateTime!, $interval: Interval, $timeZone: String, $aggregate: Aggregate,
              $groupBy: [String!], $filter: [DimensionFilter!]) {
        metrics(name: $name, startTime: $start, endTime: $end, interval: $interval, timeZone: $timeZone, aggregate: $aggregate,
                groupBy: $groupBy, filter: $filter) { timestamp value dimensions } }`,
      key,
      {
        ...{ name, start, end, timeZone },
        interval: interval.toUpperCase(),
        aggregate: aggregate.toUpperCase(),
        groupBy: groupBy ? [groupBy] : [],
        filter: filter === undefined ? [] : [{ dimension: 'plan', in: [filter] }],
      },
    )
    if (errors) throw new Error(JSON.stringify(errors))
    return pointsOf(data.metrics, groupBy)
  },
  async REST(asked) {
    const { data } = (await (await rest(asked, 'application/json')).json()) as { data: Point[] }
    return pointsOf(data, asked.groupBy)
  },
  async NDJSON(asked) {
    const lines = (await (await rest(asked, 'application/x-ndjson')).text()).trim().split('\n')
    const rows = lines.filter((line) => line !== '').map((line) => JSON.parse(line))
    return pointsOf(
      rows.filter(({ timestamp }) => timestamp !== undefined),
      asked.groupBy,
    )
  },
}

function pointsOf(points: readonly Point[], groupBy: string | undefined): Points {
  return points.map(({ timestamp, value, dimensions }) => [
    new Date(timestamp).toISOString(),
    groupBy ? (dimensions[groupBy] ?? null) : null,
    value,
  ])
}

function rest(asked: Asked, accept: string) {
  const { name, start, end, interval, timeZone, aggregate, groupBy, filter } = asked
  const parameters = new URLSearchParams({
    ...{ start, end, interval, aggregate },
    time_zone: timeZone,
    ...(groupBy && { group_by: groupBy }),
    ...(filter !== undefined && { filter: `plan:${filter}` }),
  })
  const path = `/v1/metrics/${encodeURIComponent(name)}?${parameters}`
  return app.request(`http://localhost${path}`, { headers: { ...key, accept } })
}

const inOrder = (points: Points) =>
  points.map(([time, group, value]) => [time, group, Number(value.toPrecision(12))]).sort()

test(`${QUERIES} random questions have the numbers of a plain recount through every interface`, async () => {
  const random = mulberry32(SEED)
  let points = 0
  for (let i = 0; i < QUERIES; i++) {
    const asked = randomQuestion(random)
    const expected = inOrder(byHand(asked))
    points += expected.length
    const found = await Promise.all(
      Object.entries(INTERFACES).map(async ([name, ask]) => [name, inOrder(await ask(asked))]),
    )
    for (const [name, numbers] of found)
      expect(numbers, `seed ${SEED}, ${name}, ${JSON.stringify(asked)}`).toEqual(expected)
  }
  expect(points).toBeGreaterThan(QUERIES)
}, 120_000)
