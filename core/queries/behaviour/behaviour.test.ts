import { DateTime } from 'luxon'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  createQueryFixture,
  type FixtureEvent,
  type QueryFixture,
} from '../../api/graphql/testing/fixture.ts'
import { type TenantViewer, tenantViewer } from '../../identity/viewer.ts'
import { QUERY_LIMITS } from '../limits.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { type FunnelInput, funnel } from './funnel.ts'
import { type RetentionInput, retention } from './retention.ts'

const DAY_MS = 86_400_000
const NAMES = ['view', 'view', 'signup', 'order', 'other']

/** Coarse times, so that many events of an actor have the same one. */
function randomEvents(seed: number): FixtureEvent[] {
  const random = seededRandom(seed)
  return Array.from({ length: 900 }, (_, i) => ({
    id: `event-${seed}-${i}`,
    name: random.pick(NAMES),
    occurredAt: new Date(Date.UTC(2026, 8, 28) + 600_000 * random.int(6 * 40)).toISOString(),
    receivedAt: '2026-10-20T00:00:00Z',
    actor: random.int(12) === 0 ? null : `actor-${random.int(60)}`,
    properties: random.int(3) === 0 ? {} : { plan: random.pick(['pro', 'free']) },
    ...(random.int(2) === 0 && { trust: 'public' as const }),
  }))
}

let fixture: QueryFixture
const viewers = new Map<string, TenantViewer>()
const SEEDS = [1, 2, 3]
beforeAll(async () => {
  fixture = await createQueryFixture([...SEEDS.map((seed) => `tenant-${seed}`), 'days', 'default'])
  for (const tenant of [...SEEDS.map((seed) => `tenant-${seed}`), 'days'])
    viewers.set(tenant, await tenantViewer(fixture.db, { kind: 'SESSION' }, tenant))
  for (const seed of SEEDS) await fixture.store(`tenant-${seed}`, randomEvents(seed))
  await fixture.store('days', DAYS)
})
afterAll(() => fixture.close())

const viewer = (tenant: string) => viewers.get(tenant) as TenantViewer
type Selection = FunnelInput['steps'][number]
const isSelected = ({ name, filter }: Selection, event: FixtureEvent) =>
  (name === '*' || event.name === name) &&
  (filter ?? []).every(({ in: values }) => values.includes(String(event.properties?.plan)))
const msOf = ({ occurredAt = '' }: FixtureEvent) => Date.parse(occurredAt)

/** From every first step, the earliest next one each time: the definition, word by word. */
function recountFunnel(events: FixtureEvent[], { steps, ...input }: FunnelInput) {
  const [start, end] = [Date.parse(input.startTime), Date.parse(input.endTime)]
  const windowMs = (input.windowSeconds ?? 0) * 1000
  const shortest = steps.map(() => new Map<string, number>())
  for (const first of events) {
    const { actor } = first
    const at = msOf(first)
    if (!actor || at < start || at >= end || !isSelected(steps[0] as Selection, first)) continue
    const own = events.filter((event) => event.actor === actor)
    let last = at
    for (const [k, step] of steps.entries()) {
      const next = own
        .filter((event) => isSelected(step, event) && msOf(event) > last)
        .map(msOf)
        .sort((a, b) => a - b)[0]
      if (k > 0) last = next ?? Number.POSITIVE_INFINITY
      if (last - at > windowMs) break
      const known = shortest[k]?.get(actor) ?? Number.POSITIVE_INFINITY
      shortest[k]?.set(actor, Math.min(known, (last - at) / 1000))
    }
  }
  return shortest.map((durations, i) => {
    const sorted = [...durations.values()].sort((a, b) => a - b)
    const middle = (sorted.length - 1) / 2
    const [low, high] = [sorted[Math.floor(middle)] ?? 0, sorted[Math.ceil(middle)] ?? 0]
    return {
      actors: sorted.length,
      medianSeconds: i === 0 || sorted.length === 0 ? null : (low + high) / 2,
    }
  })
}

const RANGE = { startTime: '2026-09-28T03:00:00Z', endTime: '2026-09-29T06:00:00Z' }
const PRO = [{ dimension: 'plan', in: ['pro'] }]

