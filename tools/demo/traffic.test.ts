import { expect, test } from 'vitest'
import { createTraffic } from './traffic.ts'

const NOW = Date.UTC(2026, 10, 21, 12)
/** What depends on the seed; ids hold the time, so that a restart repeats none. */
const shape = (event: object) => ({ ...event, event_id: undefined, id: undefined })

test('demo traffic repeats the same people and actions with the same seed, and not with another', () => {
  const [a, b, c] = [1, 1, 2].map((seed) => createTraffic(seed).next(500, NOW).map(shape))
  expect(a).toEqual(b)
  expect(a).not.toEqual(c)
})

test('about one demo event in a hundred is a duplicate, and about as many are invalid', () => {
  const events = createTraffic(7).next(20_000, NOW) as Record<string, unknown>[]
  const ids = events.flatMap(({ event_id }) => (event_id === undefined ? [] : [event_id]))
  const repeated = ids.length - new Set(ids).size
  const wrong = events.filter(({ occurred_at }) => occurred_at !== undefined).length
  const old = events.filter(({ timestamp }) => Number(timestamp) < NOW - 86_400_000).length
  for (const share of [repeated, wrong, old]) {
    expect(share / events.length).toBeGreaterThan(0.004)
    expect(share / events.length).toBeLessThan(0.025)
  }
})
