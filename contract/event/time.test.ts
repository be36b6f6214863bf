import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { LIMITS } from '../limits.ts'
import { clockSkew, readCanonicalTime, readTime, shiftTime } from './time.ts'

/** `time ms`, or why not. */
function read(value: unknown): string {
  const found = readTime(value)
  return found.ok ? `${found.time} ${found.ms - Date.parse(found.time)}` : found.detail
}

describe('a time as text', () => {
  test.each([
    '0100-01-01T00:00:00Z',
    '2024-02-29T23:59:59Z',
    '2000-02-29T00:00:00Z',
    '2026-01-31T00:00:00.1Z',
    '2026-04-30T00:00:00.12Z',
    '2026-12-31T00:00:00.123Z',
    '2026-12-31T00:00:00.1234Z',
    '2026-12-31T00:00:00.12345Z',
    '2026-12-31T00:00:00.123456Z',
    '9999-12-31T23:59:59.999999Z',
    '2026-11-21T09:20:15.000000Z',
  ])('that is canonical stays as it is: %s', (time) => {
    expect(read(time)).toBe(`${time} 0`)
    expect(readCanonicalTime(time)).toEqual({
      ms: Date.parse(time),
      us: Number((/\.(\d+)Z/.exec(time)?.[1] ?? '').padEnd(6, '0').slice(3)),
    })
  })

  test.each([
    ['2026-11-21t09:20:15z', '2026-11-21T09:20:15Z'],
    ['2026-11-21 09:20:15Z', '2026-11-21T09:20:15Z'],
    ['2026-11-21T09:20:15+05:45', '2026-11-21T03:35:15Z'],
    ['2026-11-21T09:20:15-23:59', '2026-11-22T09:19:15Z'],
    ['2026-11-21T09:20:15+23:59', '2026-11-20T09:21:15Z'],
    ['2026-11-21T09:20:15.1234567Z', '2026-11-21T09:20:15.123456Z'],
    ['2026-11-21T09:20:15.123456789012Z', '2026-11-21T09:20:15.123456Z'],
    ['2026-11-21T09:20:15.5+01:00', '2026-11-21T08:20:15.5Z'],
    ['2016-12-31T23:59:60Z', '2017-01-01T00:00:00Z'],
    ['2017-01-01T05:29:60.25+05:30', '2017-01-01T00:00:00.25Z'],
    ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00Z'],
    ['9999-12-31 23:59:59Z', '9999-12-31T23:59:59Z'],
    ['0099-12-31T23:59:59Z', '0099-12-31T23:59:59Z'],
    ['0001-01-01T00:00:00-00:01', '0001-01-01T00:01:00Z'],
    ['1970-01-01T00:00:00+00:01', '1969-12-31T23:59:00Z'],
  ])('%s is %s', (written, time) => {
    expect(read(written)).toBe(`${time} 0`)
  })

  const noDay = 'names a day that does not exist'
  const noTime = 'names a time of day that does not exist'
  const noForm = 'is not an RFC 3339 time such as 2026-11-21T09:20:15Z'
  const noOffset = 'has no offset; end it with Z or +hh:mm'
  const noYear = 'is outside the years 1 to 9999'
  test.each([
    ['2026-00-21T09:20:15Z', noDay],
    ['2026-13-21T09:20:15Z', noDay],
    ['2026-11-00T09:20:15Z', noDay],
    ['2026-11-31T09:20:15Z', noDay],
    ['2026-01-32T09:20:15Z', noDay],
    ['2026-02-29T09:20:15Z', noDay],
    ['1900-02-29T09:20:15Z', noDay],
    ['2026-02-29T09:20:15+01:00', noDay],
    ['2026-11-21T24:00:00Z', noTime],
    ['2026-11-21T09:60:15Z', noTime],
    ['2026-11-21T09:20:61Z', noTime],
    ['2026-11-21T09:20:15+24:00', noTime],
    ['2026-11-21T09:20:15+01:60', noTime],
    ['2026-11-21T09:20:60Z', 'names a leap second that does not exist'],
    ['0000-01-01T00:00:00Z', 'names a year before 1'],
    ['0001-01-01T00:00:00+00:01', noYear],
    ['9999-12-31T23:59:59-00:01', noYear],
    ['2026-11-21T09:20:15', noOffset],
    ['2026-11-21t09:20:15.5', noOffset],
    ['2026-11-21 09:20:15.123456', noOffset],
    ['x2026-11-21T09:20:15', noForm],
    ['2026-11-21T09:20:15x', noForm],
    ['2026-11-21T09:20:15.', noForm],
    ['2026-11-21', 'has no time of day; write it as 2026-11-21T00:00:00Z or with another offset'],
    ['2026-11-211', noForm],
    ['12026-11-21', noForm],
    ['2026-11-21T09:20:15.Z', noForm],
    ['2026-11-21T09:20:15.1234567890123Z', noForm],
    ['2026-11-21T09:20:15.12x456Z', noForm],
    ['2026-11-21T09:20:15,123456Z', noForm],
    ['2026/11-21T09:20:15Z', noForm],
    ['2026-11/21T09:20:15Z', noForm],
    ['2026-11-21x09:20:15Z', noForm],
    ['2026-11-21T09.20:15Z', noForm],
    ['2026-11-21T09:20.15Z', noForm],
    ['x026-11-21T09:20:15Z', noForm],
    ['2026-x1-21T09:20:15Z', noForm],
    ['2026-11-2:T09:20:15Z', noForm],
    ['2026-11-21T/9:20:15Z', noForm],
    ['2026-11-21T09:2 :15Z', noForm],
    ['2026-11-21T09:20:1xZ', noForm],
    ['2026-11-21T09:20:15Zx', noForm],
    ['x2026-11-21T09:20:15Z', noForm],
    ['2026-11-21T09:20:15+0100', noForm],
    ['20261-11-21T09:20:15Z', noForm],
    ['', noForm],
  ])('"%s" is rejected: %s', (written, why) => {
    expect(read(written)).toBe(why)
    expect(readCanonicalTime(written)).toBeUndefined()
  })

  test('the fast path and the full one read the last days of every month alike', () => {
    const daysIn = (year: number, month: number) => new Date(Date.UTC(year, month, 0)).getUTCDate()
    for (const year of [1896, 1900, 1970, 2000, 2023, 2024, 2100, 2400])
      for (let month = 1; month <= 12; month++)
        for (let day = 28; day <= 31; day++) {
          const time = `${year}-${String(month).padStart(2, '0')}-${day}T00:00:00Z`
          const wanted = day <= daysIn(year, month) ? `${time} 0` : noDay
          expect([read(time), read(time.replace('T', ' '))]).toEqual([wanted, wanted])
        }
  })
})

