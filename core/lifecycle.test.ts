import { expect, test } from 'vitest'
import { createLifecycle } from './lifecycle.ts'

test('what started last stops first, and each waits for the one before', async () => {
  const order: string[] = []
  const lifecycle = createLifecycle()
  lifecycle.onStop('database', () => void order.push('database'))
  lifecycle.onStop('worker', async () => {
    await new Promise((resolve) => setTimeout(resolve, 20))
    order.push('worker')
  })
  await lifecycle.stop()
  expect(order).toEqual(['worker', 'database'])
})

test('a part that fails or hangs does not keep the others from stopping; all failures are told', async () => {
  const order: string[] = []
  const lifecycle = createLifecycle({ stepMsMax: 50 })
  lifecycle.onStop('a', () => void order.push('a'))
  lifecycle.onStop('b', () => new Promise<void>(() => {}))
  lifecycle.onStop('c', () => {
    throw new Error('no')
  })
  await expect(lifecycle.stop()).rejects.toThrow(
    'c did not stop: no; b did not stop: it took more than 50 ms',
  )
  expect(order).toEqual(['a'])
})

test('stopping twice is stopping once', async () => {
  let times = 0
  const lifecycle = createLifecycle()
  lifecycle.onStop('a', () => void times++)
  await Promise.all([lifecycle.stop(), lifecycle.stop()])
  expect(times).toBe(1)
})

test('all parts together have a deadline; those whose turn comes after it get a moment', async () => {
  const order: string[] = []
  const lifecycle = createLifecycle({ stepMsMax: 150, totalMsMax: 200 })
  lifecycle.onStop('quick', () => void order.push('quick'))
  for (const name of ['a', 'b', 'c']) lifecycle.onStop(name, () => new Promise<void>(() => {}))
  const at = Date.now()
  await expect(lifecycle.stop()).rejects.toThrow('c did not stop: it took more than 150 ms')
  expect(Date.now() - at).toBeLessThan(600)
  expect(order).toEqual(['quick'])
})
