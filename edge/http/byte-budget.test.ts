import { expect, it } from 'vitest'
import { LIMITS } from '../../contract/limits.ts'
import { createByteBudget } from './byte-budget.ts'

function setUp() {
  const clock = { now: 1_000_000 }
  return { clock, room: createByteBudget(100, () => clock.now) }
}
const OVERLOADED = expect.objectContaining({ code: 'OVERLOADED' })

it('takes as many as fit, and more when some have left', () => {
  const { room } = setUp()
  const leave = room.acquire(60)
  room.acquire(40)
  expect(() => room.acquire(1)).toThrow(OVERLOADED)
  leave()
  room.acquire(60)
  expect(() => room.acquire(1)).toThrow(OVERLOADED)
})

it('whoever is alone gets in, however large', () => {
  const { room } = setUp()
  const leave = room.acquire(1_000)
  expect(() => room.acquire(1)).toThrow(OVERLOADED)
  leave()
  room.acquire(1_000)
})

it('counts everyone for as long as the publisher may take', () => {
  for (const late of [0, 1, 1_999, 3_999]) {
    const { room, clock } = setUp()
    room.acquire(1)()
    clock.now += late
    room.acquire(99)
    clock.now += LIMITS.publishMsMax
    expect(() => room.acquire(2)).toThrow(OVERLOADED)
  }
})

it('forgets whoever never left, because the request was torn down with its client', () => {
  const { room, clock } = setUp()
  for (let i = 0; i < 20; i++) {
    room.acquire(100)
    clock.now += 2 * (LIMITS.publishMsMax + 1_000)
  }
  // One after another, a little at a time, too.
  for (let i = 0; i < 200; i++) {
    room.acquire(1)
    clock.now += 200
  }
})

it('whoever leaves after having been forgotten makes no room that is not there', () => {
  const { room, clock } = setUp()
  const leave = room.acquire(100)
  clock.now += 2 * (LIMITS.publishMsMax + 1_000)
  room.acquire(100)
  leave()
  expect(() => room.acquire(1)).toThrow(OVERLOADED)
})
