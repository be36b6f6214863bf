import { expect, test } from 'vitest'
import { LIMITS } from '../limits.ts'
import { clockSkew, readCanonicalTime, shiftTime } from './time.ts'

const TIMES: [string, { ms: number; us: number } | undefined][] = [
  ['2028-02-29T00:00:00Z', { ms: Date.UTC(2028, 1, 29), us: 0 }],
  ['2000-02-29T00:00:00.5Z', { ms: Date.UTC(2000, 1, 29) + 500, us: 0 }],
  ['2026-03-31T23:59:59.123456Z', { ms: Date.UTC(2026, 2, 31, 23, 59, 59, 123), us: 456 }],
  ['2026-03-31T23:59:59.1234Z', { ms: Date.UTC(2026, 2, 31, 23, 59, 59, 123), us: 400 }],
  ['1969-12-31T23:59:59.999999Z', { ms: -1, us: 999 }],
  ['0001-01-01T00:00:00Z', { ms: -62_135_596_800_000, us: 0 }],
  ...['2026-02-29', '2100-02-29', '2026-02-30', '2026-04-31', '2026-13-01', '0000-01-01'].map(
    (day): [string, undefined] => [`${day}T00:00:00Z`, undefined],
  ),
  ...['2026-02-28T24:00:01Z', '2026-02-28T00:00:00', '2026-02-28T00:00:00.1234567Z'].map(
    (text): [string, undefined] => [text, undefined],
  ),
]

test.each(TIMES)(
  'a stored time %s is read as %o, and none that does not exist',
  (text, instant) => {
    expect(readCanonicalTime(text)).toEqual(instant)
  },
)

test.each([
  ['2026-02-28T23:59:59.123456Z', 1_000, '2026-03-01T00:00:00.123456Z'],
  ['2026-02-28T23:59:59.123456Z', -124, '2026-02-28T23:59:58.999456Z'],
  ['2026-02-28T23:59:59Z', 1, '2026-02-28T23:59:59.001Z'],
  ['2026-02-28T23:59:59.5Z', 500, '2026-03-01T00:00:00Z'],
  ['1970-01-01T00:00:00Z', -1, '1969-12-31T23:59:59.999Z'],
  ['9999-12-31T23:59:59Z', 1_000, undefined],
  ['0001-01-01T00:00:00Z', -1, undefined],
])(
  'the time %s moved by %i ms is %s: what is finer than a millisecond stays',
  (time, ms, moved) => {
    expect(shiftTime(time, ms)).toBe(moved)
  },
)

test('a clock is wrong by 30 s to 48 hours, in both directions; less is the network, more is left as it is error', () => {
  const { clockSkewMsMin: least, clockSkewMsMax: most } = LIMITS
  for (const sign of [1, -1])
    for (const [size, skew] of [
      [0, 0],
      [least - 1, 0],
      [least, least],
      [most, most],
      [most + 1, 0],
    ] as const)
      expect(clockSkew(1e12, 1e12 + sign * size)).toBe(skew === 0 ? 0 : sign * skew)
})
