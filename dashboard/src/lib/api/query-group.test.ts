import { createSignal } from 'solid-js'
import { expect, test, vi } from 'vitest'
import { mount } from '../testing/mount.ts'
import type { LiveUpdate, StoredEvent } from './documents.ts'
import type { Connection } from './live.ts'
import type { Query, QueryError } from './query.ts'
import { createQueryGroup } from './query-group.ts'

function setUp() {
  const [update, setUpdate] = createSignal<LiveUpdate>()
  const [connection, setConnection] = createSignal<Connection>({ kind: 'open' })
  const [isOn, setOn] = createSignal(true)
  const [now, setNow] = createSignal(1_000)
  const group = mount(() => createQueryGroup({ live: { update, connection, isOn }, now }))
  const add = (options?: { isPast: boolean }) => {
    const [error, setError] = createSignal<QueryError>()
    const query = { error, invalidate: vi.fn(), retry: vi.fn() }
    const { dispose } = mount(() => group.add(query as unknown as Query<unknown>, options))
    return { ...query, setError, dispose }
  }
  const receive = (recent: Partial<StoredEvent>[]) => setUpdate({ recent } as LiveUpdate)
  return { group, add, receive, setConnection, setOn, setNow }
}
const error = (kind: QueryError['kind']) => ({ kind }) as QueryError
const lost: Connection = {
  kind: 'waiting',
  error: error('unreachable'),
  since: 0,
  tries: 1,
  nextTryAt: 0,
}

test('new events invalidate the queries of the page, except those about the past', () => {
  const { add, receive } = setUp()
  const [current, past] = [add(), add({ isPast: true })]
  receive([])
  expect(current.invalidate).not.toHaveBeenCalled()
  receive([{ name: 'order' }])
  expect(current.invalidate).toHaveBeenCalledOnce()
  expect(past.invalidate).not.toHaveBeenCalled()
})

test('queries are polled every 15 s, every 5 s while the live connection is lost, and never while it is off', () => {
  const { add, setNow, setConnection, setOn } = setUp()
  const query = add()
  const polls = () => {
    query.invalidate.mockClear()
    for (let second = 1; second <= 60; second++) setNow((now) => now + 1_000)
    return query.invalidate.mock.calls.length
  }
  expect(polls()).toBe(4)
  setConnection(lost)
  expect(polls()).toBe(12)
  setOn(false)
  expect(polls()).toBe(0)
})

test('an unreachable server is reported once for the page, and only its failed queries are retried', () => {
  const { group, add } = setUp()
  const [fine, refused, unreachable] = [add(), add(), add()]
  expect(group.unreachable()).toBeUndefined()
  refused.setError(error('refused'))
  expect(group.unreachable()).toBeUndefined()
  unreachable.setError(error('unreachable'))
  expect(group.unreachable()?.kind).toBe('unreachable')
  group.retry()
  expect(fine.retry).not.toHaveBeenCalled()
  expect(refused.retry).toHaveBeenCalledOnce()
  expect(unreachable.retry).toHaveBeenCalledOnce()
})

test('a query is left alone once its panel is gone, and the others are not', () => {
  const { group, add, receive } = setUp()
  const [gone, stays] = [add(), add()]
  gone.setError(error('unreachable'))
  gone.dispose()
  receive([{ name: 'order' }])
  group.retry()
  expect(group.unreachable()).toBeUndefined()
  expect([gone.invalidate, gone.retry].map((call) => call.mock.calls.length)).toEqual([0, 0])
  expect(stays.invalidate).toHaveBeenCalledOnce()
})
