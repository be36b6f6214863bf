import { expect, it } from 'vitest'
import { RECORD } from '../testing/memory-edge.ts'
import { chooseEventIds } from './event-ids.ts'

/** The ids of events that stand at that place of a request with an Idempotency-Key; all have the same content. */
async function idsOf(firstIndex: number, ...raws: unknown[]): Promise<string[]> {
  const items = raws.map((raw) => ({ raw, badNumbers: [] }))
  const idempotency = { key: 'k-1', contentOf: () => 'content' }
  const source = { batch: { items }, receivedMs: 0, firstIndex, idempotency }
  const idOf = await chooseEventIds(RECORD, source)
  return items.map((_, i) => idOf(i))
}

it('an event of a stream has the same id in whatever part of the stream it comes', async () => {
  const [, , third] = await idsOf(0, {}, {}, {})
  const [, second] = await idsOf(1, {}, {})
  expect(await idsOf(2, {})).toEqual([third])
  expect(second).toBe(third)
})

it('only what has an id of its own, by any of its names, needs none that is derived', async () => {
  const ids = await idsOf(0, { event_id: 'a' }, { eventId: 'a' }, { eventId: null }, null, 5, 'id')
  const derived = expect.stringMatching(/^[0-9a-f-]{36}$/)
  expect(ids).toEqual(['', '', derived, derived, derived, derived])
})
