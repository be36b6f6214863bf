import { expect, test } from 'vitest'
import type { StoredEvent } from '../../../../lib/api/documents.ts'
import { mergeFeed } from './feed.ts'

const events = (...offsets: number[]) =>
  offsets.map((offset) => ({ id: 'same', partition: 0, offset: String(offset) }) as StoredEvent)
const offsets = (rows: StoredEvent[]) => rows.map((row) => Number(row.offset))

test('the newest events come first, and each is shown once, whatever ids clients choose', () => {
  expect(offsets(mergeFeed(events(3, 2, 1), events(5, 4, 3)))).toEqual([5, 4, 3, 2, 1])
})

test('the feed never has more rows than its limit', () => {
  expect(offsets(mergeFeed(events(3, 2, 1), events(5, 4), 4))).toEqual([5, 4, 3, 2])
})

test('events that are known already leave the rows unchanged, so nothing is rendered again', () => {
  const rows = events(3, 2, 1)
  expect(mergeFeed(rows, events(2))).toBe(rows)
})
