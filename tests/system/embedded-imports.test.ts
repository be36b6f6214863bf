import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { DateTime } from 'luxon'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { ROOT } from '../../core/lib/paths.ts'
import { type Flight, flightTime } from '../../tools/demo/flights.ts'
import { askGraphQL, createTestHome, type TestHome, type TestSluice } from '../lib/sluice.ts'

/** Real data sets: every interface has to return exactly the numbers of a direct count of the file. */
interface Quake {
  id: string
  properties: { mag: number | null; time: number; net: string }
}
const quakes = (
  JSON.parse(
    readFileSync(
      new URL('../../node_modules/vega-datasets/data/earthquakes.json', import.meta.url),
      'utf8',
    ),
  ) as {
    features: Quake[]
  }
).features

let home: TestHome
let sluice: TestSluice
beforeAll(async () => {
  home = createTestHome()
  sluice = await home.start('--no-demo')
  await Promise.all([importAll(), importData('flights')])
})
afterAll(() => home.remove())

async function importData(name: string): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, ['cli/import-data.ts', name], {
    cwd: ROOT,
    env: { ...process.env, SLUICE_HOME: home.folder },
  })
  return stdout
}

async function importAll(): Promise<string> {
  const stdout = await importData('earthquakes')
  // Not expect.poll, which works inside of tests only.
  await vi.waitFor(
    async () => expect((await ask('COUNT', 'TOTAL', 'UTC'))[0]?.value).toBe(quakes.length),
    { timeout: 20_000, interval: 100 },
  )
  return stdout
}

interface Point {
  timestamp: string
  value: number
  dimensions: Record<string, string | null>
}

async function ask(
  aggregate: string,
  interval: string,
  timeZone: string,
  groupBy: string[] = [],
): Promise<Point[]> {
  const { metrics } = await askGraphQL<{ metrics: Point[] }>(
    sluice.run,
    `query ($aggregate: Aggregate!, $interval: Interval!, $timeZone: String!, $groupBy: [String!]) {
      metrics(name: "earthquake", startTime: "2018-01-01T00:00:00Z", endTime: "2018-03-01T00:00:00Z",
              aggregate: $aggregate, interval: $interval, timeZone: $timeZone, groupBy: $groupBy) { timestamp value dimensions }
    }`,
    { aggregate, interval, timeZone, groupBy },
  )
  return metrics
}

function groupTimes(keyOf: (quake: Quake) => string): Map<string, Quake[]> {
  const groups = new Map<string, Quake[]>()
  for (const quake of quakes) groups.set(keyOf(quake), [...(groups.get(keyOf(quake)) ?? []), quake])
  return groups
}

const magnitudes = (group: Quake[]) => group.flatMap(({ properties: { mag } }) => mag ?? [])
const sum = (values: number[]) => values.reduce((a, b) => a + b, 0)

test.each(['America/Los_Angeles', 'Asia/Kathmandu', 'UTC'])(
  'metrics by day in %s equal a count of the file: count, sum, min and max of the magnitude',
  async (zone) => {
    const days = groupTimes(({ properties: { time } }) =>
      DateTime.fromMillis(time, { zone }).startOf('day').toMillis().toString(),
    )
    const expected = [...days].sort(([a], [b]) => Number(a) - Number(b))
    const of = async (aggregate: string) =>
      (await ask(aggregate, 'DAY', zone)).map(
        ({ timestamp, value }) => [String(Date.parse(timestamp)), value] as const,
      )

    expect(await of('COUNT')).toEqual(expected.map(([day, group]) => [day, group.length]))
    expect(await of('MIN')).toEqual(
      expected.map(([day, group]) => [day, Math.min(...magnitudes(group))]),
    )
    expect(await of('MAX')).toEqual(
      expected.map(([day, group]) => [day, Math.max(...magnitudes(group))]),
    )
    const sums = await of('SUM')
    expect(sums.map(([day]) => day)).toEqual(expected.map(([day]) => day))
    for (const [i, [, group]] of expected.entries())
      expect(sums[i]?.[1]).toBeCloseTo(sum(magnitudes(group)), 9)
  },
)

