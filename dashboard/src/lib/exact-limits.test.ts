import { expect, test } from 'vitest'
import {
  bucketName,
  changeOf,
  clippedBucketName,
  clock,
  compact,
  day,
  duration,
  firstMidnight,
  rangeName,
  share,
  stamp,
  tickName,
  tickNumber,
} from './format.ts'
import { freshnessOf } from './freshness.ts'
import { tokenizeJson } from './json.ts'
import {
  bucketEnd,
  clipBucket,
  floor,
  isSameWindow,
  parseRange,
  RELATIVES,
  type RelativeId,
  resolutionFor,
  resolveRange,
} from './time/range.ts'
import { allZones, searchZones, zoneLabel } from './time/zones.ts'

// At each limit and beside it. format.test.ts and its neighbours have the ordinary cases.

const plain = (text: string | string[] | undefined) => String(text).replaceAll('\u00a0', ' ')
const at = (text: string) => Date.parse(text)
const [MINUTE, HOUR, DAY] = [60_000, 3_600_000, 86_400_000]

test.each([
  [99.994, '99.99'],
  [99.5, '99.5'],
  [100.4, '100'],
  [-100.6, '-101'],
  [-0.25, '-0.25'],
  [9_999.4, '9,999'],
  [9_999.5, '10.0 k'],
  [-12_345, '-12.3 k'],
  [99_950, '100 k'],
  [999_500, '1.00 M'],
  [999_499.9, '999 k'],
  [9_994_999, '9.99 M'],
  [9_995_000, '10.0 M'],
  [999_500_000, '1.00 G'],
  [999_499_999, '999 M'],
  [999_500_000_000, '1.00 T'],
  [1.5e15, '1500 T'],
])('the compact form of %d is %s', (value, label) => {
  expect(plain(compact(value))).toBe(label)
})

test('the number of a tick has no zeros at its end, and keeps those before', () => {
  expect([1_050_000, 100_000, 10_500, 9_000].map((value) => plain(tickNumber(value)))).toEqual([
    '1.05 M',
    '100 k',
    '10.5 k',
    '9,000',
  ])
})

test.each([
  [100.04, 100, 'same ±0 %'],
  [99.96, 100, 'same ±0 %'],
  [100.06, 100, 'up +0.1 %'],
  [99.94, 100, 'down −0.1 %'],
  [199.94, 100, 'up +99.9 %'],
  [199.96, 100, 'up +100 %'],
  [999, 100, 'up +899 %'],
  [1_000, 100, 'up ×10'],
  [1_250, 100, 'up ×12.5'],
  [0, 100, 'down −100 %'],
])('a change from %2$d to %1$d is shown as %3$s', (value, before, shown) => {
  const change = changeOf(value, before)
  expect(plain(`${change?.direction} ${change?.label}`)).toBe(shown)
})

test.each([
  [1, 1_000, '0.1 %'],
  [99, 100_000, '< 0.1 %'],
  [9_994, 10_000, '99.9 %'],
  [9_996, 10_000, '100 %'],
  [10, 10, '100 %'],
  [1, -1, '–'],
])('%d of %d is %s', (part, of, shown) => {
  expect(plain(share(part, of))).toBe(shown)
})

test.each([
  [94.9, '95 ms'],
  [95, '0.1 s'],
  [9_949, '9.9 s'],
  [9_950, '10 s'],
  [89_499, '89 s'],
  [89_500, '1 min'],
  [89.5 * MINUTE - 1, '89 min'],
  [89.5 * MINUTE, '1 h'],
  [36 * HOUR - 1, '36 h'],
  [36 * HOUR, '2 d'],
])('%d ms are shown as %s', (ms, shown) => {
  expect(plain(duration(ms))).toBe(shown)
})

