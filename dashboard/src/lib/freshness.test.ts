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
