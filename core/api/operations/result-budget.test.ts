import { expect, test } from 'vitest'
import { createResultBudget } from './result-budget.ts'

let nowMs = 0
const options = { charsPerSecond: 100, charsMax: 1_000, now: () => nowMs }

test('a client that used up its characters waits until some are back, and nobody else does', () => {
  const budget = createResultBudget(options)
  budget.charge('a', 999)
  budget.check('a')
  budget.charge('a', 201)
  expect(() => budget.check('a')).toThrow(expect.objectContaining({ code: 'OVERLOADED' }))
  budget.check('b')
  nowMs += 2_000
  expect(() => budget.check('a')).toThrow(expect.objectContaining({ code: 'OVERLOADED' }))
  nowMs += 1
  budget.check('a')
})

test('what was not used is kept up to the most that may be used at once', () => {
  const budget = createResultBudget(options)
  budget.charge('a', 100)
  nowMs += 3_600_000
  budget.charge('a', 1_000)
  expect(() => budget.check('a')).toThrow()
})

test('only so many clients are remembered, those charged last', () => {
  const budget = createResultBudget({ ...options, clientsMax: 2 })
  for (const client of ['a', 'b', 'a', 'c']) budget.charge(client, 2_000)
  budget.check('b')
  for (const client of ['a', 'c']) expect(() => budget.check(client)).toThrow()
})
