import { describe, expect, test } from 'vitest'
import {
  bucketEnd,
  clipBucket,
  floor,
  parseRange,
  rangeParams,
  resolutionFor,
  resolveRange,
} from './range.ts'

const at = (text: string) => Date.parse(text)
const iso = (time: number | undefined) => new Date(time as number).toISOString()

describe('resolving a range', () => {
  test('the last 24 hours are 96 buckets of 15 minutes, the open one included', () => {
    const now = at('2026-11-21T10:07:30Z')
    const resolved = resolveRange({ kind: 'relative', id: '24h' }, now, 'Europe/Berlin')
    expect(resolved.buckets).toHaveLength(96)
    expect(iso(resolved.buckets.at(-1))).toBe('2026-11-21T10:00:00.000Z')
    expect(iso(resolved.window.from)).toBe('2026-11-20T10:15:00.000Z')
    expect(resolved.end).toBe(now)
    expect(resolved.previousBuckets.at(-1)).toBe(resolved.window.from - 15 * 60_000)
  })

  test('days begin at local midnight, at UTC+05:45 too', () => {
    const now = at('2026-11-21T10:07:30Z')
    const { buckets } = resolveRange({ kind: 'relative', id: '30d' }, now, 'Asia/Kathmandu')
    expect(buckets).toHaveLength(30)
    expect(iso(buckets.at(-1))).toBe('2026-11-20T18:15:00.000Z')
  })

  test('the day on which daylight saving ends is 25 hours long', () => {
    const range = {
      kind: 'absolute',
      from: at('2026-10-20T22:00:00Z'),
      to: at('2026-10-30T23:00:00Z'),
    } as const
    const { buckets, resolution } = resolveRange(range, at('2026-11-21T00:00:00Z'), 'Europe/Berlin')
    expect(resolution).toBe('DAY')
    const change = at('2026-10-24T22:00:00Z')
    expect(buckets).toContain(change)
    expect(bucketEnd(change, 'DAY', 'Europe/Berlin') - change).toBe(25 * 3_600_000)
    expect(buckets).toHaveLength(10)
  })

  test('a range that ends in the future ends now, but keeps its buckets', () => {
    const now = at('2026-11-21T10:07:30Z')
    const range = { kind: 'absolute', from: now - 3_600_000, to: now + 7_200_000 } as const
    const resolved = resolveRange(range, now, 'UTC')
    expect(resolved.end).toBe(now)
    expect(iso(resolved.buckets.at(-1))).toBe('2026-11-21T12:00:00.000Z')
  })

  test('a range that begins and ends within a bucket counts nothing outside of the range', () => {
    const now = at('2026-11-21T10:07:30Z')
    const range = {
      kind: 'absolute',
      from: at('2024-01-15T09:30:00Z'),
      to: at('2026-10-20T18:00:00Z'),
    } as const
    const { resolution, buckets, window, end, previousWindow, previousBuckets } = resolveRange(
      range,
      now,
      'UTC',
    )
    expect([resolution, iso(buckets[0]), iso(buckets.at(-1))]).toEqual([
      'MONTH',
      '2024-01-01T00:00:00.000Z',
      '2026-10-01T00:00:00.000Z',
    ])
    expect(window).toEqual({ from: range.from, to: range.to })
    expect(end).toBe(range.to)
    expect(buckets).toHaveLength(34)
    // The previous period has the same number of months, clipped the same way.
    expect([iso(previousBuckets[0]), iso(previousWindow.from), iso(previousWindow.to)]).toEqual([
      '2021-03-01T00:00:00.000Z',
      '2021-03-15T09:30:00.000Z',
      '2023-12-20T18:00:00.000Z',
    ])
    const first = buckets[0] as number
    expect(clipBucket(first, resolution, 'UTC', window)).toEqual({
      from: range.from,
      to: at('2024-02-01T00:00:00Z'),
    })
  })

  test('an hour is 60 minutes, or 15-minute buckets where minutes are not stored', () => {
    const now = at('2026-11-21T10:07:30Z')
    const hour = { kind: 'relative', id: '1h' } as const
    expect(resolveRange(hour, now, 'UTC').buckets).toHaveLength(60)
    const quarterHours = resolveRange(hour, now, 'UTC', { minutes: false })
    expect(quarterHours.buckets.map(iso)).toEqual([
      '2026-11-21T09:00:00.000Z',
      '2026-11-21T09:15:00.000Z',
      '2026-11-21T09:30:00.000Z',
      '2026-11-21T09:45:00.000Z',
      '2026-11-21T10:00:00.000Z',
    ])
  })

  test('months are calendar months', () => {
    const now = at('2026-03-31T12:00:00Z')
    const { buckets } = resolveRange({ kind: 'relative', id: '12mo' }, now, 'UTC')
    expect(buckets.map((time) => iso(time).slice(0, 7))).toEqual([
      ...['2025-04', '2025-05', '2025-06', '2025-07', '2025-08', '2025-09'],
      ...['2025-10', '2025-11', '2025-12', '2026-01', '2026-02', '2026-03'],
    ])
  })

  test('no range has more than about 200 buckets', () => {
    for (let hours = 1; hours < 24 * 3_650; hours = Math.ceil(hours * 1.3)) {
      const length = hours * 3_600_000
      const now = at('2026-11-21T10:07:30Z')
      const range = { kind: 'absolute', from: now - length, to: now } as const
      expect(resolveRange(range, now, 'America/Los_Angeles').buckets.length).toBeLessThan(210)
    }
    expect(resolutionFor(24 * 3_600_000)).toBe('QUARTER_HOUR')
  })
})

