import { expect, test } from 'vitest'
import { parseDuration, parseTime, parseWholeNumber } from './parse-options.ts'

test('a time is the same on every machine, so it needs an offset', () => {
  expect(parseTime('2027-01-31T00:00:00Z').toISOString()).toBe('2027-01-31T00:00:00.000Z')
  expect(parseTime('2027-01-31T00:00:00.25+05:45').toISOString()).toBe('2027-01-30T18:15:00.250Z')
  for (const text of [
    '2027-01-31T00:00:00',
    '2027-01-31',
    '31 January 2027',
    '1',
    '2027-02-30T00:00:00Z',
    '',
  ])
    expect(() => parseTime(text), text).toThrow('Use a time with its offset')
})

test('a duration needs a unit and has a maximum', () => {
  const parse = parseDuration(7)
  expect(['90s', '30m', '24h', '7d'].map(parse)).toEqual([90e3, 1_800e3, 86_400e3, 604_800e3])
  for (const text of ['8d', '30', 'm', '-1h', '1.5h'])
    expect(() => parse(text), text).toThrow('Use a duration')
})

test('a number is whole and within its bounds', () => {
  const parse = parseWholeNumber(1, 6)
  expect(['1', '6'].map(parse)).toEqual([1, 6])
  expect(parseWholeNumber(0)('1_000,000')).toBe(1_000_000)
  for (const text of ['0', '7', '1.5', 'two', '-1'])
    expect(() => parse(text), text).toThrow('from 1 to 6')
})
