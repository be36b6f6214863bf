import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { normalise } from '../contract/event/normalise.ts'
import { withIds } from './events-file.ts'

test('each event has an id before it is sent, so that a second try of a batch does no harm', () => {
  const given = [{ event_id: 'a' }, { eventId: 'b' }, { event_id: null, eventId: 'c' }]
  const without = [{}, { event_id: null }, { eventId: null }, { event_id: null, eventId: null }]
  const events = withIds([...given, ...without].map((each) => ({ event: 'x', ...each })))
  const sent = () => events.map((event, i) => idOf(event, i))
  expect(sent().slice(0, 3)).toEqual(['a', 'b', 'c'])
  expect(new Set(sent()).size).toBe(events.length)
  expect(sent()).toEqual(sent())
})

/** As an edge reads it; what has no id gets a new one each time. */
function idOf(event: unknown, index: number): string {
  const at = { receivedAt: new Date().toISOString(), eventId: () => randomUUID() }
  const read = normalise(event, at, index)
  if (!read.ok) throw new Error(JSON.stringify(read.errors))
  return read.event.event_id
}
