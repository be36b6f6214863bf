import { expect, test } from 'vitest'
import { duration, moment, whole } from './numbers.ts'

test('a moment is the same one on every machine', () => {
  expect(moment('2027-01-31T00:00:00Z').toISOString()).toBe('2027-01-31T00:00:00.000Z')
  expect(moment('2027-01-31T00:00:00.25+05:45').toISOString()).toBe('2027-01-30T18:15:00.250Z')
  for (const text of [
    '2027-01-31T00:00:00',
    '2027-01-31',
    '31 January 2027',
    '1',
    '2027-02-30T00:00:00Z',
    '',
  ])
    expect(() => moment(text), text).toThrow('It takes a time with its offset')
})

test('a duration has a unit, and a bound', () => {
  const week = duration(7)
  expect(['90s', '30m', '24h', '7d'].map(week)).toEqual([90e3, 1_800e3, 86_400e3, 604_800e3])
  for (const text of ['8d', '30', 'm', '-1h', '1.5h'])
    expect(() => week(text), text).toThrow('It takes')
})

test('a number is whole, and within its bounds', () => {
  const few = whole(1, 6)
  expect(['1', '6'].map(few)).toEqual([1, 6])
  expect(whole(0)('1_000,000')).toBe(1_000_000)
  for (const text of ['0', '7', '1.5', 'two', '-1'])
    expect(() => few(text), text).toThrow('from 1 to 6')
})
