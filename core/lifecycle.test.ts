import { expect, test } from 'vitest'
import { createLifecycle } from './lifecycle.ts'

test('the lifecycle stops what started last first, one step after the other', async () => {
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

test('a step that fails or hangs does not prevent the other steps; the error names all failures', async () => {
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

test('a second stop returns the first one', async () => {
  let times = 0
  const lifecycle = createLifecycle()
  lifecycle.onStop('a', () => void times++)
  await Promise.all([lifecycle.stop(), lifecycle.stop()])
  expect(times).toBe(1)
})

test('all steps share a deadline; those after it still get a short time', async () => {
  const order: string[] = []
  const lifecycle = createLifecycle({ stepMsMax: 150, totalMsMax: 200 })
  lifecycle.onStop('quick', () => void order.push('quick'))
  for (const name of ['a', 'b', 'c']) lifecycle.onStop(name, () => new Promise<void>(() => {}))
  const at = Date.now()
  await expect(lifecycle.stop()).rejects.toThrow('c did not stop: it took more than 150 ms')
  // 150 ms of a step, the rest of the deadline, and the minimum of the others: far from a step's full time each.
  expect(Date.now() - at).toBeLessThan(5_000)
  expect(order).toEqual(['quick'])
})

test('a step that waits for little is done even where the time for all steps is over', async () => {
  const lifecycle = createLifecycle({ totalMsMax: 0 })
  const done: string[] = []
  for (const name of ['first', 'last'])
    lifecycle.onStop(name, async () => {
      await new Promise((resolve) => setTimeout(resolve, 20))
      done.push(name)
    })
  await lifecycle.stop()
  expect(done).toEqual(['last', 'first'])
})
