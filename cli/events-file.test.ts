import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { normalise } from '../contract/event/normalise.ts'
import { withIds } from './events-file.ts'

test('every event has an id before it is sent, so that a second attempt changes nothing', () => {
  const given = [{ event_id: 'a' }, { eventId: 'b' }, { event_id: null, eventId: 'c' }]
  const without = [{}, { event_id: null }, { eventId: null }, { event_id: null, eventId: null }]
  const events = withIds([...given, ...without].map((ids) => ({ event: 'x', ...ids })))
  const sent = () => events.map((event, i) => idOf(event, i))
  expect(sent().slice(0, 3)).toEqual(['a', 'b', 'c'])
  expect(new Set(sent()).size).toBe(events.length)
  expect(sent()).toEqual(sent())
})

/** The id that an edge reads; an event without one gets a new id each time. */
function idOf(event: unknown, index: number): string {
  const at = { receivedAt: new Date().toISOString(), eventId: () => randomUUID() }
  const read = normalise(event, at, index)
  if (!read.ok) throw new Error(JSON.stringify(read.errors))
  return read.event.event_id
}