test('metrics grouped by net equal a count of the file', async () => {
  const found = (await ask('COUNT', 'TOTAL', 'UTC', ['net'])).map(({ dimensions, value }) => [
    dimensions.net,
    value,
  ])
  const expected = [...groupTimes(({ properties }) => properties.net)].map(([net, group]) => [
    net,
    group.length,
  ])
  expect(Object.fromEntries(found)).toEqual(Object.fromEntries(expected))
})

test('a second import changes no number', async () => {
  const before = await Promise.all([
    ask('COUNT', 'DAY', 'UTC'),
    ask('SUM', 'DAY', 'UTC'),
    ask('COUNT', 'TOTAL', 'UTC', ['net']),
  ])
  const output = await importAll()
  expect(output).toContain('1,707 accepted, 0 rejected')
  await expect
    .poll(async () => {
      const { totals } = await askGraphQL<{ totals: { duplicates: number } }>(
        sluice.run,
        `{ totals(startTime: "${new Date(Date.now() - 3_600_000).toISOString()}", endTime: "${new Date(Date.now() + 3_600_000).toISOString()}") { duplicates } }`,
      )
      return totals.duplicates
    })
    .toBe(1_707)
  expect(
    await Promise.all([
      ask('COUNT', 'DAY', 'UTC'),
      ask('SUM', 'DAY', 'UTC'),
      ask('COUNT', 'TOTAL', 'UTC', ['net']),
    ]),
  ).toEqual(before)
})

const flights = JSON.parse(
  readFileSync(
    new URL('../../node_modules/vega-datasets/data/flights-20k.json', import.meta.url),
    'utf8',
  ),
) as Flight[]
const FLIGHTS_RANGE = { start: '2001-01-01T00:00:00Z', end: '2001-04-01T00:00:00Z' }

interface Asked {
  aggregate: string
  interval: string
  timeZone: string
  groupBy?: string
  /** `origin:SEA` */
  filter?: string
}

/** Points by time and group, `2001-01-13T00:00:00.000Z SEA`. */
type Points = Record<string, number>

const pointKey = (time: string, group: string | null | undefined) =>
  `${new Date(time).toISOString()} ${group ?? ''}`

function byHand({ aggregate, interval, timeZone, groupBy, filter }: Asked): Points {
  const groups = new Map<string, number[]>()
  const [dimension, value] = (filter?.split(':') ?? []) as [(keyof Flight)?, string?]
  for (const flight of flights) {
    if (dimension && flight[dimension] !== value) continue
    const at = DateTime.fromISO(flightTime(flight.date), { zone: timeZone })
    const start = interval === 'total' ? FLIGHTS_RANGE.start : at.startOf(interval as 'day').toISO()
    const key = pointKey(start as string, groupBy && String(flight[groupBy as keyof Flight]))
    const delays = groups.get(key)
    if (delays) delays.push(flight.delay)
    else groups.set(key, [flight.delay])
  }
  const aggregateOf = (delays: number[]) =>
    aggregate === 'count' ? delays.length : aggregate === 'max' ? Math.max(...delays) : sum(delays)
  return Object.fromEntries([...groups].map(([key, delays]) => [key, aggregateOf(delays)]))
}

