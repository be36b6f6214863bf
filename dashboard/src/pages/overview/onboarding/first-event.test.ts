import { createSignal } from 'solid-js'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { LiveUpdate, Viewer } from '../../../lib/api/documents.ts'
import { mount } from '../../../lib/testing/mount.ts'
import { createFirstEvent } from './first-event.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const viewerOf = (hasEvents: boolean) => ({ tenants: [{ id: 'default', hasEvents }] }) as Viewer

function setUp(hasEvents: boolean) {
  const [viewer, setViewer] = createSignal(viewerOf(hasEvents))
  const [update, setUpdate] = createSignal<LiveUpdate>()
  const refreshViewer = vi.fn()
  const first = mount(() =>
    createFirstEvent({ tenant: () => 'default', viewer, refreshViewer, live: { update } }),
  )
  const receive = (...names: string[]) =>
    setUpdate({ recent: names.map((name) => ({ name })) } as LiveUpdate)
  return { first, receive, setViewer, refreshViewer }
}

test('the first event is noticed in a live update', () => {
  const { first, receive } = setUp(false)
  receive()
  expect(first.hasEvents()).toBe(false)
  receive('second', 'first')
  expect([first.hasEvents(), first.event()?.name]).toEqual([true, 'first'])
})

test('without a live connection the first event is noticed by asking every 5 s', () => {
  const { first, setViewer, refreshViewer } = setUp(false)
  vi.advanceTimersByTime(5_000)
  expect(refreshViewer).toHaveBeenCalledOnce()
  setViewer(viewerOf(true))
  vi.advanceTimersByTime(60_000)
  expect(refreshViewer).toHaveBeenCalledOnce()
  expect([first.hasEvents(), first.event()]).toEqual([true, undefined])
})

test('a tenant with events has no first event to announce', () => {
  const { first, receive, refreshViewer } = setUp(true)
  receive('order')
  vi.advanceTimersByTime(60_000)
  expect(first.event()).toBeUndefined()
  expect(refreshViewer).not.toHaveBeenCalled()
})
