import { expect, test } from 'vitest'
import { freshnessOf } from './freshness.ts'

const healthy = { lagSeconds: 0.8, failingComponent: null }
const open = { kind: 'open' } as const
const badge = (...args: Parameters<typeof freshnessOf>) => {
  const { tone, label } = freshnessOf(...args)
  return `${tone}: ${label.replaceAll('\u00a0', ' ')}`
}

test('the badge shows how far a healthy pipeline is behind', () => {
  expect(badge(open, healthy, 1_000, 1_500)).toBe('good: live · 0.8 s behind')
  expect(badge(open, { ...healthy, lagSeconds: 47 }, 1_000, 1_500)).toBe('warn: 47 s behind')
})

test('the badge names the component that is down', () => {
  expect(badge(open, { ...healthy, failingComponent: 'worker' }, 1_000, 1_500)).toBe(
    'bad: worker down',
  )
})

test('the badge shows the age of the last update when none arrives', () => {
  expect(badge(open, healthy, 1_000, 35_000)).toBe('warn: stale · 34 s old')
  expect(badge({ kind: 'off', since: 0 }, healthy, 1_000, 13_000)).toBe(
    'muted: live updates off · 12 s old',
  )
})

test('the badge shows that the connection is opened, and opened again', () => {
  expect(badge({ kind: 'connecting' }, undefined, 0, 1_500)).toBe('muted: connecting')
  const error = { kind: 'unreachable', message: 'Sluice cannot be reached.' } as const
  const waiting = { kind: 'waiting', error, since: 0, tries: 2, nextTryAt: 9_000 } as const
  expect(badge(waiting, healthy, 1_000, 6_000)).toBe('warn: reconnecting · 5.0 s old')
  expect(freshnessOf(waiting, healthy, 1_000, 6_000).detail.replaceAll('\u00a0', ' ')).toBe(
    'Sluice cannot be reached. Attempt 3 in 3.0 s.',
  )
})

test.each([
  [0, 'good: live · 0.1 s behind'],
  [0.04, 'good: live · 0.1 s behind'],
  [4.96, 'good: live · 5.0 s behind'],
  [5, 'good: live · 5.0 s behind'],
  [5.1, 'warn: 5.1 s behind'],
  [90, 'warn: 2 min behind'],
  [7_200, 'warn: 2 h behind'],
])('a lag of %d s is shown as %s', (lagSeconds, shown) => {
  expect(badge(open, { ...healthy, lagSeconds }, 1_000, 1_500)).toBe(shown)
})

test('the age counts from the last update, and an update is stale after more than eight seconds', () => {
  expect(badge(open, healthy, 1_000, 9_000)).toBe('good: live · 0.8 s behind')
  expect(badge(open, healthy, 1_000, 9_001)).toBe('warn: stale · 8.0 s old')
  expect(badge(open, healthy, 1_000, 1_000 + 20 * 60_000)).toBe('warn: stale · 20 min old')
  // A failure is more important than age.
  expect(badge(open, { ...healthy, failingComponent: 'log' }, 1_000, 60_000)).toBe('bad: log down')
  expect(badge(open, undefined, 0, 60_000)).toBe('muted: connecting')
  expect(badge({ kind: 'off', since: 0 }, undefined, 0, 60_000)).toBe('muted: live updates off')
})
