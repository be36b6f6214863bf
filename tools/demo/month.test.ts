import { expect, test } from 'vitest'
import { createMonth } from './month.ts'

const UNTIL = Date.UTC(2026, 10, 30, 12)
const DAY = 86_400_000
const options = { seed: 1, events: 20_000, days: 30, untilMs: UNTIL }
const month = createMonth(options)
const inOrder = month.inOrder as { event: string; event_id: string; timestamp: number }[]

test('a demo month repeats every event and id with the same seed, and no id with another', () => {
  const { inOrder: same } = createMonth(options)
  expect(same).toEqual(month.inOrder)
  const ids = new Set(inOrder.map(({ event_id }) => event_id))
  const other = createMonth({ ...options, seed: 2 }).inOrder
  expect(other.filter(({ event_id }) => ids.has(event_id as string))).toEqual([])
})

test('a demo month sends as many events as it was asked for, in their order, and the dead letters on top', () => {
  const { late, repeated, untimely, invalid } = month
  expect(inOrder.length + late.length + repeated.length).toBe(options.events)
  const times = inOrder.map(({ timestamp }) => timestamp)
  expect(times).toEqual([...times].sort((a, b) => a - b))
  expect(times[0]).toBeGreaterThanOrEqual(UNTIL - 30 * DAY)
  expect(times.at(-1)).toBeLessThanOrEqual(UNTIL)
  expect(repeated.every((event) => month.inOrder.includes(event))).toBe(true)
  for (const share of [late, repeated, untimely, invalid]) expect(share.length).toBeGreaterThan(10)
})

test('a demo month has about thirty names, quiet nights and weekends, a release and an outage', () => {
  const names = new Set(inOrder.map(({ event }) => event))
  expect(names.size).toBeGreaterThanOrEqual(28)
  const count = (keep: (at: Date, event: string) => boolean) =>
    inOrder.filter(({ timestamp, event }) => keep(new Date(timestamp), event)).length
  expect(count((at) => at.getUTCHours() === 16)).toBeGreaterThan(
    3 * count((at) => at.getUTCHours() === 2),
  )
  expect(count((at) => at.getUTCDay() === 3)).toBeGreaterThan(count((at) => at.getUTCDay() === 0))

  const release = UNTIL - 12 * DAY
  const around = (from: number, until: number) =>
    count((at) => at.getTime() >= release + from && at.getTime() < release + until)
  expect(around(0, 7 * DAY)).toBeGreaterThan(1.2 * around(-7 * DAY, 0))
  const isNew = (event: string) => event === 'outfit_suggested'
  expect(count((at, event) => isNew(event) && at.getTime() < release)).toBe(0)
  expect(count((_, event) => isNew(event))).toBeGreaterThan(100)

  // Among the daylight hours of a weekday, the outage is the one without traffic.
  const perHour = new Map<number, number>()
  for (const { timestamp } of inOrder) {
    const hour = Math.floor(timestamp / 3_600_000)
    perHour.set(hour, (perHour.get(hour) ?? 0) + 1)
  }
  const atOutage = Math.floor((UNTIL - 30 * DAY) / 3_600_000) + Math.floor(30 * 24 * 0.78)
  const weekBefore = perHour.get(atOutage - 7 * 24) ?? 0
  expect(perHour.get(atOutage) ?? 0).toBeLessThan(weekBefore / 3)
})

test.each([{ seed: 2 }, { events: 20_001 }, { days: 29 }, { untilMs: UNTIL + 60_000 }])(
  'a demo month with %j shares no id with another one',
  (changed) => {
    const idsOf = ({ inOrder, late, untimely }: ReturnType<typeof createMonth>) =>
      [...inOrder, ...late, ...untimely].map(({ event_id }) => event_id as string)
    const ids = new Set(idsOf(month))
    expect(idsOf(createMonth({ ...options, ...changed })).filter((id) => ids.has(id))).toEqual([])
  },
)

test('late events of a demo month are sent a day too late or more, and none is too old for its tenant', () => {
  const days = 90
  const { late } = createMonth({ ...options, days })
  const ages = late.map(({ timestamp }) => (UNTIL - (timestamp as number)) / DAY)
  expect(Math.min(...ages)).toBeGreaterThan(1)
  expect(Math.max(...ages)).toBeGreaterThan(14)
  expect(Math.max(...ages)).toBeLessThan(30)
})

test('no event of a demo month occurred after its end, in the middle of an hour too', () => {
  const untilMs = UNTIL + 7 * 60_000
  const times = createMonth({ ...options, untilMs }).inOrder.map(
    ({ timestamp }) => timestamp as number,
  )
  expect(Math.max(...times)).toBeLessThan(untilMs)
  expect(Math.max(...times)).toBeGreaterThan(UNTIL - 60 * 60_000)
})