test('times are shown in the zone, to the millisecond where that matters', () => {
  const time = at('2026-11-20T18:15:07.117Z')
  expect(clock(time, 'Asia/Kathmandu')).toBe('00:00:07')
  expect(stamp(time, 'UTC')).toBe('Fri 20 Nov 2026, 18:15:07.117')
  expect(day(time, 'Asia/Kathmandu')).toBe('21 Nov 2026')
  expect(firstMidnight(at('2026-11-20T00:00:00Z'), 'UTC')).toBe(at('2026-11-20T00:00:00Z'))
  expect(firstMidnight(at('2026-11-20T00:00:00.001Z'), 'UTC')).toBe(at('2026-11-21T00:00:00Z'))
})

test('a bucket is named by its length, and by its ends where a range cuts it', () => {
  const start = at('2026-11-16T00:00:00Z')
  expect(bucketName(start, start + 7 * DAY, 'WEEK', 'UTC')).toBe('Week of 16 Nov 2026')
  expect(bucketName(start, start + HOUR, 'HOUR', 'UTC')).toBe('Mon 16 Nov, 00:00 – 01:00')
  const whole = { from: start, to: start + 7 * DAY }
  expect(clippedBucketName(start, 'WEEK', 'UTC', whole)).toBe('Week of 16 Nov 2026')
  expect(clippedBucketName(start, 'WEEK', 'UTC', { ...whole, from: start + HOUR })).toMatch(
    /^16 Nov.*, 01:00 – 23 Nov.*, 00:00$/,
  )
  expect(clippedBucketName(start, 'WEEK', 'UTC', { ...whole, to: start + DAY })).toMatch(
    /^16 Nov.*, 00:00 – 17 Nov.*, 00:00$/,
  )
})

test('a tick shows the time of day, and the date at midnights except the first tick', () => {
  const midnight = at('2026-11-21T00:00:00Z')
  expect(tickName(midnight, 'HOUR', 'UTC', false)).toBe('21 Nov')
  expect(tickName(midnight, 'HOUR', 'UTC', true)).toBe('00:00')
  expect(tickName(midnight + MINUTE, 'MINUTE', 'UTC', false)).toBe('00:01')
  expect(tickName(midnight + HOUR, 'HOUR', 'UTC', false)).toBe('01:00')
  for (const resolution of ['DAY', 'WEEK'] as const)
    expect(tickName(midnight + HOUR, resolution, 'UTC', true)).toBe('21 Nov')
  expect(tickName(midnight, 'MONTH', 'UTC', true)).toBe('Nov 2026')
})

test('a range shows its years unless all of it is in this one', () => {
  const year = new Date().getUTCFullYear()
  const in_ = (of: number, month: string) => at(`${of}-${month}-10T09:00:00Z`)
  expect(rangeName(in_(year, '03'), in_(year, '04'), 'UTC')).toBe('10 Mar, 09:00 – 10 Apr, 09:00')
  expect(rangeName(in_(year - 1, '03'), in_(year, '03'), 'UTC')).toBe(
    `10 Mar ${year - 1}, 09:00 – 10 Mar ${year}, 09:00`,
  )
  expect(rangeName(in_(year - 1, '03'), in_(year - 1, '03') + HOUR, 'UTC')).toBe(
    `10 Mar ${year - 1}, 09:00 – 10:00`,
  )
})

test.each([
  [25 * HOUR, 'QUARTER_HOUR'],
  [25 * HOUR + 1, 'HOUR'],
  [8 * DAY, 'HOUR'],
  [8 * DAY + 1, 'DAY'],
  [130 * DAY, 'DAY'],
  [130 * DAY + 1, 'WEEK'],
  [800 * DAY, 'WEEK'],
  [800 * DAY + 1, 'MONTH'],
])('a range of %d ms is shown by %s', (length, resolution) => {
  expect(resolutionFor(length)).toBe(resolution)
})

