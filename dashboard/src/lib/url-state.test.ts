import { createSignal } from 'solid-js'
import { expect, test } from 'vitest'
import { mount } from './testing/mount.ts'
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
