import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  createQueryFixture,
  type FixtureEvent,
  type QueryFixture,
} from '../../api/graphql/testing/fixture.ts'
import { type TenantViewer, tenantViewer } from '../../identity/viewer.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { type ContributionsInput, contributions } from './contributions.ts'

const BEFORE = { previousStart: '2026-11-10T06:00:00Z', previousEnd: '2026-11-12T00:00:00Z' }
const AFTER = { startTime: '2026-11-14T00:00:00Z', endTime: '2026-11-16T00:00:00Z' }
const random = seededRandom(5)
const EVENTS: FixtureEvent[] = Array.from({ length: 600 }, () => {
  const at = new Date(Date.UTC(2026, 10, 10) + random.int(6 * 86_400_000)).toISOString()
  const city = random.int(14)
  return {
    name: random.pick(['order', 'view']),
    occurredAt: at,
    receivedAt: at,
    value: random.int(100_000) / 100,
    properties: city === 0 ? {} : { city: `city ${city}`, plan: random.pick(['pro', 'free']) },
  }
})

let fixture: QueryFixture
let viewer: TenantViewer
beforeAll(async () => {
  fixture = await createQueryFixture()
  viewer = await tenantViewer(fixture.db, { kind: 'SESSION' }, 'default')
  await fixture.store('default', EVENTS)
})
afterAll(() => fixture.close())

const explain = (input: Partial<ContributionsInput> = {}) =>
  contributions(fixture.db, viewer, { name: '*', dimension: 'city', ...BEFORE, ...AFTER, ...input })

/** In whole cents, as a plain program adds them. */
function recount(start: string, end: string, aggregate: string) {
  const inRange = EVENTS.filter(
    ({ occurredAt = '' }) =>
      Date.parse(occurredAt) >= Date.parse(start) && Date.parse(occurredAt) < Date.parse(end),
  )
  const cents = (sum: number, { value }: FixtureEvent) =>
    sum + (aggregate === 'SUM' ? Math.round((value ?? 0) * 100) : 100)
  const of = (city: unknown) =>
    inRange.filter(({ properties }) => (properties?.city ?? null) === city)
  return {
    whole: inRange.reduce(cents, 0) / 100,
    of: (city: unknown) => of(city).reduce(cents, 0) / 100,
  }
}
const cents = (numbers: number[]) => numbers.reduce((sum, each) => sum + Math.round(each * 100), 0)

test.each(['COUNT', 'SUM'] as const)(
  'the differences of %s by value, with "(other)", are exactly the difference of the ranges',
  async (aggregate) => {
    const before = recount(BEFORE.previousStart, BEFORE.previousEnd, aggregate)
    const after = recount(AFTER.startTime, AFTER.endTime, aggregate)
    for (const limit of [1, 5, 100]) {
      const result = await explain({ aggregate, limit })
      expect([result.before, result.after, result.found]).toEqual([before.whole, after.whole, 14])
      expect(cents([result.difference])).toBe(cents([after.whole, -before.whole]))
      expect(cents(result.rows.map(({ difference }) => difference))).toBe(
        cents([result.difference]),
      )
      expect(cents(result.rows.map((row) => row.before))).toBe(cents([result.before]))
      const listed = result.rows.filter(({ isOther }) => !isOther)
      expect(listed).toHaveLength(Math.min(limit, 14))
      for (const row of listed)
        expect([row.value, row.before, row.after]).toEqual([
          row.value,
          before.of(row.value),
          after.of(row.value),
        ])
      const sizes = listed.map(({ difference }) => Math.abs(difference))
      expect(sizes).toEqual([...sizes].sort((a, b) => b - a))
    }
  },
)

test('by name they come from rollups and are the same, and two filters are the whole', async () => {
  const byName = await explain({ dimension: 'name', previousStart: null, previousEnd: null })
  expect(byName.source).toBe('rollup')
  expect(byName.previous.start).toBe('2026-11-12T00:00:00Z')
  const of = async (plan: string) =>
    (await explain({ filter: [{ dimension: 'plan', in: [plan] }] })).difference
  const without = (await explain({ dimension: 'plan' })).rows.find(({ value }) => value === null)
  expect((await of('pro')) + (await of('free')) + (without?.difference ?? 0)).toBe(
    (await explain()).difference,
  )
})

test('a result changes with events of both ranges', async () => {
  const { dependencies } = await explain()
  expect(dependencies?.map(({ range }) => range)).toEqual([
    { start: AFTER.startTime, end: AFTER.endTime },
    { start: BEFORE.previousStart, end: BEFORE.previousEnd },
  ])
})

test('ranges without events differ by nothing, and averages are refused', async () => {
  const nothing = await explain({ name: 'unknown' })
  expect(nothing).toMatchObject({ rows: [], before: 0, after: 0, difference: 0, found: 0 })
  await expect(explain({ aggregate: 'AVG' })).rejects.toMatchObject({
    details: { argument: 'aggregate' },
  })
})
