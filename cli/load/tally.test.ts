import { expect, test } from 'vitest'
import { createEvents, type PlannedEvent } from './events.ts'
import { createTally } from './tally.ts'

const good = (number: number): PlannedEvent => ({ kind: 'good', number })
const accepted = (accepted: number, rejected = 0) => ({
  status: 202,
  body: JSON.stringify({ accepted, rejected }),
})
const exactly = (value: number) => ({ min: value, max: value })

test('accepted events are stored once, however often they were sent', () => {
  const tally = createTally(10, 1, () => 0)
  tally.add(
    0,
    [good(1), { kind: 'dead', number: 2 }, { kind: 'rejected', number: 3 }],
    accepted(2, 1),
  )
  tally.add(0, [good(1)], accepted(1))
  tally.add(0, [good(4)], { status: 429, body: '' })
  expect(tally.expected()).toEqual([
    { stored: exactly(1), duplicates: exactly(1), dead: exactly(1) },
  ])
  expect(tally.counts).toEqual({ sent: 5, accepted: 3, limited: 1, refused: 1, errors: 0 })
})

test('events without a clear response may be stored or not, and the edge may have appended any of them twice', () => {
  const tally = createTally(10, 2, (i) => i % 2)
  tally.add(0, [good(0)], accepted(1))
  tally.add(0, [good(0), good(2)], new Error('the connection was closed'))
  tally.add(1, [good(1)], { status: 503, body: '' })
  tally.add(1, [good(3)], accepted(0))
  expect(tally.expected()).toEqual([
    { stored: { min: 1, max: 2 }, duplicates: { min: 0, max: 4 }, dead: exactly(0) },
    { stored: { min: 0, max: 2 }, duplicates: { min: 0, max: 2 }, dead: exactly(0) },
  ])
  expect(tally.faults).toEqual([
    'a response reports 0 accepted and 0 rejected events instead of 1 and 0',
  ])
})

test('the four types have their shares, and repeated events are identical to an earlier one of their tenant', () => {
  const events = createEvents({
    run: 7,
    duplicateRate: 0.1,
    badRate: 0,
    stride: 4,
    timeOf: (i) => i,
  })
  const plans = Array.from({ length: 20_000 }, (_, i) => events.plan(i))
  const types: Record<string, number> = {}
  for (const plan of plans) {
    const { event } = JSON.parse(events.serialize(plan))
    types[event] = (types[event] ?? 0) + 1
  }
  const percent = (name: string) => Math.round(((types[name] ?? 0) / plans.length) * 20) * 5
  expect(['page_view', 'click', 'purchase', 'api_error'].map(percent)).toEqual([70, 15, 10, 5])
  const repeated = plans.filter(({ number }, i) => number !== i)
  expect(Math.round((repeated.length / plans.length) * 100)).toBe(10)
  for (const [i, { number }] of plans.entries()) {
    expect(number).toBeLessThanOrEqual(i)
    expect((i - number) % 4).toBe(0)
  }
})