describe('a range in the URL', () => {
  test('a range that is written to the URL is read back unchanged', () => {
    for (const range of [
      { kind: 'relative', id: '7d' },
      { kind: 'absolute', from: at('2026-11-01T00:00:00Z'), to: at('2026-11-02T00:00:00Z') },
    ] as const) {
      const params = new URLSearchParams()
      for (const [name, value] of Object.entries(rangeParams(range)))
        if (value !== null) params.set(name, value)
      expect(parseRange(params)).toEqual(range)
    }
  })

  test('an absolute range is widened to 15-minute buckets', () => {
    const parsed = (from: string, to: string) =>
      parseRange(new URLSearchParams({ from: `2026-11-01T${from}Z`, to: `2026-11-01T${to}Z` }))
    const range = (from: string, to: string) => ({
      kind: 'absolute',
      from: at(`2026-11-01T${from}Z`),
      to: at(`2026-11-01T${to}Z`),
    })
    expect(parsed('14:03:00', '14:58:00')).toEqual(range('14:00:00', '15:00:00'))
    expect(parsed('14:05:00', '14:05:01')).toEqual(range('14:00:00', '14:15:00'))
    expect(parsed('14:00:00', '14:15:00')).toEqual(range('14:00:00', '14:15:00'))
  })

  test('an invalid range gives the default', () => {
    for (const search of [
      '',
      'range=constructor',
      'range=99y',
      'from=yesterday&to=today',
      'from=2026-11-02T00:00:00Z&to=2026-11-01T00:00:00Z',
      'from=0001-01-01T00:00:00Z&to=9999-01-01T00:00:00Z',
    ])
      expect(parseRange(new URLSearchParams(search))).toEqual({ kind: 'relative', id: '1h' })
  })
})

