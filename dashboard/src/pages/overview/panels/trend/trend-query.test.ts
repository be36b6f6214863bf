import { expect, test } from 'vitest'
import { finalThroughOf } from '../../queries.ts'
import { trendOfMinutes } from './trend-query.ts'

const minutes = (...counts: number[]) =>
  counts.map((count, i) => ({ minute: new Date(i * 60_000).toISOString(), count }))

test('the last minutes are compared with the minutes before them', () => {
  const trend = trendOfMinutes(minutes(1, 2, 3, 4), 2)
  expect(trend.whole.map(({ value }) => value)).toEqual([3, 4])
  expect(trend.previous?.map(({ value }) => value)).toEqual([1, 2])
  expect(trend.times).toEqual([120_000, 180_000])
})

test('the previous period is missing when too few minutes are known', () => {
  expect(trendOfMinutes(minutes(1, 2, 3), 2).previous).toBeUndefined()
})

test('only the current minute is not final', () => {
  expect(trendOfMinutes(minutes(1, 2, 3), 3).whole.map(({ isFinal }) => isFinal)).toEqual([
    true,
    true,
    false,
  ])
})

test('up to when buckets are final is read from the extensions of the response', () => {
  const extensions = { metrics: { whole: { finalThrough: '2026-11-20T10:15:00Z' }, parts: {} } }
  expect(finalThroughOf(extensions, 'whole')).toBe(Date.parse('2026-11-20T10:15:00Z'))
  expect(finalThroughOf(extensions, 'parts')).toBeUndefined()
  expect(finalThroughOf(undefined, 'whole')).toBeUndefined()
})
