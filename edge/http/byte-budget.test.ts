import { expect, it } from 'vitest'
import { LIMITS } from '../../contract/limits.ts'
import { createByteBudget } from './byte-budget.ts'

function setUp() {
  const clock = { now: 1_000_000 }
  return { clock, budget: createByteBudget(100, () => clock.now) }
}
const OVERLOADED = expect.objectContaining({ code: 'OVERLOADED' })

it('the budget admits what fits, and more after a release', () => {
  const { budget } = setUp()
  const release = budget.acquire(60)
  budget.acquire(40)
  expect(() => budget.acquire(1)).toThrow(OVERLOADED)
  release()
  budget.acquire(60)
  expect(() => budget.acquire(1)).toThrow(OVERLOADED)
})

it('a request is always admitted while the budget is empty, however large it is', () => {
  const { budget } = setUp()
  const release = budget.acquire(1_000)
  expect(() => budget.acquire(1)).toThrow(OVERLOADED)
  release()
  budget.acquire(1_000)
})

it('the budget counts every request for as long as the publisher may take', () => {
  for (const late of [0, 1, 1_999, 3_999]) {
    const { budget, clock } = setUp()
    budget.acquire(1)()
    clock.now += late
    budget.acquire(99)
    clock.now += LIMITS.publishMsMax
    expect(() => budget.acquire(2)).toThrow(OVERLOADED)
  }
})

it('the budget drops requests that were torn down with their client and never released', () => {
  const { budget, clock } = setUp()
  for (let i = 0; i < 20; i++) {
    budget.acquire(100)
    clock.now += 2 * (LIMITS.publishMsMax + 1_000)
  }
  // One after another, a little at a time, too.
  for (let i = 0; i < 200; i++) {
    budget.acquire(1)
    clock.now += 200
  }
})

it('a release after the request was dropped frees nothing', () => {
  const { budget, clock } = setUp()
  const release = budget.acquire(100)
  clock.now += 2 * (LIMITS.publishMsMax + 1_000)
  budget.acquire(100)
  release()
  expect(() => budget.acquire(1)).toThrow(OVERLOADED)
})

it('one owner holds no more than its share, and others the rest', () => {
  const { budget } = setUp()
  const [key, other] = ['key 1', 'key 2'].map((owner) => [
    { owner, bytesMax: 50 },
    { owner: 'tenant', bytesMax: 75 },
  ])
  const release = budget.acquire(40, key)
  expect(() => budget.acquire(11, key)).toThrow(OVERLOADED)
  budget.acquire(10, key)()
  budget.acquire(30, other)
  expect(() => budget.acquire(6, other)).toThrow(OVERLOADED)
  budget.acquire(25)
  release()
  release()
  budget.acquire(45, key)
  expect(() => budget.acquire(1)).toThrow(OVERLOADED)
})

it('what an owner holds counts in its share for as long as in the whole', () => {
  const { budget, clock } = setUp()
  const shares = [{ owner: 'key 1', bytesMax: 50 }]
  const release = budget.acquire(40, shares)
  clock.now += LIMITS.publishMsMax + 1_000
  expect(() => budget.acquire(11, shares)).toThrow(OVERLOADED)
  budget.acquire(10, shares)
  release()
  budget.acquire(40, shares)
})
