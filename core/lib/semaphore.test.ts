import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createSemaphore } from './semaphore.ts'

const nextTurn = () => new Promise((resolve) => setImmediate(resolve))

describe('a semaphore', () => {
  test('admits callers in the order in which they asked, as units become free', async () => {
    const semaphore = createSemaphore(1)
    const order: string[] = []
    const first = await semaphore.acquire()
    for (const name of ['second', 'third'])
      void semaphore.acquire().then((release) => {
        order.push(name)
        release()
      })
    await nextTurn()
    expect([order, semaphore.inUse, semaphore.waiting]).toEqual([[], 1, 2])
    first()
    await nextTurn()
    expect([order, semaphore.inUse, semaphore.waiting]).toEqual([['second', 'third'], 0, 0])
  })

  test('counts a release that is called twice once', async () => {
    const semaphore = createSemaphore(2)
    const release = await semaphore.acquire()
    await semaphore.acquire()
    release()
    release()
    expect(semaphore.inUse).toBe(1)
  })

  test('lets nobody overtake a caller that needs more units', async () => {
    const semaphore = createSemaphore(10)
    const release = await semaphore.acquire(6)
    const large = semaphore.acquire(8)
    const small = semaphore.acquire(1)
    await nextTurn()
    expect(semaphore.waiting).toBe(2)
    release()
    await Promise.all([large, small])
    expect(semaphore.inUse).toBe(9)
  })

  test('gives up after the time limit and admits the smaller caller behind', async () => {
    const semaphore = createSemaphore(10)
    await semaphore.acquire(6)
    const large = semaphore.tryAcquire(8, 1)
    const small = semaphore.tryAcquire(4, 10_000)
    expect(await large).toBeUndefined()
    expect(await small).toBeTypeOf('function')
    expect([semaphore.inUse, semaphore.waiting]).toEqual([10, 0])
  })

  test('frees its unit when the work fails', async () => {
    const semaphore = createSemaphore(1)
    const fail = () => Promise.reject(new Error('broken'))
    await expect(semaphore.run(fail)).rejects.toThrow('broken')
    expect(await semaphore.run(async () => 'done')).toBe('done')
    expect(semaphore.inUse).toBe(0)
  })

  test('never has more units in use than its capacity, and ends with none', async () => {
    const demands = fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 40 })
    await fc.assert(
      fc.asyncProperty(demands, async (demands) => {
        const semaphore = createSemaphore(5)
        let used = 0
        await Promise.all(
          demands.map(async (units) => {
            const release = await semaphore.acquire(units)
            used += units
            expect(used).toBeLessThanOrEqual(5)
            await Promise.resolve()
            used -= units
            release()
          }),
        )
        expect([semaphore.inUse, semaphore.waiting]).toEqual([0, 0])
      }),
      { numRuns: 100 },
    )
  })
})