describe('a time as a number', () => {
  test.each([
    [0, '1970-01-01T00:00:00Z'],
    [-1, '1969-12-31T23:59:59Z'],
    [0.5, '1970-01-01T00:00:00.500Z'],
    [-0.25, '1969-12-31T23:59:59.750Z'],
    [1.000001, '1970-01-01T00:00:01.000001Z'],
    [0.9999999, '1970-01-01T00:00:01Z'],
    [99_999_999_999, '5138-11-16T09:46:39Z'],
    [100_000_000_000, '1973-03-03T09:46:40Z'],
    [-100_000_000_000, '1966-10-31T14:13:20Z'],
    [1_795_000_000_007, '2026-11-18T11:06:40.007Z'],
    [99_999_999_999_999, '5138-11-16T09:46:39.999Z'],
    [100_000_000_000_000, '1973-03-03T09:46:40Z'],
    [1_795_000_000_000_042, '2026-11-18T11:06:40.000042Z'],
    [-62_135_596_800, '0001-01-01T00:00:00Z'],
  ])('%d is %s', (value, time) => {
    const found = readTime(value)
    expect(found).toEqual({ ok: true, time, ms: Math.floor(Date.parse(time)) })
  })

  test.each([
    [-62_135_596_801, 'is outside the years 1 to 9999'],
    [-62_135_596_800_001, 'is outside the years 1 to 9999'],
    [1e17, 'is too large for a time in seconds, milliseconds or microseconds'],
    [-1e17, 'is too large for a time in seconds, milliseconds or microseconds'],
    [Number.NaN, 'is too large for a time in seconds, milliseconds or microseconds'],
    [Number.POSITIVE_INFINITY, 'is too large for a time in seconds, milliseconds or microseconds'],
    [
      true,
      'must be an RFC 3339 string with an offset, or a number of seconds, milliseconds or microseconds since 1970',
    ],
    [
      null,
      'must be an RFC 3339 string with an offset, or a number of seconds, milliseconds or microseconds since 1970',
    ],
  ])('%s is rejected: %s', (value, why) => {
    expect(read(value)).toBe(why)
  })
})