test('every relative range has its buckets, the last one open, and as many before them', () => {
  const now = at('2026-11-21T10:07:30Z')
  for (const [id, { resolution, buckets: count }] of Object.entries(RELATIVES)) {
    const resolved = resolveRange({ kind: 'relative', id: id as RelativeId }, now, 'UTC')
    const { buckets, previousBuckets, window, previousWindow } = resolved
    expect([resolved.resolution, buckets.length, previousBuckets.length]).toEqual([
      resolution,
      count,
      count,
    ])
    expect(buckets.at(-1)).toBe(floor(now, resolution, 'UTC'))
    expect(bucketEnd(previousBuckets.at(-1) as number, resolution, 'UTC')).toBe(buckets[0])
    expect(window).toEqual({
      from: buckets[0],
      to: bucketEnd(buckets.at(-1) as number, resolution, 'UTC'),
    })
    expect(previousWindow).toEqual({ from: previousBuckets[0], to: window.from })
    expect([resolved.end, resolved.zone]).toEqual([now, 'UTC'])
  }
})

test('an absolute range has no bucket that begins at its end, and at most 400', () => {
  const from = at('2026-11-20T00:00:00Z')
  const count = (to: number) =>
    resolveRange({ kind: 'absolute', from, to }, from, 'UTC').buckets.length
  expect([HOUR, HOUR + 1, HOUR - 1].map((length) => count(from + length))).toEqual([4, 5, 4])
  expect(count(from + 40_000 * DAY)).toBe(400)
})

test('a range in the future ends a millisecond after it begins', () => {
  const from = at('2026-11-20T00:00:00Z')
  expect(resolveRange({ kind: 'absolute', from, to: from + HOUR }, from - DAY, 'UTC').end).toBe(
    from + 1,
  )
  expect(resolveRange({ kind: 'absolute', from, to: from + HOUR }, from + DAY, 'UTC').end).toBe(
    from + HOUR,
  )
})

test('a range in the URL ends after it begins, after 1970, and within 4,000 days', () => {
  const parsed = (from: number, to: number) =>
    parseRange(
      new URLSearchParams({ from: new Date(from).toISOString(), to: new Date(to).toISOString() }),
    ).kind
  const start = at('2026-11-20T00:00:00Z')
  expect(parsed(start, start)).toBe('relative')
  expect(parsed(start, start + 1)).toBe('absolute')
  expect(parsed(0, 1)).toBe('absolute')
  expect(parsed(-1, 1)).toBe('relative')
  expect(parsed(start, start + 4_000 * DAY - 1)).toBe('absolute')
  expect(parsed(start, start + 4_000 * DAY)).toBe('relative')
  expect(parseRange(new URLSearchParams('from=2026-11-20T00:00:00Z'))).toEqual({
    kind: 'relative',
    id: '1h',
  })
})

test('buckets begin at the local minute, quarter, hour, day, week and month', () => {
  const time = at('2026-11-19T18:37:41.5Z')
  const iso = (resolution: Parameters<typeof floor>[1]) =>
    new Date(floor(time, resolution, 'Asia/Kathmandu')).toISOString()
  expect((['MINUTE', 'QUARTER_HOUR', 'HOUR', 'DAY', 'WEEK', 'MONTH'] as const).map(iso)).toEqual([
    ...['2026-11-19T18:37:00.000Z', '2026-11-19T18:30:00.000Z', '2026-11-19T18:15:00.000Z'],
    ...['2026-11-19T18:15:00.000Z', '2026-11-15T18:15:00.000Z', '2026-10-31T18:15:00.000Z'],
  ])
})

test('a bucket is clipped at both ends, and windows are the same where all of them is', () => {
  const now = at('2026-11-21T10:07:30Z')
  const range = resolveRange({ kind: 'relative', id: '6h' }, now, 'UTC')
  expect(clipBucket(now, 'MINUTE', 'UTC', { from: 0, to: now + 5 })).toEqual({
    from: now,
    to: now + 5,
  })
  expect(clipBucket(now, 'MINUTE', 'UTC', { from: now + 1, to: now + DAY })).toEqual({
    from: now + 1,
    to: now + MINUTE,
  })
  expect(isSameWindow(range, { ...range, buckets: [] })).toBe(true)
  for (const changed of [
    { resolution: 'HOUR' as const },
    { zone: 'Etc/UTC' },
    { window: { ...range.window, from: 0 } },
    { window: { ...range.window, to: 0 } },
  ])
    expect(isSameWindow(range, { ...range, ...changed })).toBe(false)
})

