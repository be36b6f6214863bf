import { afterEach, expect, test, vi } from 'vitest'
import { mount } from '../testing/mount.ts'
import { createNow } from './clock.ts'

afterEach(() => vi.useRealTimers())

test('the current time moves once a second, and stands still when nobody needs it', () => {
  vi.useFakeTimers({ now: 5_000 })
  const now = mount(() => ({ value: createNow() }))
  expect(now.value()).toBe(5_000)
  vi.advanceTimersByTime(999)
  expect(now.value()).toBe(5_000)
  vi.advanceTimersByTime(1)
  expect(now.value()).toBe(6_000)
  now.dispose()
  expect(vi.getTimerCount()).toBe(0)
})
