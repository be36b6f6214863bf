import { describe, expect, test } from 'vitest'
import { bucketEnd, partOf, rangeFrom, rangeParams, stepFor, stretchOf } from './range.ts'

const at = (text: string) => Date.parse(text)
const iso = (time: number | undefined) => new Date(time as number).toISOString()

describe('a range becomes buckets', () => {
  test('the last 24 hours are 96 quarter hours, the open one included', () => {
    const now = at('2026-11-21T10:07:30Z')
    const stretch = stretchOf({ is: 'relative', id: '24h' }, now, 'Europe/Berlin')
    expect(stretch.buckets).toHaveLength(96)
    expect(iso(stretch.buckets.at(-1))).toBe('2026-11-21T10:00:00.000Z')
    expect(iso(stretch.window.from)).toBe('2026-11-20T10:15:00.000Z')
    expect(stretch.end).toBe(now)
    expect(stretch.previousBuckets.at(-1)).toBe(stretch.window.from - 15 * 60_000)
  })

  test('days begin at midnight of the zone, 5:45 east of Greenwich too', () => {
    const now = at('2026-11-21T10:07:30Z')
    const { buckets } = stretchOf({ is: 'relative', id: '30d' }, now, 'Asia/Kathmandu')
    expect(buckets).toHaveLength(30)
    expect(iso(buckets.at(-1))).toBe('2026-11-20T18:15:00.000Z')
  })

  test('the day on which the clock goes back is 25 hours long', () => {
    const range = {
      is: 'absolute',
      from: at('2026-10-20T22:00:00Z'),
      to: at('2026-10-30T23:00:00Z'),
    } as const
    const { buckets, step } = stretchOf(range, at('2026-11-21T00:00:00Z'), 'Europe/Berlin')
    expect(step).toBe('DAY')
    const change = at('2026-10-24T22:00:00Z')
    expect(buckets).toContain(change)
    expect(bucketEnd(change, 'DAY', 'Europe/Berlin') - change).toBe(25 * 3_600_000)
    expect(buckets).toHaveLength(10)
  })

  test('a range that ends in the future ends now, but keeps its buckets', () => {
    const now = at('2026-11-21T10:07:30Z')
    const range = { is: 'absolute', from: now - 3_600_000, to: now + 7_200_000 } as const
    const stretch = stretchOf(range, now, 'UTC')
    expect(stretch.end).toBe(now)
    expect(iso(stretch.buckets.at(-1))).toBe('2026-11-21T12:00:00.000Z')
  })

  test('a range that begins and ends within a bucket counts nothing outside of it', () => {
    const now = at('2026-11-21T10:07:30Z')
    const range = {
      is: 'absolute',
      from: at('2024-01-15T09:30:00Z'),
      to: at('2026-10-20T18:00:00Z'),
    } as const
    const { step, buckets, window, end, previousWindow, previousBuckets } = stretchOf(
      range,
      now,
      'UTC',
    )
    expect([step, iso(buckets[0]), iso(buckets.at(-1))]).toEqual([
      'MONTH',
      '2024-01-01T00:00:00.000Z',
      '2026-10-01T00:00:00.000Z',
    ])
    expect(window).toEqual({ from: range.from, to: range.to })
    expect(end).toBe(range.to)
    expect(buckets).toHaveLength(34)
    // Months stand beside months, and the same part of them.
    expect([iso(previousBuckets[0]), iso(previousWindow.from), iso(previousWindow.to)]).toEqual([
      '2021-03-01T00:00:00.000Z',
      '2021-03-15T09:30:00.000Z',
      '2023-12-20T18:00:00.000Z',
    ])
    const first = buckets[0] as number
    expect(partOf(first, step, 'UTC', window)).toEqual({
      from: range.from,
      to: at('2024-02-01T00:00:00Z'),
    })
  })

  test('an hour is sixty minutes, or quarter hours where minutes are not kept', () => {
    const now = at('2026-11-21T10:07:30Z')
    const hour = { is: 'relative', id: '1h' } as const
    expect(stretchOf(hour, now, 'UTC').buckets).toHaveLength(60)
    const quarters = stretchOf(hour, now, 'UTC', { minutes: false })
    expect(quarters.buckets.map(iso)).toEqual([
      '2026-11-21T09:00:00.000Z',
      '2026-11-21T09:15:00.000Z',
      '2026-11-21T09:30:00.000Z',
      '2026-11-21T09:45:00.000Z',
      '2026-11-21T10:00:00.000Z',
    ])
  })

  test('months are months of the calendar', () => {
    const now = at('2026-03-31T12:00:00Z')
    const { buckets } = stretchOf({ is: 'relative', id: '12mo' }, now, 'UTC')
    expect(buckets.map((time) => iso(time).slice(0, 7))).toEqual([
      ...['2025-04', '2025-05', '2025-06', '2025-07', '2025-08', '2025-09'],
      ...['2025-10', '2025-11', '2025-12', '2026-01', '2026-02', '2026-03'],
    ])
  })

  test('no length gives more than about two hundred points', () => {
    for (let hours = 1; hours < 24 * 3_650; hours = Math.ceil(hours * 1.3)) {
      const length = hours * 3_600_000
      const now = at('2026-11-21T10:07:30Z')
      const range = { is: 'absolute', from: now - length, to: now } as const
      expect(stretchOf(range, now, 'America/Los_Angeles').buckets.length).toBeLessThan(210)
    }
    expect(stepFor(24 * 3_600_000)).toBe('QUARTER_HOUR')
  })
})

describe('a range stands in the URL', () => {
  test('and comes back as it was', () => {
    for (const range of [
      { is: 'relative', id: '7d' },
      { is: 'absolute', from: at('2026-11-01T00:00:00Z'), to: at('2026-11-02T00:00:00Z') },
    ] as const) {
      const params = new URLSearchParams()
      for (const [name, value] of Object.entries(rangeParams(range)))
        if (value !== null) params.set(name, value)
      expect(rangeFrom(params)).toEqual(range)
    }
  })

  test('and grows to whole quarters of an hour, which are counted for ever', () => {
    const grown = (from: string, to: string) =>
      rangeFrom(new URLSearchParams({ from: `2026-11-01T${from}Z`, to: `2026-11-01T${to}Z` }))
    const range = (from: string, to: string) => ({
      is: 'absolute',
      from: at(`2026-11-01T${from}Z`),
      to: at(`2026-11-01T${to}Z`),
    })
    expect(grown('14:03:00', '14:58:00')).toEqual(range('14:00:00', '15:00:00'))
    expect(grown('14:05:00', '14:05:01')).toEqual(range('14:00:00', '14:15:00'))
    expect(grown('14:00:00', '14:15:00')).toEqual(range('14:00:00', '14:15:00'))
  })

  test('nonsense gives the default', () => {
    for (const search of [
      '',
      'range=constructor',
      'range=99y',
      'from=yesterday&to=today',
      'from=2026-11-02T00:00:00Z&to=2026-11-01T00:00:00Z',
      'from=0001-01-01T00:00:00Z&to=9999-01-01T00:00:00Z',
    ])
      expect(rangeFrom(new URLSearchParams(search))).toEqual({ is: 'relative', id: '1h' })
  })
})
