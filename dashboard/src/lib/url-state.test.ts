import fc from 'fast-check'
import { createSignal } from 'solid-js'
import { expect, test, vi } from 'vitest'
import { mount } from './testing/mount.ts'
import { type Range, RELATIVES, type RelativeId } from './time/range.ts'
import { browserZone, createUrlState } from './url-state.ts'

/** A URL whose parameters change as the router changes them. */
function stateOf(start: string) {
  const [search, setSearch] = createSignal(start)
  const update = (changes: Record<string, string | null>) => {
    const params = new URLSearchParams(search())
    for (const [name, value] of Object.entries(changes))
      value === null ? params.delete(name) : params.set(name, value)
    setSearch(params.size > 0 ? `?${params}` : '')
  }
  return { search, ...mount(() => createUrlState(search, update)) }
}

test('a URL without parameters shows all events of the last hour in the zone of the browser', () => {
  const state = stateOf('')
  expect(state.range()).toEqual({ kind: 'relative', id: '1h' })
  expect(state.zone()).toBe(browserZone())
  expect([state.tenant(), state.name(), state.view(), state.isSplit()]).toEqual([
    undefined,
    undefined,
    'chart',
    false,
  ])
})

test('a link restores tenant, range, zone, name, view and split', () => {
  const state = stateOf(
    '?tenant=shop&range=7d&zone=Asia%2FKathmandu&name=order&view=table&split=name',
  )
  expect([state.tenant(), state.range(), state.zone()]).toEqual([
    'shop',
    { kind: 'relative', id: '7d' },
    'Asia/Kathmandu',
  ])
  expect([state.name(), state.view(), state.isSplit()]).toEqual(['order', 'table', true])
})

test('an unknown zone or view falls back to the default', () => {
  const state = stateOf('?zone=Mars/Olympus&view=hologram')
  expect([state.zone(), state.view()]).toEqual([browserZone(), 'chart'])
})

test('setting a parameter keeps the others, and null removes it', () => {
  const state = stateOf('?tenant=shop&name=order')
  state.set({ view: 'table', name: null })
  expect(state.search()).toBe('?tenant=shop&view=table')
})

test('a relative range replaces an absolute one, and the other way round', () => {
  const state = stateOf('?from=2026-11-01T00:00:00.000Z&to=2026-11-02T00:00:00.000Z')
  state.setRange({ kind: 'relative', id: '24h' })
  expect(state.search()).toBe('?range=24h')
  const range = {
    kind: 'absolute',
    from: Date.parse('2026-11-01T00:00:00Z'),
    to: Date.parse('2026-11-02T00:00:00Z'),
  } as const
  state.setRange(range)
  expect(state.range()).toEqual(range)
  expect(new URLSearchParams(state.search()).has('range')).toBe(false)
})

test('a link to another page carries tenant, range and zone only', () => {
  const state = stateOf('?tenant=shop&range=7d&zone=UTC&name=order&view=table')
  expect(state.sharedSearch()).toBe('?tenant=shop&range=7d&zone=UTC')
  expect(stateOf('').sharedSearch()).toBe('')
})

const QUARTER_HOUR_MS = 900_000
const ranges: fc.Arbitrary<Range> = fc.oneof(
  fc
    .constantFrom(...(Object.keys(RELATIVES) as RelativeId[]))
    .map((id) => ({ kind: 'relative' as const, id })),
  fc
    .record({
      start: fc.integer({ min: 0, max: 2_500_000 }),
      length: fc.integer({ min: 1, max: 350_000 }),
    })
    .map(({ start, length }) => ({
      kind: 'absolute' as const,
      from: start * QUARTER_HOUR_MS,
      to: (start + length) * QUARTER_HOUR_MS,
    })),
)

test('whatever state is written to the URL is read from it again, by this page and by one that the link is opened in', () => {
  const text = fc.oneof(
    fc.string({ minLength: 1 }),
    fc.constantFrom('a&b=c', 'ü ✓', '#?%2B+', '(other)'),
  )
  const states = fc.record({
    range: ranges,
    zone: fc.constantFrom(...Intl.supportedValuesOf('timeZone')),
    tenant: text,
    name: fc.option(text),
    view: fc.constantFrom(null, 'table'),
    split: fc.constantFrom(null, 'name'),
  })
  fc.assert(
    fc.property(states, states, (before, { range, ...after }) => {
      const state = stateOf('')
      state.setRange(before.range)
      const { range: _, ...others } = before
      state.set(others)
      state.setRange(range)
      state.set(after)
      for (const opened of [state, stateOf(state.search())]) {
        expect(opened.range()).toEqual(range)
        expect([opened.zone(), opened.tenant(), opened.name() ?? null]).toEqual([
          ...[after.zone, after.tenant, after.name],
        ])
        expect([opened.view(), opened.isSplit()]).toEqual([
          ...[after.view ?? 'chart', after.split === 'name'],
        ])
        const shared = stateOf(opened.sharedSearch())
        expect([shared.range(), shared.zone(), shared.tenant(), shared.name()]).toEqual([
          ...[range, after.zone, after.tenant, undefined],
        ])
      }
    }),
    { numRuns: 200 },
  )
})

test('the zone of the browser goes by its current name, and is UTC where the browser knows none', () => {
  const resolved = vi.spyOn(Intl.DateTimeFormat.prototype, 'resolvedOptions')
  const zoneOf = (timeZone: string | undefined) => {
    resolved.mockReturnValue({ timeZone } as Intl.ResolvedDateTimeFormatOptions)
    return browserZone()
  }
  expect(['Asia/Calcutta', 'Europe/Berlin', undefined].map(zoneOf)).toEqual([
    ...['Asia/Kolkata', 'Europe/Berlin', 'UTC'],
  ])
  resolved.mockRestore()
})
