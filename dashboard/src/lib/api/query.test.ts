import { createSignal } from 'solid-js'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { mount, stubBrowser } from '../testing/mount.ts'
import type { Result } from './client.ts'
import { createQuery, isMissing } from './query.ts'

let browser: ReturnType<typeof stubBrowser>
beforeEach(() => {
  vi.useFakeTimers()
  browser = stubBrowser()
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

const ERROR: Result<string> = {
  ok: false,
  error: { kind: 'refused', message: 'Sluice returned an error: “no”.' },
}

/** A query whose results are given by hand, or take `costMs`. */
function setUp({ costMs, isRetried = true }: { costMs?: number; isRetried?: boolean } = {}) {
  const [scope, setScope] = createSignal('1h')
  const [variables, setVariables] = createSignal<number | undefined>(1)
  const requests: { variables: number; respond(result: Result<string>): Promise<void> }[] = []
  const query = mount(() =>
    createQuery({
      scope,
      variables,
      isRetried: () => isRetried,
      fetch: (sent: number) =>
        new Promise<Result<string>>((resolve) => {
          requests.push({
            variables: sent,
            async respond(result) {
              resolve(result)
              await vi.advanceTimersByTimeAsync(0)
            },
          })
          if (costMs !== undefined)
            setTimeout(() => resolve({ ok: true, data: `result ${sent}` }), costMs)
        }),
    }),
  )
  const respond = (data: string) => requests.at(-1)?.respond({ ok: true, data })
  return { query, requests, respond, setScope, setVariables }
}

test('a query fetches when it is mounted, and shows loading only after 200 ms', async () => {
  const { query, requests, respond } = setUp()
  expect(requests).toHaveLength(1)
  expect(query.loading()).toBe(false)
  await vi.advanceTimersByTimeAsync(200)
  expect(query.loading()).toBe(true)
  await respond('a')
  expect([query.data(), query.loading(), query.dataScope()]).toEqual(['a', false, '1h'])
})

test('while only the variables change, the last data stays', async () => {
  const { query, requests, respond, setVariables } = setUp()
  await respond('a')
  setVariables(2)
  expect(requests.map((request) => request.variables)).toEqual([1, 2])
  await vi.advanceTimersByTimeAsync(1_000)
  expect([query.data(), query.loading()]).toEqual(['a', false])
  await respond('b')
  expect(query.data()).toBe('b')
})

test('data of another scope is taken away after 200 ms, not before', async () => {
  const { query, respond, setScope } = setUp()
  await respond('a')
  setScope('24h')
  await vi.advanceTimersByTimeAsync(199)
  expect(query.data()).toBe('a')
  await vi.advanceTimersByTimeAsync(1)
  expect([query.data(), query.loading()]).toEqual([undefined, true])
  await respond('b')
  expect([query.data(), query.dataScope()]).toEqual(['b', '24h'])
})

test('a response to earlier variables is dropped', async () => {
  const { query, requests, setVariables } = setUp()
  setVariables(2)
  await requests[1]?.respond({ ok: true, data: 'new' })
  await requests[0]?.respond({ ok: true, data: 'old' })
  expect(query.data()).toBe('new')
})

test('without variables nothing is fetched', async () => {
  const { requests, setVariables } = setUp()
  setVariables(undefined)
  await vi.advanceTimersByTimeAsync(60_000)
  expect(requests).toHaveLength(1)
})

test('a failed query keeps its data, shows its error and is retried with a backoff', async () => {
  const { query, requests, respond } = setUp()
  await respond('a')
  query.retry()
  await requests[1]?.respond(ERROR)
  expect(query.data()).toBe('a')
  expect(query.error()).toMatchObject({ kind: 'refused', tries: 1 })
  await vi.advanceTimersByTimeAsync(1_000)
  expect(requests).toHaveLength(3)
  const since = query.error()?.since
  await requests[2]?.respond(ERROR)
  expect(query.error()).toMatchObject({ tries: 2, since })
  await vi.advanceTimersByTimeAsync(2_000)
  await respond('b')
  expect([query.data(), query.error()]).toEqual(['b', undefined])
})

test('a retry does not wait for the end of the backoff', async () => {
  const { query, requests } = setUp()
  for (let tries = 0; tries < 5; tries++) {
    await requests.at(-1)?.respond(ERROR)
    query.retry()
  }
  expect(requests).toHaveLength(6)
})

test('a failed query of a new scope does not show the data of the scope before', async () => {
  const { query, requests, respond, setScope } = setUp()
  await respond('a')
  setScope('24h')
  await requests[1]?.respond(ERROR)
  expect([query.data(), query.error()?.tries]).toEqual([undefined, 1])
})

test('invalidations are collected: at most one fetch a second', async () => {
  const { query, requests, respond } = setUp()
  await respond('a')
  for (let i = 0; i < 20; i++) query.invalidate()
  expect(requests).toHaveLength(1)
  await vi.advanceTimersByTimeAsync(1_000)
  expect(requests).toHaveLength(2)
})

test('an invalidation during a fetch leads to one more fetch afterwards', async () => {
  const { query, requests, respond } = setUp()
  query.invalidate()
  query.invalidate()
  await respond('a')
  await vi.advanceTimersByTimeAsync(1_000)
  expect(requests).toHaveLength(2)
  await respond('b')
  await vi.advanceTimersByTimeAsync(60_000)
  expect(requests).toHaveLength(2)
})

test('a slow query takes at most a tenth of the time, and is repeated at least every 30 s', async () => {
  const fetchesPerMinute = async (costMs: number) => {
    const { query, requests } = setUp({ costMs })
    const timer = setInterval(query.invalidate, 500)
    await vi.advanceTimersByTimeAsync(60_000)
    clearInterval(timer)
    query.dispose()
    return requests.length
  }
  expect(await fetchesPerMinute(50)).toBeGreaterThan(50)
  expect(await fetchesPerMinute(1_000)).toBeLessThanOrEqual(7)
  // At 0, 30 and 60 s.
  expect(await fetchesPerMinute(8_000)).toBe(3)
})

test('a hidden page fetches nothing when invalidated, and catches up when it is shown', async () => {
  const { query, requests, respond } = setUp()
  await respond('a')
  browser.document.hidden = true
  query.invalidate()
  await vi.advanceTimersByTimeAsync(60_000)
  expect(requests).toHaveLength(1)
  browser.document.hidden = false
  browser.document.dispatchEvent(new Event('visibilitychange'))
  await vi.advanceTimersByTimeAsync(0)
  expect(requests).toHaveLength(2)
})

test('after it is disposed a query neither fetches nor changes', async () => {
  const { query, requests, respond } = setUp()
  query.invalidate()
  query.dispose()
  await respond('a')
  await vi.advanceTimersByTimeAsync(60_000)
  expect([query.data(), requests.length]).toEqual([undefined, 1])
})

test('an error has the time since which the query fails and that of the next attempt', async () => {
  const { query, requests } = setUp()
  const startedAt = Date.now()
  await vi.advanceTimersByTimeAsync(3_000)
  await requests[0]?.respond(ERROR)
  expect(query.error()?.since).toBe(startedAt)
  const wait = (query.error()?.nextTryAt ?? 0) - Date.now()
  await vi.advanceTimersByTimeAsync(wait - 1)
  expect(requests).toHaveLength(1)
  await vi.advanceTimersByTimeAsync(1)
  expect(requests).toHaveLength(2)
  await requests[1]?.respond(ERROR)
  expect(query.error()?.since).toBe(startedAt)
})

test('data is as old as its response, and a retry takes the place of the one that was due', async () => {
  const { query, requests, respond } = setUp()
  expect(query.dataAt()).toBe(0)
  await requests[0]?.respond(ERROR)
  query.retry()
  await vi.advanceTimersByTimeAsync(500)
  await respond('a')
  expect(query.dataAt()).toBe(Date.now())
  await vi.advanceTimersByTimeAsync(60_000)
  expect(requests).toHaveLength(2)
})

test('the error of one scope is not shown under the next', async () => {
  const { query, requests, setScope } = setUp()
  await requests[0]?.respond(ERROR)
  setScope('24h')
  expect(query.error()).toBeUndefined()
})

test('data that arrives soon after a second change of scope stays', async () => {
  const { query, respond, setScope } = setUp()
  await respond('a')
  setScope('24h')
  await vi.advanceTimersByTimeAsync(150)
  setScope('7d')
  await respond('b')
  await vi.advanceTimersByTimeAsync(1_000)
  expect([query.data(), query.loading()]).toEqual(['b', false])
})

test('a page that is hidden does not fetch, and one that was disposed of leaves nothing behind', async () => {
  const { query, requests } = setUp()
  await requests[0]?.respond(ERROR)
  browser.document.hidden = true
  browser.document.dispatchEvent(new Event('visibilitychange'))
  expect(requests).toHaveLength(1)
  browser.document.hidden = false
  query.dispose()
  browser.document.dispatchEvent(new Event('visibilitychange'))
  expect([requests.length, vi.getTimerCount()]).toEqual([1, 0])
  const loading = setUp().query
  loading.dispose()
  expect(vi.getTimerCount()).toBe(0)
})

test('a query is missing when it failed without an earlier result, and not while it is loading or out of date', async () => {
  const { query, requests, respond } = setUp()
  expect(isMissing(query)).toBe(false)
  await requests[0]?.respond(ERROR)
  expect(isMissing(query)).toBe(true)
  query.retry()
  await respond('a')
  query.retry()
  await requests[2]?.respond(ERROR)
  expect(isMissing(query)).toBe(false)
})

test('a refused query is sent again only with other variables, or by hand', async () => {
  const { query, requests, respond, setVariables } = setUp({ isRetried: false })
  await requests[0]?.respond(ERROR)
  query.invalidate()
  browser.document.dispatchEvent(new Event('visibilitychange'))
  await vi.advanceTimersByTimeAsync(120_000)
  expect([requests.length, query.error()?.tries]).toEqual([1, 1])
  query.retry()
  expect(requests).toHaveLength(2)
  await requests[1]?.respond(ERROR)
  setVariables(2)
  await respond('b')
  expect([query.data(), query.error()]).toEqual(['b', undefined])
})
