import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { DateTime } from 'luxon'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { ROOT } from '../../core/lib/paths.ts'
import { askGraphQL, createTestHome, type TestHome, type TestSluice } from '../lib/sluice.ts'

/** One real week of earthquakes: GraphQL has to return exactly the numbers of a direct count of the file. */
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
  await importAll()
})
afterAll(() => home.remove())

async function importAll(): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, ['cli/import-earthquakes.ts'], {
    cwd: ROOT,
    env: { ...process.env, SLUICE_HOME: home.folder },
  })
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
