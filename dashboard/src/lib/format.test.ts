import { describe, expect, test } from 'vitest'
import {
  bucketName,
  changeOf,
  compact,
  duration,
  exact,
  firstMidnight,
  offsetName,
  offsetsName,
  rangeName,
  share,
  tickName,
  tickNumber,
  toneOf,
} from './format.ts'

const plain = (text: string) => text.replaceAll('\u00a0', ' ')

describe('numbers', () => {
  test.each([
    [0, '0'],
    [0.5, '0.5'],
    [999, '999'],
    [9_999, '9,999'],
    [10_000, '10.0 k'],
    [12_449, '12.4 k'],
    [99_949, '99.9 k'],
    [99_960, '100 k'],
    [999_499, '999 k'],
    [999_600, '1.00 M'],
    [1_240_000, '1.24 M'],
    [3.2e12, '3.20 T'],
  ])('the compact form of %d is %s', (value, label) => {
    expect(plain(compact(value))).toBe(label)
  })

  test('the exact form shows every digit', () => expect(exact(1_240_123)).toBe('1,240,123'))

  test.each([
    [20_000, '20 k'],
    [200_000, '200 k'],
    [12_500, '12.5 k'],
    [1_500_000, '1.5 M'],
    [2_000_000, '2 M'],
    [1_000, '1,000'],
  ])('the tick label of %d is %s', (value, label) => expect(plain(tickNumber(value))).toBe(label))

  test('a change shows its direction, and there is none between two zeros', () => {
    expect(changeOf(0, 0)).toBeUndefined()
    expect(changeOf(5, 0)).toEqual({ direction: 'new', label: 'new' })
    expect(plain(changeOf(112.3, 100)?.label ?? '')).toBe('+12.3 %')
    expect(plain(changeOf(50, 100)?.label ?? '')).toBe('−50.0 %')
    expect(changeOf(100, 100)?.direction).toBe('same')
    expect(changeOf(1_400, 100)?.label).toBe('×14')
    expect(plain(changeOf(0, 100)?.label ?? '')).toBe('−100 %')
  })

  test('more is good news, and more failures are bad news, also where there were none before', () => {
    expect((['up', 'new', 'same', 'down'] as const).map((direction) => toneOf(direction))).toEqual([
      ...['good', 'good', 'plain', 'plain'],
    ])
    const ofFailures = (['up', 'new', 'same', 'down'] as const).map((each) => toneOf(each, 'bad'))
    expect(ofFailures).toEqual(['bad', 'bad', 'good', 'good'])
  })

  test('a share above zero is never shown as 0 %', () => {
    expect(plain(share(1, 100_000))).toBe('< 0.1 %')
    expect(plain(share(0, 100_000))).toBe('0.0 %')
    expect(share(1, 0)).toBe('–')
  })

  test.each([
    [-5, '0 ms'],
    [34, '34 ms'],
    [420, '0.4 s'],
    [34_000, '34 s'],
    [300_000, '5 min'],
    [3 * 3_600_000, '3 h'],
    [3 * 86_400_000, '3 d'],
  ])('a duration of %d ms is shown as %s', (ms, label) => expect(plain(duration(ms))).toBe(label))
})

describe('local times of a zone', () => {
  const time = Date.parse('2026-11-20T18:15:00Z')

  test('a bucket is named by its start and end', () => {
    expect(bucketName(time, time + 900_000, 'QUARTER_HOUR', 'Asia/Kathmandu')).toBe(
      'Sat 21 Nov, 00:00 – 00:15',
    )
    expect(bucketName(time, time, 'DAY', 'Asia/Kathmandu')).toBe('Sat 21 Nov 2026')
    expect(bucketName(time, time, 'MONTH', 'UTC')).toBe('November 2026')
  })

  test('a tick shows the date where a day begins', () => {
    expect(tickName(time, 'HOUR', 'Asia/Kathmandu', false)).toBe('21 Nov')
    expect(tickName(time, 'HOUR', 'UTC', false)).toBe('18:15')
  })

  test('the offset of a zone is the one of that day', () => {
    expect(offsetName(time, 'Asia/Kathmandu')).toBe('UTC+05:45')
    expect(offsetName(time, 'Europe/Berlin')).toBe('UTC+01:00')
    expect(offsetName(Date.parse('2026-07-01T00:00:00Z'), 'Europe/Berlin')).toBe('UTC+02:00')
    expect(offsetName(time, 'UTC')).toBe('UTC')
  })

  test('a period in which clocks are moved has two offsets', () => {
    const days = (from: string, to: string) =>
      offsetsName(Date.parse(from), Date.parse(to), 'America/New_York')
    expect(days('2025-07-01', '2025-07-02')).toBe('UTC-04:00')
    expect(days('2025-10-30', '2025-11-05')).toBe('UTC-04:00, then UTC-05:00')
  })

  test.each([
    ['UTC', '2026-10-22T00:00:00Z'],
    ['Europe/Berlin', '2026-10-22T22:00:00Z'],
    ['America/Los_Angeles', '2026-10-22T07:00:00Z'],
    // Daylight saving ends on that day.
    ['Europe/Berlin', '2026-10-25T23:00:00Z', '2026-10-25T00:00:00Z'],
  ])('in %s the first local midnight is %s', (zone, midnight, from = '2026-10-22T00:00:00Z') =>
    expect(firstMidnight(Date.parse(from), zone)).toBe(Date.parse(midnight)),
  )

  test('a range within one day shows the date once', () => {
    expect(rangeName(time, time + 3_600_000, 'UTC')).toMatch(/^20 Nov.*, 18:15 – 19:15$/)
  })
})

test('a time that the clock shows twice has its offset, and one that it skips or shows once has none', () => {
  const zone = 'America/New_York'
  const quarter = (start: string) =>
    bucketName(Date.parse(start), Date.parse(start) + 900_000, 'QUARTER_HOUR', zone)
  expect(
    ['04:45', '05:00', '05:45', '06:00', '06:45', '07:00'].map((time) =>
      quarter(`2025-11-02T${time}:00Z`),
    ),
  ).toEqual([
    'Sun 2 Nov, 00:45 – 01:00 UTC-04:00',
    'Sun 2 Nov, 01:00 UTC-04:00 – 01:15 UTC-04:00',
    'Sun 2 Nov, 01:45 UTC-04:00 – 01:00 UTC-05:00',
    'Sun 2 Nov, 01:00 UTC-05:00 – 01:15 UTC-05:00',
    'Sun 2 Nov, 01:45 UTC-05:00 – 02:00',
    'Sun 2 Nov, 02:00 – 02:15',
  ])
  // Clocks go forward.
  expect(quarter('2025-03-09T06:45:00Z')).toBe('Sun 9 Mar, 01:45 – 03:00')
  const night = [Date.parse('2025-11-02T05:30:00Z'), Date.parse('2025-11-02T12:00:00Z')] as const
  expect(rangeName(...night, zone)).toBe('2 Nov 2025, 01:30 UTC-04:00 – 07:00')
})

test('a range that ends in the next year shows both years', () => {
  const year = new Date().getUTCFullYear()
  const [from, to] = [`${year}-12-31T09:00:00Z`, `${year + 1}-01-01T09:00:00Z`].map(Date.parse)
  expect(rangeName(from as number, to as number, 'UTC')).toBe(
    `31 Dec ${year}, 09:00 – 1 Jan ${year + 1}, 09:00`,
  )
})
