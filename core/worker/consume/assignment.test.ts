import fc from 'fast-check'
import { expect, test } from 'vitest'
import { computeAssignment, type Lease, roundRobin } from './assignment.ts'

/** One worker after the other, as under the lock in Postgres, until no assignment changes any more. */
function assignAll(leases: Lease[], alive: readonly string[]): number {
  let moved = 0
  for (let round = 0; round < 10; round++) {
    let changed = false
    for (const worker of alive) {
      const { take, revoke: surplus } = computeAssignment(worker, alive, leases)
      for (const lease of leases) {
        if (take.includes(lease.partition)) lease.workerId = worker
        else if (surplus.includes(lease.partition)) lease.workerId = null
        else continue
        changed = true
        moved++
      }
    }
    if (!changed) return moved
  }
  throw new Error('they never agree')
}

const names = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 5 }), {
  minLength: 1,
  maxLength: 9,
})

test('every partition has one worker, and no worker has two more than another, while workers join and leave', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 12 }),
      fc.array(names, { minLength: 1 }),
      (partitions, changes) => {
        const leases: Lease[] = Array.from({ length: partitions }, (_, partition) => ({
          partition,
          workerId: null,
        }))
        for (const alive of changes) {
          for (const lease of leases)
            if (lease.workerId !== null && !alive.includes(lease.workerId)) lease.workerId = null
          assignAll(leases, alive)
          const counts = alive.map((id) => leases.filter(({ workerId }) => workerId === id).length)
          expect(counts.reduce((a, b) => a + b)).toBe(partitions)
          expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1)
        }
      },
    ),
  )
})

test('a worker that joins two others takes no more partitions than its own number', () => {
  const leases: Lease[] = Array.from({ length: 6 }, (_, partition) => ({
    partition,
    workerId: null,
  }))
  assignAll(leases, ['a', 'b'])
  // Each of the two lets go of one, and it is taken: four steps.
  expect(assignAll(leases, ['a', 'b', 'c'])).toBe(4)
})

test('round robin gives every consumer as many partitions as any other, or one more', () => {
  expect(roundRobin([0, 1, 2, 3, 4, 5], 2)).toEqual([
    [0, 2, 4],
    [1, 3, 5],
  ])
  expect(roundRobin([1, 4, 5], 2)).toEqual([[1, 5], [4]])
  expect(roundRobin([3], 2)).toEqual([[3]])
  expect(roundRobin([], 2)).toEqual([])
})
