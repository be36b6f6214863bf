import { expect, test } from 'vitest'
import { createSchedule } from './schedule.ts'

const countWithin = (
  { total, dueAt }: ReturnType<typeof createSchedule>,
  fromMs: number,
  toMs: number,
) =>
  Array.from({ length: total }, (_, n) => dueAt(n)).filter((ms) => ms >= fromMs && ms < toMs).length

test('a schedule has as many requests as its rate and time give, at even distances', () => {
  const schedule = createSchedule({ rps: 50, minutes: 2, bursts: false })
  expect(schedule.total).toBe(6_000)
  expect(schedule.dueAt(1) - schedule.dueAt(0)).toBe(20)
  expect(createSchedule({ rps: 100_000 / 3600, minutes: 90, bursts: false }).total).toBe(150_000)
})

test('a schedule with bursts has ten times the rate for three seconds of every minute', () => {
  const schedule = createSchedule({ rps: 20, minutes: 2, bursts: true })
  for (const minute of [0, 60_000]) {
    expect(countWithin(schedule, minute + 2_000, minute + 5_000)).toBe(60)
    expect(countWithin(schedule, minute + 10_000, minute + 13_000)).toBe(600)
    expect(countWithin(schedule, minute + 13_000, minute + 16_000)).toBe(60)
  }
  expect(schedule.total).toBe(2 * (57 * 20 + 3 * 200))
})
