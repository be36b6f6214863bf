import { describe, expect, test } from 'vitest'
import { TimeoutError, withTimeout } from './timeout.ts'

const never = new Promise<never>(() => {})

describe('withTimeout', () => {
  test('gives the result of work that ends in time', async () => {
    expect(await withTimeout(10_000, 'the log', Promise.resolve(1))).toBe(1)
  })

  test('passes on the error of work that fails in time', async () => {
    const work = Promise.reject(new Error('broken'))
    await expect(withTimeout(10_000, 'the log', work)).rejects.toThrow('broken')
  })

  test('rejects with a TimeoutError that names what was waited for', async () => {
    const error = await withTimeout(1, 'the log', never).catch((error) => error)
    expect(error).toBeInstanceOf(TimeoutError)
    expect(error.message).toBe('the log did not answer within 1 ms')
  })

  test('rejects with the error that the caller creates', async () => {
    const create = (what: string, ms: number) => new RangeError(`${what} ${ms}`)
    await expect(withTimeout(-1, 'Fetch', never, create)).rejects.toThrow(
      new RangeError('Fetch -1'),
    )
  })

  test('handles a rejection that comes after the time limit', async () => {
    const work = Promise.withResolvers<never>()
    await expect(withTimeout(1, 'the log', work.promise)).rejects.toThrow(TimeoutError)
    work.reject(new Error('late'))
    // An unhandled rejection would fail the run.
    await new Promise((resolve) => setImmediate(resolve))
  })
})
