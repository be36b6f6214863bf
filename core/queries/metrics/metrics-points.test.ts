import { expect, test } from 'vitest'
import { QUERY_LIMITS } from '../limits.ts'
import { createPointsPlan } from './metrics-points.ts'

test('a request may ask for as many points as there may be, and for none more', () => {
  const start = Date.parse('2026-01-01T00:00:00Z')
  const inputOf = (buckets: number) => ({
    name: '*',
    startTime: new Date(start).toISOString(),
    endTime: new Date(start + buckets * 900_000 - 1_000).toISOString(),
    interval: 'QUARTER_HOUR' as const,
  })
  const part = inputOf(400)
  const plan = createPointsPlan()
  for (let points = 0; points < QUERY_LIMITS.pointsMax; points += 400)
    expect(plan.add(part)).toBe(400)
  expect(plan.limitOf(part)).toBe(400)
  plan.add(inputOf(1))
  expect(() => plan.limitOf(part)).toThrow(
    expect.objectContaining({ code: 'QUERY_TOO_LARGE', details: { limit: 'points' } }),
  )
})