const healthy = { lagSeconds: 0, failingComponent: null }
const open = { kind: 'open' } as const

test('the badge turns at exactly five seconds of lag and eight of silence', () => {
  const badge = (lagSeconds: number, silence = 0) => {
    const { tone, label, detail } = freshnessOf(
      open,
      { ...healthy, lagSeconds },
      1_000,
      1_000 + silence,
    )
    expect(detail).not.toBe('')
    return plain(`${tone} ${label}`)
  }
  expect(badge(5)).toBe('good live · 5.0 s behind')
  expect(badge(5.01)).toBe('warn 5.0 s behind')
  expect(badge(0.001)).toBe('good live · 0.1 s behind')
  expect(badge(0, 8_000)).toBe('good live · 0.1 s behind')
  expect(badge(0, 8_001)).toBe('warn stale · 8.0 s old')
})

test('the badge without any update says what the connection does', () => {
  const label = (connection: Parameters<typeof freshnessOf>[0]) =>
    freshnessOf(connection, undefined, 0, 9_000).label
  expect(label({ kind: 'off', since: 0 })).toBe('live updates off')
  expect(label(open)).toBe('connecting')
  const error = { kind: 'unreachable', message: 'No.' } as const
  const waiting = { kind: 'waiting', error, since: 0, tries: 0, nextTryAt: 8_000 } as const
  expect(label(waiting)).toBe('reconnecting')
  expect(plain(freshnessOf(waiting, undefined, 0, 9_000).detail)).toBe('No. Attempt 1 in 0 ms.')
  expect(freshnessOf({ kind: 'connecting' }, healthy, 0, 9_000).label).toBe('connecting')
})

test.each([
  ['"a"', [['string', '"a"']]],
  ['-1.5e-7', [['number', '-1.5e-7']]],
  ['12', [['number', '12']]],
  ['1e21', [['number', '1e+21']]],
  ['true', [['literal', 'true']]],
  ['null', [['literal', 'null']]],
  ['[]', [['plain', '[]']]],
  [
    '{"a\\"b":"c:\\\\"}',
    [
      ['plain', '{\n  '],
      ['key', '"a\\"b"'],
      ['plain', ':'],
      ['plain', ' '],
      ['string', '"c:\\\\"'],
      ['plain', '\n}'],
    ],
  ],
])('%s is coloured by its kinds', (json, tokens) => {
  expect(tokenizeJson(JSON.parse(json)).map(({ kind, text }) => [kind, text])).toEqual(tokens)
})

test('what JSON has no word for is null', () => {
  expect(tokenizeJson(undefined)).toEqual([{ kind: 'literal', text: 'null' }])
})

test('zones are listed once, the given ones first, under their current names', () => {
  const ids = allZones(['Asia/Katmandu', 'Europe/Berlin'], at('2026-11-21T00:00:00Z')).map(
    ({ id }) => id,
  )
  expect(ids.slice(0, 3)).toEqual(['Asia/Kathmandu', 'Europe/Berlin', 'UTC'])
  expect(new Set(ids).size).toBe(ids.length)
  const rest = ids.slice(3)
  expect(rest).toEqual([...rest].sort())
  expect(ids).not.toContain('Asia/Calcutta')
  expect(zoneLabel('America/Argentina/Buenos_Aires')).toBe('America / Argentina / Buenos Aires')
})

test('a zone is found by words of its name or offset in any order, up to the limit', () => {
  const zones = allZones([], at('2026-11-21T00:00:00Z'))
  const found = (typed: string, limit = 5) => searchZones(zones, typed, limit).map(({ id }) => id)
  expect(found('kathm ASIA')).toEqual(['Asia/Kathmandu'])
  expect(found('asia/kathmandu')).toEqual(['Asia/Kathmandu'])
  expect(found('york_new')).toEqual(['America/New_York'])
  expect(found('+05:45')).toEqual(['Asia/Kathmandu'])
  expect(found('atlantis')).toEqual([])
  expect(found('  ', 3)).toHaveLength(3)
})
