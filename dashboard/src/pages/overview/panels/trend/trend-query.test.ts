import { createSignal } from 'solid-js'
import { afterEach, expect, test, vi } from 'vitest'
import { mount, stubBrowser } from '../../../../lib/testing/mount.ts'
import { resolveRange } from '../../../../lib/time/range.ts'
import type { Overview } from '../../context.ts'
import { finalThroughOf } from '../../queries.ts'
import { createTrend, trendOfMinutes } from './trend-query.ts'

afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

const minutes = (...counts: number[]) =>
  counts.map((count, i) => ({ minute: new Date(i * 60_000).toISOString(), count }))

test('the last minutes are compared with the minutes before them', () => {
  const trend = trendOfMinutes(minutes(1, 2, 3, 4), 2)
  expect(trend.whole.map(({ value }) => value)).toEqual([3, 4])
  expect(trend.previous?.map(({ value }) => value)).toEqual([1, 2])
  expect(trend.times).toEqual([120_000, 180_000])
})

test('the previous period is missing when too few minutes are known', () => {
  expect(trendOfMinutes(minutes(1, 2, 3), 2).previous).toBeUndefined()
})

test('only the current minute is not final', () => {
  expect(trendOfMinutes(minutes(1, 2, 3), 3).whole.map(({ isFinal }) => isFinal)).toEqual([
    true,
    true,
    false,
  ])
})

test('up to when buckets are final is read from the extensions of the response', () => {
  const extensions = { metrics: { whole: { finalThrough: '2026-11-20T10:15:00Z' }, parts: {} } }
  expect(finalThroughOf(extensions, 'whole')).toBe(Date.parse('2026-11-20T10:15:00Z'))
  expect(finalThroughOf(extensions, 'parts')).toBeUndefined()
  expect(finalThroughOf(undefined, 'whole')).toBeUndefined()
})

test('the numbers of one name are never shown under another, nor those of all names under one', async () => {
  vi.useFakeTimers({ now: Date.parse('2026-11-20T10:20:00Z') })
  stubBrowser()
  const held: (() => void)[] = []
  let isSlow = false
  vi.stubGlobal('fetch', async () => {
    if (isSlow) await new Promise<void>((resolve) => held.push(resolve))
    const whole = [{ timestamp: '2026-11-20T10:15:00Z', value: 7, isFinal: false, lateCount: 0 }]
    return Response.json({ data: { whole, parts: [] } })
  })
  const [name, setName] = createSignal<string>()
  const [isSplit, setSplit] = createSignal(false)
  const range = resolveRange({ kind: 'relative', id: '6h' }, Date.now(), 'UTC')
  const overview = {
    ...{ name, isSplit, tenant: () => 'default', trendRange: () => range },
    ...{ topNames: () => ['a'], rangeScope: () => '6h UTC', live: { update: () => undefined } },
    queries: { add: (query: unknown) => query },
  } as unknown as Overview
  const trend = mount(() => createTrend(overview))
  const sum = () => trend.data()?.whole.reduce((all, { value }) => all + value, 0)
  for (const change of [
    () => setName('a'),
    () => setName('b'),
    () => setName(undefined),
    () => setSplit(true),
  ]) {
    await vi.waitFor(() => expect(sum()).toBe(7))
    isSlow = true
    change()
    // Taken away after 200 ms, so that nothing flickers.
    await vi.advanceTimersByTimeAsync(250)
    expect(sum()).toBeUndefined()
    isSlow = false
    for (const answer of held.splice(0)) answer()
  }
})