describe('a corrected time', () => {
  test.each([
    ['2026-11-21T09:20:15Z', 1_500, '2026-11-21T09:20:16.500Z'],
    ['2026-11-21T09:20:15Z', -15_000, '2026-11-21T09:20:00Z'],
    ['2026-11-21T09:20:15.5Z', 500, '2026-11-21T09:20:16Z'],
    ['2026-11-21T09:20:15.123456Z', 1, '2026-11-21T09:20:15.124456Z'],
    ['2026-11-21T09:20:15.123456Z', -123, '2026-11-21T09:20:15.000456Z'],
    ['2026-11-21T09:20:15.000Z', 0.4, '2026-11-21T09:20:15Z'],
    ['2026-11-21T09:20:15.0001Z', 0, '2026-11-21T09:20:15.0001Z'],
    ['1970-01-01T00:00:00.001Z', -2, '1969-12-31T23:59:59.999Z'],
    ['1969-12-31T23:59:58Z', -1_250, '1969-12-31T23:59:56.750Z'],
    ['0001-01-01T00:00:01Z', -1_000, '0001-01-01T00:00:00Z'],
    ['9999-12-31T23:59:58Z', 1_000, '9999-12-31T23:59:59Z'],
  ])('%s moved by %d ms is %s', (time, ms, shifted) => {
    expect(shiftTime(time, ms)).toBe(shifted)
  })

  test('outside the years 1 to 9999 is none', () => {
    expect(shiftTime('0001-01-01T00:00:00Z', -1)).toBeUndefined()
    expect(shiftTime('9999-12-31T23:59:59Z', 1_000)).toBeUndefined()
    expect(shiftTime('2026-11-21T09:20:15Z', Number.NaN)).toBeUndefined()
  })

  test('moves by what the instants differ, whatever their digits', () => {
    const time = fc
      .tuple(fc.date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) }), fc.nat(999))
      .map(([date, us]) => date.toISOString().replace('Z', `${String(us).padStart(3, '0')}Z`))
    fc.assert(
      fc.property(time, fc.integer({ min: -1e9, max: 1e9 }), (time, ms) => {
        const shifted = readCanonicalTime(shiftTime(time, ms) as string)
        const before = readCanonicalTime(time)
        expect(shifted).toEqual({ ms: (before?.ms as number) + ms, us: before?.us })
      }),
    )
  })

  test('is one whose clock is wrong by more than a network explains, and less than a day or two', () => {
    const { clockSkewMsMin: min, clockSkewMsMax: max } = LIMITS
    for (const sign of [1, -1]) {
      expect(clockSkew(1e12, 1e12 + sign * (min - 1))).toBe(0)
      expect(clockSkew(1e12, 1e12 + sign * min)).toBe(sign * min)
      expect(clockSkew(1e12, 1e12 + sign * max)).toBe(sign * max)
      expect(clockSkew(1e12, 1e12 + sign * (max + 1))).toBe(0)
    }
  })
})

test.each([
  '0000-01-01T00:00:00Z',
  '2026-02-30T00:00:00Z',
  '2026-02-29T00:00:00Z',
  '2026-04-31T00:00:00.123456Z',
  '2026-13-01T00:00:00Z',
  '2026-11-21T24:00:01Z',
  '2026-11-21t00:00:00Z',
  '2026-11-21T00:00:00+00:00',
  '2026-11-21T00:00:00.1234567Z',
  'x2026-11-21T00:00:00Z',
])('the log has no time %s', (time) => {
  expect(readCanonicalTime(time)).toBeUndefined()
})
