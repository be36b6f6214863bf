import { expect, test } from 'vitest'
import type { StoredEvent } from '../../../../lib/api/documents.ts'
import { mergeFeed } from './feed.ts'

const events = (...offsets: number[]) =>
  offsets.map((offset) => ({ id: 'same', partition: 0, offset: String(offset) }) as StoredEvent)
const offsets = (rows: StoredEvent[]) => rows.map((row) => Number(row.offset))

test('the newest are on top, and none is there twice, whatever ids clients choose', () => {
  expect(offsets(mergeFeed(events(3, 2, 1), events(5, 4, 3)))).toEqual([5, 4, 3, 2, 1])
})

test('the feed never grows beyond its bound', () => {
  expect(offsets(mergeFeed(events(3, 2, 1), events(5, 4), 4))).toEqual([5, 4, 3, 2])
})

test('nothing new leaves the rows as they are, so nothing is drawn anew', () => {
  const rows = events(3, 2, 1)
  expect(mergeFeed(rows, events(2))).toBe(rows)
})