describe('where clocks are moved', () => {
  const LORD_HOWE = 'Australia/Lord_Howe'
  const absolute = (from: string, to: string) =>
    ({ kind: 'absolute', from: at(from), to: at(to) }) as const
  const resolve = (from: string, to: string, zone: string) =>
    resolveRange(absolute(from, to), at('2027-01-01T00:00:00Z'), zone)

  test('an hour that half an hour is moved into or out of is cut in two, as the server cuts it', () => {
    const back = resolve('2026-04-02T13:00:00Z', '2026-04-05T13:30:00Z', LORD_HOWE)
    const moved = back.buckets.indexOf(at('2026-04-04T15:00:00Z'))
    expect(back.buckets.slice(moved - 1, moved + 3).map(iso)).toEqual([
      '2026-04-04T14:00:00.000Z',
      '2026-04-04T15:00:00.000Z',
      '2026-04-04T15:30:00.000Z',
      '2026-04-04T16:30:00.000Z',
    ])
    const forward = resolve('2025-10-03T13:30:00Z', '2025-10-06T13:00:00Z', LORD_HOWE)
    const at0230 = forward.buckets.indexOf(at('2025-10-04T15:30:00Z'))
    expect(forward.buckets.slice(at0230 - 1, at0230 + 2).map(iso)).toEqual([
      '2025-10-04T14:30:00.000Z',
      '2025-10-04T15:30:00.000Z',
      '2025-10-04T16:00:00.000Z',
    ])
  })

  test('a day begins with the first of two midnights, and after a midnight that is left out the next one begins at midnight again', () => {
    // Havana's clocks go from 01:00 back to 00:00, and from 00:00 forward to 01:00.
    const back = resolve('2026-11-01T04:00:00Z', '2026-11-20T05:00:00Z', 'America/Havana')
    expect(back.buckets.slice(0, 2).map(iso)).toEqual([
      '2026-11-01T04:00:00.000Z',
      '2026-11-02T05:00:00.000Z',
    ])
    const forward = resolve('2026-03-08T05:00:00Z', '2026-03-28T04:00:00Z', 'America/Havana')
    expect(forward.buckets.slice(0, 3).map(iso)).toEqual([
      '2026-03-08T05:00:00.000Z',
      '2026-03-09T04:00:00.000Z',
      '2026-03-10T04:00:00.000Z',
    ])
  })

  test.each([
    ...['UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kathmandu', 'America/St_Johns'],
    // Clocks moved at midnight, by half an hour, within an hour, and twice around Ramadan.
    ...['America/Havana', 'Asia/Beirut', LORD_HOWE, 'Pacific/Chatham', 'Africa/Casablanca'],
  ])(
    'in %s buckets follow each other without a gap, and the period before ends where the range begins',
    (zone) => {
      for (const id of ['24h', '7d', '30d', '12mo'] as const)
        for (const date of ['03-09', '04-06', '10-26', '11-02']) {
          const now = at(`2026-${date}T10:07:31Z`)
          const range = { kind: 'relative', id } as const
          const { buckets, previousBuckets, resolution, window, previousWindow } = resolveRange(
            range,
            now,
            zone,
          )
          const all = [...previousBuckets, ...buckets, window.to]
          expect(previousBuckets.length).toBe(buckets.length)
          expect(all.slice(0, -1).map((time) => bucketEnd(time, resolution, zone))).toEqual(
            all.slice(1),
          )
          expect(all.map((time) => floor(time, resolution, zone))).toEqual(all)
          expect(all.slice(1).map((time) => floor(time - 1, resolution, zone))).toEqual(
            all.slice(0, -1),
          )
          expect(window.from).toBe(buckets[0])
          expect(buckets.at(-1)).toBeLessThanOrEqual(now)
          expect(window.to).toBeGreaterThan(now)
          expect(previousWindow).toEqual({ from: previousBuckets[0], to: buckets[0] })
        }
    },
  )

  test('what is remembered of a range is not shown for another one, another zone or another hour', () => {
    const last = (id: '7d' | '30d', now: string, zone: string) =>
      iso(resolveRange({ kind: 'relative', id }, at(now), zone).buckets.at(-1))
    for (let again = 0; again < 2; again++) {
      expect(last('7d', '2026-11-21T10:59:59Z', 'UTC')).toBe('2026-11-21T10:00:00.000Z')
      expect(last('7d', '2026-11-21T11:00:00Z', 'UTC')).toBe('2026-11-21T11:00:00.000Z')
      expect(last('30d', '2026-11-21T11:00:00Z', 'UTC')).toBe('2026-11-21T00:00:00.000Z')
      expect(last('30d', '2026-11-21T11:00:00Z', 'Asia/Tokyo')).toBe('2026-11-20T15:00:00.000Z')
    }
  })
})

test('only ranges of minutes are counted in 15-minute buckets where minutes are not kept', () => {
  const now = Date.parse('2026-11-21T10:07:30Z')
  for (const id of ['6h', '24h', '7d', '30d', '12mo'] as const) {
    const range = { kind: 'relative', id } as const
    expect(resolveRange(range, now, 'UTC', { minutes: false })).toEqual(
      resolveRange(range, now, 'UTC', { minutes: true }),
    )
  }
  const hour = { kind: 'relative', id: '1h' } as const
  const exact = Date.parse('2026-11-21T10:15:00Z')
  const { buckets } = resolveRange(hour, exact, 'UTC', { minutes: false })
  // The bucket that has just begun is one of them.
  expect([buckets.length, buckets.at(-1)]).toEqual([5, exact])
})
