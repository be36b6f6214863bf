import { createSignal } from 'solid-js'
import { expect, test } from 'vitest'
import type { LiveUpdate, StoredEvent } from '../../../../lib/api/documents.ts'
import { mount } from '../../../../lib/testing/mount.ts'
import { createFeed, mergeFeed } from './feed.ts'

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

const named = (name: string, ...offsets: number[]) =>
  events(...offsets).map((event) => ({ ...event, name }))

function setUp(chosen?: string) {
  const [update, setUpdate] = createSignal<LiveUpdate>()
  const [name, setName] = createSignal<string | undefined>(chosen)
  const requests: {
    name: string
    respond(rows: StoredEvent[]): Promise<void>
    fail(): Promise<void>
  }[] = []
  const feed = mount(() =>
    createFeed(
      update,
      name,
      (asked) =>
        new Promise((resolve) => {
          requests.push({
            name: asked,
            async respond(data) {
              resolve({ ok: true, data })
              await new Promise((done) => setTimeout(done))
            },
            async fail() {
              resolve({ ok: false, error: { kind: 'refused', message: 'No.' } })
              await new Promise((done) => setTimeout(done))
            },
          })
        }),
    ),
  )
  const receive = (...recent: StoredEvent[]) => setUpdate({ recent } as unknown as LiveUpdate)
  return { feed, receive, setName, requests }
}

test('a feed that is paused, or that the pointer is over, does not move; afterwards it has what came meanwhile', () => {
  const { feed, receive } = setUp()
  receive(...named('a', 1))
  feed.setHovered(true)
  receive(...named('a', 3, 2))
  expect([offsets(feed.rows()), feed.heldCount()]).toEqual([[1], 2])
  feed.togglePause()
  feed.setHovered(false)
  receive(...named('a', 4))
  expect([offsets(feed.rows()), feed.heldCount()]).toEqual([[1], 3])
  feed.togglePause()
  expect([offsets(feed.rows()), feed.heldCount()]).toEqual([[4, 3, 2, 1], 0])
  receive(...named('a', 5))
  expect(offsets(feed.rows())).toEqual([5, 4, 3, 2, 1])
})

test('the feed of one name has events of that name only: those shown, those held, and the newest stored', async () => {
  const { feed, receive, setName, requests } = setUp()
  receive(...named('b', 5), ...named('a', 4))
  feed.togglePause()
  receive(...named('a', 7), ...named('b', 6))
  setName('a')
  expect([offsets(feed.rows()), feed.heldCount()]).toEqual([[4], 1])
  await requests[0]?.respond(named('a', 4, 2))
  expect(offsets(feed.rows())).toEqual([4, 2])
  feed.togglePause()
  expect(offsets(feed.rows())).toEqual([7, 4, 2])
})

test('the newest events of a name that is not chosen any more are not shown', async () => {
  const { feed, setName, requests } = setUp()
  setName('a')
  setName('b')
  expect(requests.map(({ name }) => name)).toEqual(['a', 'b'])
  await requests[0]?.respond(named('a', 1))
  expect(feed.rows()).toEqual([])
  setName(undefined)
  await requests[1]?.respond(named('b', 2))
  expect(feed.rows()).toEqual([])
})

test('a link to one name shows the newest stored events of that name', async () => {
  const { feed, receive, requests } = setUp('a')
  receive(...named('b', 9, 8))
  await requests[0]?.respond(named('a', 2, 1))
  expect([offsets(feed.rows()), feed.rows().map(feed.isNew)]).toEqual([
    [2, 1],
    [false, false],
  ])
})

test('a feed whose newest stored events could not be loaded says so, until another name is chosen', async () => {
  const { feed, setName, requests } = setUp('a')
  expect(feed.isPastMissing()).toBe(false)
  await requests[0]?.fail()
  expect(feed.isPastMissing()).toBe(true)
  setName('b')
  expect(feed.isPastMissing()).toBe(false)
  setName('c')
  await requests[1]?.fail()
  expect(feed.isPastMissing()).toBe(false)
})

test('events that were there when the page opened are not new, those that came later are', () => {
  const { feed, receive } = setUp()
  receive(...named('a', 1))
  receive(...named('a', 2))
  expect(feed.rows().map(feed.isNew)).toEqual([true, false])
})

test('a full update is a sample, because the server leaves out the rest', () => {
  const { feed, receive } = setUp()
  for (const [count, isSample] of [
    [49, false],
    [50, true],
    [1, false],
  ] as const) {
    receive(...named('a', ...Array.from({ length: count }, (_, i) => i)))
    expect(feed.isSample()).toBe(isSample)
  }
})
