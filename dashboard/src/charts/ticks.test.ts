import { expect, test } from 'vitest'
import { ticksBetween } from './ticks.ts'

const at = (text: string) => Date.parse(text)
const HOUR = 3_600_000
const local = (times: number[], timeZone: string) =>
  times.map((time) =>
    new Date(time).toLocaleString('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'short' }),
  )

test('an hour has ticks at round minutes', () => {
  const start = at('2026-11-21T09:18:00Z')
  const ticks = ticksBetween(start, start + HOUR, 'UTC', 14, 60_000)
  expect(local(ticks, 'UTC').slice(0, 3)).toEqual([
    '2026-11-21 09:20',
    '2026-11-21 09:25',
    '2026-11-21 09:30',
  ])
})

test('a day has ticks at local hours, at UTC+05:45 too', () => {
  const start = at('2026-11-20T09:15:00Z')
  const ticks = ticksBetween(start, start + 24 * HOUR, 'Asia/Kathmandu', 8, 900_000)
  expect(local(ticks, 'Asia/Kathmandu')).toEqual([
    '2026-11-20 15:00',
    '2026-11-20 18:00',
    '2026-11-20 21:00',
    '2026-11-21 00:00',
    '2026-11-21 03:00',
    '2026-11-21 06:00',
    '2026-11-21 09:00',
    '2026-11-21 12:00',
    '2026-11-21 15:00',
  ])
})

test('ticks stay at 06:00 and 18:00 on the day daylight saving ends', () => {
  const start = at('2026-10-24T22:00:00Z')
  const ticks = ticksBetween(start, start + 25 * HOUR, 'Europe/Berlin', 5, 900_000)
  expect(local(ticks, 'Europe/Berlin')).toEqual([
    '2026-10-25 00:00',
    '2026-10-25 06:00',
    '2026-10-25 12:00',
    '2026-10-25 18:00',
    '2026-10-26 00:00',
  ])
})

test('ticks ascend, lie within the range and are limited in number', () => {
  for (const zone of ['UTC', 'America/Havana', 'Australia/Lord_Howe', 'Asia/Kathmandu'])
    for (let length = 10 * 60_000; length < 3_650 * 24 * HOUR; length *= 1.7)
      for (const most of [3, 8, 16]) {
        const start = at('2026-11-21T09:18:00Z') - length
        const ticks = ticksBetween(start, start + length, zone, most, length / 200)
        expect(ticks.length).toBeLessThanOrEqual(most + 2)
        expect(ticks.every((tick) => tick >= start && tick <= start + length)).toBe(true)
        expect([...new Set(ticks)].sort((a, b) => a - b)).toEqual(ticks)
      }
})

test.each([
  ['weeks', 60 * 24, 5, ['2026-10-12', '2026-10-26', '2026-11-09', '2026-11-23']],
  ['months', 300 * 24, 5, ['2026-05', '2026-07', '2026-09', '2026-11', '2027-01']],
])(
  'ticks of many %s begin at local midnight, whatever the clocks did between',
  (_, hours, most, starts) => {
    const start = at('2026-10-01T04:00:00Z') - (hours > 2_000 ? 200 * 24 * HOUR : 0)
    const found = ticksBetween(start, start + hours * HOUR, 'America/New_York', most, 24 * HOUR)
    const shown = local(found, 'America/New_York')
    expect(shown.map((text) => text.slice(11))).toEqual(shown.map(() => '00:00'))
    expect(shown.map((text, i) => text.slice(0, starts[i]?.length))).toEqual(starts)
  },
)

test('where half an hour is repeated (Lord Howe) ticks stay at full hours', () => {
  const start = at('2026-04-04T10:00:00Z')
  const found = ticksBetween(start, start + 12 * HOUR, 'Australia/Lord_Howe', 13, 900_000)
  expect(local(found, 'Australia/Lord_Howe').every((text) => text.endsWith(':00'))).toBe(true)
})

test('an hour that the clock skips has one tick, not two', () => {
  const start = at('2025-03-09T05:00:00Z')
  const ticks = ticksBetween(start, start + 5 * HOUR, 'America/New_York', 6, 900_000)
  expect(local(ticks, 'America/New_York')).toEqual([
    ...['00:00', '01:00', '03:00', '04:00', '05:00', '06:00'].map((time) => `2025-03-09 ${time}`),
  ])
})