describe('a funnel', () => {
  const cases: [string, Selection[], number][] = [
    ['of three names', [{ name: 'view' }, { name: 'signup' }, { name: 'order' }], 6 * 3600],
    [
      'with a filter',
      [
        { name: 'view', filter: PRO },
        { name: 'order', filter: PRO },
      ],
      3 * 3600,
    ],
    ['of the same name', Array.from({ length: 4 }, () => ({ name: 'view' })), 8 * 3600],
    ['of any name', [{ name: '*' }, { name: 'order' }, { name: '*', filter: PRO }], 3600],
    ['of a name that nothing has', [{ name: 'view' }, { name: 'nothing' }], 3600],
  ]

  test.each(cases)('%s is what a plain program counts', async (_, steps, windowSeconds) => {
    for (const seed of SEEDS) {
      const input = { steps, windowSeconds, ...RANGE }
      const { rows, withoutActor } = await funnel(fixture.db, viewer(`tenant-${seed}`), input)
      const events = randomEvents(seed)
      const expected = recountFunnel(events, input)
      expect(rows.map(({ actors, medianSeconds }) => ({ actors, medianSeconds }))).toEqual(expected)
      expect(rows[0]?.actors).toBeGreaterThan(5)
      for (const [i, { conversion, overall }] of rows.entries()) {
        const before = expected[Math.max(0, i - 1)]?.actors ?? 0
        const actors = expected[i]?.actors ?? 0
        expect(conversion).toBe(before === 0 ? null : actors / before)
        expect(overall).toBe(actors / (expected[0]?.actors ?? 0))
      }
      const end = Date.parse(RANGE.endTime)
      const nobodys = events.filter(
        (event) =>
          event.actor === null &&
          msOf(event) >= Date.parse(RANGE.startTime) &&
          msOf(event) < end + windowSeconds * 1000 &&
          steps.some((step, i) => isSelected(step, event) && (i > 0 || msOf(event) < end)),
      )
      expect(withoutActor).toBe(nobodys.length)
    }
  })

  test('says what it depends on: its range and the window after it', async () => {
    const input = { steps: cases[0]?.[1] ?? [], windowSeconds: 3600, ...RANGE }
    const { dependencies, info } = await funnel(fixture.db, viewer('tenant-1'), input)
    const range = { start: RANGE.startTime, end: '2026-09-29T07:00:00Z' }
    expect(dependencies).toMatchObject([{ range, final: info.final }])
    expect(info).toMatchObject({ source: 'raw', definition: { metric: 'view,signup,order' } })
  })

  test.each([
    [{ steps: [{ name: 'view' }] }, 'steps'],
    [{ steps: Array.from({ length: 11 }, () => ({ name: 'view' })) }, 'steps'],
    [{ windowSeconds: 0 }, 'windowSeconds'],
    [{ windowSeconds: 90 * 86_400 + 1 }, 'windowSeconds'],
    [{ endTime: RANGE.startTime }, 'endTime'],
  ])('%j is refused by the name of the argument', async (args, argument) => {
    const input = { steps: [{ name: 'view' }, { name: 'order' }], ...RANGE, ...args }
    await expect(funnel(fixture.db, viewer('tenant-1'), input)).rejects.toMatchObject({
      code: 'BAD_USER_INPUT',
      details: { argument },
    })
  })
})

/** Around the days on which clocks move in Lord Howe (3 October 2026, by half an hour) and Berlin (25 October). */
const DAYS: FixtureEvent[] = (() => {
  const random = seededRandom(9)
  return Array.from({ length: 1_500 }, () => ({
    name: random.pick(NAMES),
    occurredAt: new Date(Date.UTC(2026, 8, 28) + 900_000 * random.int(96 * 32)).toISOString(),
    receivedAt: '2026-11-05T00:00:00Z',
    actor: random.int(12) === 0 ? null : `actor-${random.int(300)}`,
    ...(random.int(2) === 0 && { trust: 'public' as const }),
  }))
})()

