import { afterAll, beforeAll, expect, test } from 'vitest'
import { createQueryFixture, type QueryFixture } from '../api/graphql/testing/fixture.ts'
import { DAY_MS } from '../db/day-partitions.ts'
import { type TenantViewer, tenantViewer } from '../identity/viewer.ts'
import { eventById } from './event-by-id.ts'
import { type EventsArgs, eventsPage } from './events-page.ts'
import { newestArrivals } from './newest-arrivals.ts'
import { rawSince } from './raw-since.ts'
import { dayWindows } from './sql/day-windows.ts'

/** Lists that are read in several windows of days, one statement each: no day is left out or read twice. */
const DAYS = 50
const TODAY_MS = Math.floor(Date.now() / DAY_MS) * DAY_MS

let fixture: QueryFixture
let viewer: TenantViewer
/** The times received, newest first: two events on each day, the first of them as it begins. */
const times = Array.from({ length: DAYS }, (_, i) => TODAY_MS - i * DAY_MS).flatMap((day) => [
  new Date(day + DAY_MS - 1).toISOString(),
  new Date(day).toISOString(),
])
const idOf = (receivedAt: string) => `event-${receivedAt}`

beforeAll(async () => {
  fixture = await createQueryFixture()
  viewer = await tenantViewer(fixture.db, { kind: 'SESSION' }, 'default')
  await fixture.store(
    'default',
    times.map((receivedAt) => ({ id: idOf(receivedAt), receivedAt })),
  )
})
afterAll(() => fixture.close())

async function list(next: (cursor: string | undefined) => EventsArgs, backwards = false) {
  const ids: string[] = []
  for (let cursor: string | undefined, more = true; more; ) {
    const { rows, pageInfo } = await eventsPage(fixture.db, viewer, next(cursor))
    const page = rows.map(({ node }) => node.id)
    ids.push(...(backwards ? page.reverse() : page))
    more = backwards ? pageInfo.hasPreviousPage : pageInfo.hasNextPage
    cursor = (backwards ? pageInfo.startCursor : pageInfo.endCursor) ?? undefined
  }
  return ids
}

test('events of fifty days are listed once each and in their order, forwards and backwards', async () => {
  expect((await dayWindows(fixture.db)).length).toBeGreaterThan(2)
  const newestFirst = times.map(idOf)
  for (const size of [3, 100]) {
    expect(await list((after) => ({ first: size, after: after ?? null }))).toEqual(newestFirst)
    expect(await list((before) => ({ last: size, before: before ?? null }), true)).toEqual(
      newestFirst.toReversed(),
    )
  }
})

test('the newest arrivals are fifty different ones, newest first', async () => {
  const { rows } = await newestArrivals(fixture.db, viewer)
  expect(rows.map((row) => Date.parse(row.received_at))).toEqual(
    times.slice(0, 50).map((time) => Date.parse(time)),
  )
})

test('of an id that came again after the dedupe horizon the first received is found, wherever both are', async () => {
  for (const [first, again] of [
    [40, 2],
    [30, 12],
  ] as const) {
    const received = [again, first].map((ago) => new Date(TODAY_MS - ago * DAY_MS + 60_000))
    const id = `twice-${first}`
    await fixture.store(
      'default',
      received.map((at) => ({ id, receivedAt: at.toISOString() })),
    )
    const { rows } = await eventById(fixture.db, viewer, { id })
    expect(rows.map(({ receivedAt }) => Date.parse(receivedAt))).toEqual([received[1]?.getTime()])
  }
})

test('a dropped event is missed although another one of its time was received on the last day of a window', async () => {
  const windows = await dayWindows(fixture.db)
  const ends = windows.flatMap(({ from }) => (from === undefined ? [] : [from]))
  expect(ends.length).toBeGreaterThan(1)
  const oldest = TODAY_MS - (DAYS - 1) * DAY_MS
  const occurred = { start: new Date(oldest - DAY_MS).toISOString().replace('.000', '') }
  const occurredAt = new Date(oldest - DAY_MS / 2).toISOString()
  const isHeld = async () => {
    const range = { start: occurred.start, end: new Date(oldest).toISOString() }
    return (await rawSince(fixture.db, viewer, { range })).rows.length === 0
  }
  await fixture.store(
    'default',
    ends.map((day) => ({ receivedAt: `${day}T12:00:00Z`, occurredAt })),
  )
  expect(await isHeld()).toBe(true)
  // As if an event of that time had been on a day that was dropped.
  await fixture.db
    .updateTable('rollup_15m')
    .set((eb) => ({ count: eb('count', '+', 1) }))
    .where('bucket', '=', occurredAt)
    .execute()
  expect(await isHeld()).toBe(false)
})
