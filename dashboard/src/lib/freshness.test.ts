import { expect, test } from 'vitest'
import { skewOf } from './api/live.ts'
import { backoffMs } from './backoff.ts'
import { freshnessOf } from './freshness.ts'

const fine = { behindSeconds: 0.8, broken: null }
const says = (...args: Parameters<typeof freshnessOf>) => {
  const { tone, says } = freshnessOf(...args)
  return `${tone}: ${says.replaceAll('\u00a0', ' ')}`
}

test('the badge says how fresh the page is', () => {
  const open = { is: 'open' } as const
  expect(says(open, fine, 1_000, 1_500)).toBe('good: live · 0.8 s behind')
  expect(says(open, { ...fine, behindSeconds: 47 }, 1_000, 1_500)).toBe('warn: 47 s behind')
  expect(says(open, fine, 1_000, 35_000)).toBe('warn: stale · 34 s old')
  expect(says(open, { ...fine, broken: 'worker' }, 1_000, 1_500)).toBe('bad: broken at the worker')
  expect(says({ is: 'connecting' }, undefined, 0, 1_500)).toBe('muted: connecting')
  expect(says({ is: 'off', since: 0 }, fine, 1_000, 13_000)).toBe('muted: live is off · 12 s old')
  const failure = { kind: 'unreachable', says: 'does not answer' } as const
  const waiting = { is: 'waiting', failure, since: 0, tries: 2, nextTryAt: 9_000 } as const
  expect(says(waiting, fine, 1_000, 6_000)).toBe('warn: reconnecting · 5.0 s old')
})

test('a clock that is wrong is told apart from a slow way', () => {
  expect(skewOf(-400, 0)).toBe(0)
  expect(skewOf(30_000, 0)).toBe(30_000)
  expect(skewOf(30_600, 30_000)).toBe(30_000)
  expect(skewOf(200, 30_000)).toBe(0)
})

test('tries come ever more seldom, but never less than twice a minute', () => {
  const waits = [1, 2, 3, 4, 5, 6, 50].map((tries) => backoffMs(tries, () => 1))
  expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000])
  expect(backoffMs(6, () => 0)).toBe(24_000)
})
