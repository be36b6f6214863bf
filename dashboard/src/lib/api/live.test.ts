import { createSignal } from 'solid-js'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { mount, stubBrowser } from '../testing/mount.ts'
import type { LiveUpdate } from './documents.ts'
import { clockSkew, createLive, type SubscribeLive } from './live.ts'

let browser: ReturnType<typeof stubBrowser>
beforeEach(() => {
  vi.useFakeTimers()
  browser = stubBrowser()
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

const ERROR = { kind: 'unreachable', message: 'Sluice closed the live connection.' } as const

function setUp() {
  const [tenant, setTenant] = createSignal<string | undefined>('default')
  const subscriptions: { tenant: string; on: Parameters<SubscribeLive>[1]; isOpen: boolean }[] = []
  const live = mount(() =>
    createLive(tenant, (followed, on) => {
      const subscription = { tenant: followed, on, isOpen: true }
      subscriptions.push(subscription)
      return () => {
        subscription.isOpen = false
      }
    }),
  )
  const push = (aheadMs = 0) =>
    subscriptions.at(-1)?.on.data({
      live: {
        at: new Date(Date.now() + aheadMs).toISOString(),
        recent: [],
      } as unknown as LiveUpdate,
    })
  return { live, subscriptions, push, setTenant }
}

test('the connection opens with the first update', () => {
  const { live, push } = setUp()
  expect(live.connection()).toEqual({ kind: 'connecting' })
  push()
  expect(live.connection()).toEqual({ kind: 'open' })
  expect(live.updatedAt()).toBe(Date.now())
})

test('a closed connection keeps the last update and reconnects with a backoff', async () => {
  const { live, subscriptions, push } = setUp()
  push()
  subscriptions[0]?.on.end(ERROR)
  expect(live.connection()).toMatchObject({ kind: 'waiting', tries: 1, error: ERROR })
  expect(live.update()).toBeDefined()
  await vi.advanceTimersByTimeAsync(1_000)
  expect(subscriptions).toHaveLength(2)
  subscriptions[1]?.on.end(ERROR)
  expect(live.connection()).toMatchObject({ tries: 2 })
  await vi.advanceTimersByTimeAsync(2_000)
  push()
  expect(live.connection()).toEqual({ kind: 'open' })
})

test('a connection without an update for 20 s is given up', async () => {
  const { live, subscriptions, push } = setUp()
  push()
  await vi.advanceTimersByTimeAsync(19_999)
  expect(live.connection().kind).toBe('open')
  await vi.advanceTimersByTimeAsync(1)
  expect(live.connection()).toMatchObject({
    kind: 'waiting',
    error: { message: 'Sluice sent no update for 20 s.' },
  })
  expect(subscriptions[0]?.isOpen).toBe(false)
})

test('the update of one tenant is never shown under another', () => {
  const { live, subscriptions, push, setTenant } = setUp()
  push()
  setTenant('other')
  expect([live.update(), live.connection()]).toEqual([undefined, { kind: 'connecting' }])
  expect(subscriptions.map(({ tenant, isOpen }) => [tenant, isOpen])).toEqual([
    ['default', false],
    ['other', true],
  ])
})

test('without a tenant nothing is followed', () => {
  const { subscriptions, setTenant } = setUp()
  const none = mount(() =>
    createLive(
      () => undefined,
      () => expect.unreachable(),
    ),
  )
  expect(none.connection()).toEqual({ kind: 'connecting' })
  setTenant(undefined)
  expect(subscriptions.map(({ isOpen }) => isOpen)).toEqual([false])
})

test('live updates that are turned off keep what is shown and do not reconnect', async () => {
  const { live, subscriptions, push } = setUp()
  push()
  live.toggle()
  expect(live.connection().kind).toBe('off')
  expect(live.update()).toBeDefined()
  browser.window.dispatchEvent(new Event('online'))
  await vi.advanceTimersByTimeAsync(60_000)
  expect(subscriptions).toHaveLength(1)
  live.toggle()
  expect(subscriptions).toHaveLength(2)
})

test('a page that is shown again, or online again, reconnects at once', () => {
  const { subscriptions } = setUp()
  for (const announce of [
    () => browser.document.dispatchEvent(new Event('visibilitychange')),
    () => browser.window.dispatchEvent(new Event('online')),
  ]) {
    const before = subscriptions.length
    subscriptions.at(-1)?.on.end(ERROR)
    announce()
    expect(subscriptions).toHaveLength(before + 1)
  }
})

test('after it is disposed the connection is closed for good', async () => {
  const { live, subscriptions } = setUp()
  live.dispose()
  await vi.advanceTimersByTimeAsync(60_000)
  expect(subscriptions.map(({ isOpen }) => isOpen)).toEqual([false])
})

test('a wrong clock is distinguished from a slow network', () => {
  expect(clockSkew(-400, 0)).toBe(0)
  expect(clockSkew(30_000, 0)).toBe(30_000)
  expect(clockSkew(30_600, 30_000)).toBe(30_000)
  expect(clockSkew(200, 30_000)).toBe(0)
})

test('the skew of the browser clock is taken from the updates', () => {
  const { live, push } = setUp()
  push(30_000)
  expect(live.skewMs()).toBe(30_000)
})

test('a lost connection is lost since the first failure until an update arrives, and is retried at the time that is shown', async () => {
  const { live, subscriptions, push } = setUp()
  push()
  const lostAt = Date.now()
  const end = () => subscriptions.at(-1)?.on.end(ERROR)
  const waiting = () => {
    const connection = live.connection()
    return connection.kind === 'waiting' ? connection : undefined
  }
  end()
  expect(waiting()).toMatchObject({ since: lostAt, tries: 1 })
  await vi.advanceTimersByTimeAsync((waiting()?.nextTryAt ?? 0) - Date.now() - 1)
  expect(subscriptions).toHaveLength(1)
  await vi.advanceTimersByTimeAsync(1)
  expect(subscriptions).toHaveLength(2)
  // Opened again, but without an update it is not back.
  expect(waiting()).toMatchObject({ since: lostAt, tries: 1 })
  end()
  expect(waiting()).toMatchObject({ since: lostAt, tries: 2 })
  await vi.advanceTimersByTimeAsync(5_000)
  push()
  expect(live.connection()).toEqual({ kind: 'open' })
  end()
  expect(waiting()).toMatchObject({ since: Date.now(), tries: 1 })
})

test('a connection with an update every ten seconds stays open, and so does one that was lost before', async () => {
  const { live, subscriptions, push } = setUp()
  push()
  subscriptions[0]?.on.end(ERROR)
  await vi.advanceTimersByTimeAsync(2_000)
  const open = subscriptions.length
  push()
  const connection = live.connection()
  for (let i = 0; i < 6; i++) {
    await vi.advanceTimersByTimeAsync(10_000)
    push()
    // Nothing that depends on the state alone is drawn again.
    expect(live.connection()).toBe(connection)
  }
  expect(subscriptions).toHaveLength(open)
})

test('a connection that never gets an update is given up like one that falls silent', async () => {
  const { live } = setUp()
  await vi.advanceTimersByTimeAsync(19_999)
  expect(live.connection().kind).toBe('connecting')
  await vi.advanceTimersByTimeAsync(1)
  expect(live.connection()).toMatchObject({ kind: 'waiting', tries: 1 })
})

test('however often a retry is asked for, one connection is open, and an open one is left alone', () => {
  const { live, subscriptions, push } = setUp()
  subscriptions[0]?.on.end(ERROR)
  live.retry()
  live.retry()
  expect(subscriptions.map(({ isOpen }) => isOpen)).toEqual([false, false, true])
  push()
  live.retry()
  browser.window.dispatchEvent(new Event('online'))
  expect(subscriptions).toHaveLength(3)
})

test('after it is disposed nothing reconnects a connection that was lost', async () => {
  const { live, subscriptions } = setUp()
  subscriptions[0]?.on.end(ERROR)
  live.dispose()
  browser.document.dispatchEvent(new Event('visibilitychange'))
  browser.window.dispatchEvent(new Event('online'))
  await vi.advanceTimersByTimeAsync(60_000)
  expect(subscriptions).toHaveLength(1)
})

test('a clock is wrong from one and a half seconds on', () => {
  expect([1_499, 1_500, -1_500].map((ms) => clockSkew(ms, 0))).toEqual([0, 1_500, -1_500])
  expect([31_499, 31_500].map((ms) => clockSkew(ms, 30_000))).toEqual([30_000, 31_500])
})