const INTERFACES: Record<string, (asked: Asked) => Promise<Points>> = {
  async GraphQL({ aggregate, interval, timeZone, groupBy, filter }) {
    const [dimension, value] = filter?.split(':') ?? []
    const { metrics } = await askGraphQL<{ metrics: Point[] }>(
      sluice.run,
      `query ($aggregate: Aggregate!, $interval: Interval!, $timeZone: String!, $groupBy: [String!], $filter: [DimensionFilter!]) {
        metrics(name: "flight", startTime: "${FLIGHTS_RANGE.start}", endTime: "${FLIGHTS_RANGE.end}", aggregate: $aggregate,
                interval: $interval, timeZone: $timeZone, groupBy: $groupBy, filter: $filter) { timestamp value dimensions }
      }`,
      {
        aggregate: aggregate.toUpperCase(),
        interval: interval.toUpperCase(),
        timeZone,
        groupBy: groupBy ? [groupBy] : [],
        filter: dimension ? [{ dimension, in: [value] }] : [],
      },
    )
    return Object.fromEntries(
      metrics.map(({ timestamp, value, dimensions }) => [
        pointKey(timestamp, groupBy && dimensions[groupBy]),
        value,
      ]),
    )
  },
  async REST(asked) {
    const { data } = (await (await rest(asked, 'application/json')).json()) as { data: Point[] }
    return pointsOf(data, asked)
  },
  async NDJSON(asked) {
    const lines = (await (await rest(asked, 'application/x-ndjson')).text()).trim().split('\n')
    return pointsOf(
      lines.map((line) => JSON.parse(line)).filter(({ timestamp }) => timestamp),
      asked,
    )
  },
  async CSV(asked) {
    const [head = '', ...lines] = (await (await rest(asked, 'text/csv')).text())
      .trim()
      .split('\r\n')
    const columns = head.split(',')
    const cell = (line: string, name: string) => line.split(',')[columns.indexOf(name)] as string
    return Object.fromEntries(
      lines.map((line) => [
        pointKey(cell(line, 'timestamp'), asked.groupBy && cell(line, asked.groupBy)),
        Number(cell(line, 'value')),
      ]),
    )
  },
  async CLI({ aggregate, interval, timeZone, groupBy, filter }) {
    const { out, err } = await home.sluice(
      ...['query', 'flight', '--from', FLIGHTS_RANGE.start, '--to', FLIGHTS_RANGE.end],
      ...['--aggregate', aggregate, '--interval', interval, '--time-zone', timeZone, '--json'],
      ...(groupBy ? ['--group-by', groupBy] : []),
      ...(filter ? ['--filter', filter.replace(':', '=')] : []),
    )
    expect(err).toBe('')
    return pointsOf(JSON.parse(out).points, { groupBy })
  },
}

function pointsOf(points: readonly Point[], { groupBy }: Pick<Asked, 'groupBy'>): Points {
  return Object.fromEntries(
    points.map(({ timestamp, value, dimensions }) => [
      pointKey(timestamp, groupBy && dimensions[groupBy]),
      value,
    ]),
  )
}

function rest({ aggregate, interval, timeZone, groupBy, filter }: Asked, type: string) {
  const parameters = new URLSearchParams({
    ...FLIGHTS_RANGE,
    aggregate,
    interval,
    time_zone: timeZone,
    ...(groupBy && { group_by: groupBy }),
    ...(filter && { filter }),
  })
  return fetch(`${sluice.run.core_url}/v1/metrics/flight?${parameters}`, {
    headers: { authorization: `Bearer ${sluice.run.read_key}`, accept: type },
  })
}

describe('20,000 flights', () => {
  test.each(Object.keys(INTERFACES))(
    '%s returns the numbers of a count of the file',
    async (name) => {
      const read = INTERFACES[name] as (asked: Asked) => Promise<Points>
      const questions: Asked[] = [
        { aggregate: 'count', interval: 'day', timeZone: 'America/New_York' },
        { aggregate: 'sum', interval: 'week', timeZone: 'Australia/Lord_Howe' },
        { aggregate: 'max', interval: 'month', timeZone: 'Asia/Kathmandu', filter: 'origin:SEA' },
        {
          aggregate: 'count',
          interval: 'total',
          timeZone: 'UTC',
          groupBy: 'destination',
          filter: 'origin:ABQ',
        },
      ]
      for (const asked of questions)
        expect(await read(asked), JSON.stringify(asked)).toEqual(byHand(asked))
    },
  )
})