function recountRetention(input: RetentionInput, zone: string, interval: 'DAY' | 'WEEK') {
  const unit = interval === 'DAY' ? 'day' : 'week'
  const numberOf = (ms: number) => {
    const start = DateTime.fromMillis(ms, { zone }).startOf(unit)
    const days = Date.parse(`${start.toISODate()}T00:00:00Z`) / DAY_MS
    return { date: start.toISODate() as string, days: interval === 'DAY' ? days : days / 7 }
  }
  const [start, end] = [Date.parse(input.startTime), Date.parse(input.endTime)]
  const events = DAYS.filter((event) => event.actor && msOf(event) >= start && msOf(event) < end)
  const firsts = new Map<string, number>()
  for (const event of events)
    if (isSelected(input.first, event)) {
      const known = firsts.get(event.actor as string) ?? Number.POSITIVE_INFINITY
      firsts.set(event.actor as string, Math.min(known, msOf(event)))
    }
  const cohorts = new Map<string, { actors: number; returned: Set<string>[] }>()
  for (const [actor, at] of firsts) {
    const { date, days } = numberOf(at)
    const length = Math.round(numberOf(end - 1).days - days) + 1
    const cohort = cohorts.get(date) ?? {
      actors: 0,
      returned: Array.from({ length }, () => new Set<string>()),
    }
    cohorts.set(date, cohort)
    cohort.actors++
    for (const event of events)
      if (
        event.actor === actor &&
        msOf(event) > at &&
        isSelected(input.returning ?? input.first, event)
      )
        cohort.returned[Math.round(numberOf(msOf(event)).days - days)]?.add(actor)
  }
  return [...cohorts]
    .map(([date, { actors, returned }]) => ({
      date,
      actors,
      returned: returned.map((r) => r.size),
    }))
    .sort((a, b) => (a.date < b.date ? -1 : 1))
}

describe('retention', () => {
  test.each(['UTC', 'Australia/Lord_Howe', 'Asia/Kathmandu', 'Europe/Berlin'])(
    'by day and by week in %s is what a plain program counts, over days on which clocks move',
    async (timeZone) => {
      const range = { startTime: '2026-09-30T09:40:00Z', endTime: '2026-10-27T02:00:00Z' }
      for (const interval of ['DAY', 'WEEK'] as const)
        for (const selections of [
          { first: { name: 'view' } },
          { first: { name: 'signup' }, returning: { name: '*' } },
        ]) {
          const input = { ...selections, ...range, interval, timeZone }
          const { rows } = await retention(fixture.db, viewer('days'), input)
          expect(rows.map(({ timestamp: _, ...cohort }) => cohort)).toEqual(
            recountRetention(input, timeZone, interval),
          )
          for (const { timestamp, date } of rows)
            expect(DateTime.fromISO(timestamp, { zone: timeZone }).toISODate()).toBe(date)
          expect(rows.length).toBeGreaterThan(interval === 'DAY' ? 20 : 3)
        }
    },
  )

  test('of a range that ends at midnight has no period that begins there', async () => {
    const range = { startTime: '2026-10-10T00:00:00Z', endTime: '2026-10-13T00:00:00Z' }
    const { rows } = await retention(fixture.db, viewer('days'), {
      first: { name: 'view' },
      ...range,
    })
    expect(rows.map(({ returned }) => returned.length)).toEqual([3, 2, 1])
  })

  test('of more than a hundred periods is refused, and each says what it depends on', async () => {
    const input = { first: { name: 'view' }, startTime: '2026-09-30T00:00:00Z' }
    const of = (endTime: string) => retention(fixture.db, viewer('days'), { ...input, endTime })
    await expect(of('2027-02-01T00:00:00Z')).rejects.toMatchObject({
      details: { argument: 'endTime' },
    })
    const { dependencies, info } = await of('2026-10-02T00:00:00Z')
    expect(dependencies).toMatchObject([{ interval: 'DAY', final: info.final }])
  })
})

describe('more events than a funnel or a retention may read', () => {
  beforeEach(async () => {
    const { pool } = fixture.database
    await pool.query('UPDATE rollup_15m SET count = $1', [QUERY_LIMITS.funnelEventsMax])
    await pool.query("UPDATE pg_class SET reltuples = 1e8 WHERE relname ~ '^event_\\d{8}$'")
  })

  test('are refused before any is read, with what to try', async () => {
    const refused = {
      code: 'QUERY_TOO_SLOW',
      message: expect.stringMatching(/too expensive .*Try a shorter range/),
      details: { limit: 'events', max: QUERY_LIMITS.funnelEventsMax },
    }
    const steps = [{ name: 'view' }, { name: 'order' }]
    const tenant = viewer('tenant-1')
    const client = await fixture.database.pool.connect()
    await client.query('BEGIN; LOCK TABLE event IN ACCESS EXCLUSIVE MODE')
    await expect(funnel(fixture.db, tenant, { steps, ...RANGE })).rejects.toMatchObject(refused)
    const input = { first: { name: 'view' }, ...RANGE }
    await expect(retention(fixture.db, tenant, input)).rejects.toMatchObject(refused)
    await client.query('ROLLBACK')
    client.release()
  })
})
