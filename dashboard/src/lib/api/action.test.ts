import { expect, test, vi } from 'vitest'
import { mount } from '../testing/mount.ts'
import { createAction, fieldError } from './action.ts'
import type { ApiError, Result } from './client.ts'
import { createPolling } from './polling.ts'

const error: ApiError = {
  ...{ kind: 'refused', message: 'No.' },
  refusal: {
    ...{ code: 'BAD_USER_INPUT', advice: 'No.' },
    fields: [
      { pointer: '/filter/0/in', detail: 'is empty' },
      { pointer: '/name', detail: 'is taken' },
    ],
  },
}

test('a second press of a button while the first is under way sends nothing', async () => {
  const pending: ((result: Result<string>) => void)[] = []
  const action = createAction(() => new Promise<Result<string>>((done) => pending.push(done)))
  const first = action.run('a')
  expect([await action.run('b'), action.isRunning(), pending.length]).toEqual([undefined, true, 1])
  pending[0]?.({ ok: true, data: 'done' })
  expect([await first, action.isRunning(), action.error()]).toEqual(['done', false, undefined])
})

test('the error of an action stays until the next run or until it is cleared', async () => {
  const results: Result<string>[] = [
    { ok: false, error },
    { ok: true, data: 'x' },
    { ok: false, error },
  ]
  const action = createAction(async () => results.shift() as Result<string>)
  expect([await action.run('a'), action.error()]).toEqual([undefined, error])
  expect([await action.run('a'), action.error()]).toEqual(['x', undefined])
  await action.run('a')
  action.clear()
  expect(action.error()).toBeUndefined()
})

test('an error belongs to the field that its pointer names, or that is above it', () => {
  expect(fieldError(error, '/filter')).toBe('is empty')
  expect(fieldError(error, '/name')).toBe('is taken')
  expect(fieldError(error, '/nam')).toBeUndefined()
  expect(fieldError(undefined, '/name')).toBeUndefined()
})

test('what others may change is fetched again every 15 seconds, for as long as the page is shown', () => {
  vi.useFakeTimers()
  const invalidate = vi.fn()
  const page = mount(() => {
    createPolling([{ invalidate }])
    return {}
  })
  vi.advanceTimersByTime(14_999)
  expect(invalidate).not.toHaveBeenCalled()
  vi.advanceTimersByTime(15_001)
  expect(invalidate).toHaveBeenCalledTimes(2)
  page.dispose()
  vi.advanceTimersByTime(60_000)
  expect(invalidate).toHaveBeenCalledTimes(2)
  vi.useRealTimers()
})
