import { type RawBuilder, sql } from 'kysely'
import { isUuid } from '../../contract/event/uuid.ts'
import type { Database } from '../db/database.ts'
import type { TenantViewer } from '../identity/viewer.ts'
import { badInput } from '../lib/api-error.ts'
import type { Instant } from './instant.ts'
import { QUERY_LIMITS } from './limits.ts'
import type { QueryResult } from './query-result.ts'
import { type DayWindow, dayWindows, whereReceived, windowsWithin } from './sql/day-windows.ts'
import { inOneSnapshot } from './sql/days-received.ts'
import { EVENT_COLUMNS, type EventRow, type StoredEvent, toEvent } from './sql/event-row.ts'
import {
  type EventSelectionInput,
  parseEventSelection,
  whereSelected,
} from './sql/event-selection.ts'

export interface EventsArgs extends EventSelectionInput {
  first?: number | null
  after?: string | null
  last?: number | null
  before?: string | null
}

export interface EventEdge {
  cursor: string
  node: StoredEvent
}

/** A Relay connection; the rows are its edges. */
export interface EventsPage extends QueryResult<EventEdge> {
  pageInfo: {
    hasNextPage: boolean
    hasPreviousPage: boolean
    startCursor: string | null
    endCursor: string | null
  }
}

/** Where a page ends. No two events are equal in both, so a next page neither skips nor repeats one. */
interface Cursor {
  receivedAt: Instant
  eventId: string
}

/** Newest received first, `first` of them after a cursor or `last` of them before one. */
export async function eventsPage(
  db: Database,
  viewer: TenantViewer,
  args: EventsArgs,
): Promise<EventsPage> {
  const selection = parseEventSelection(args)
  const page = pageOf(args)
  const list = async (db: Database) => {
    const [{ where, days }, windows] = [
      await whereSelected(db, viewer, selection),
      await dayWindows(db),
    ]
    return readPage({ db, where, windows: windows.filter(overlaps(days)) }, page)
  }
  return selection.range === undefined ? list(db) : inOneSnapshot(db, selection.range, list)
}

/** A page and its cursors, checked. */
interface Page {
  size: number
  backwards: boolean
  after: Cursor | undefined
  before: Cursor | undefined
}

function pageOf(args: EventsArgs): Page {
  return {
    ...pageSize(args),
    after: readCursor('after', args.after),
    before: readCursor('before', args.before),
  }
}

async function readPage(
  events: EventList,
  { size, backwards, after, before }: Page,
): Promise<EventsPage> {
  const read = (slice: Slice) => readSlice(events, slice)

  const found = await read({ after, before, backwards, count: size + 1 })
  const page = found.slice(0, size)
  if (backwards) page.reverse()
  const edges = page.map((node) => ({ cursor: cursorOf(node), node }))
  const hasMoreAhead = found.length > size
  const hasMoreBehind = await isMoreBehind()
  return {
    rows: edges,
    source: 'raw',
    dependencies: null,
    pageInfo: {
      hasNextPage: backwards ? hasMoreBehind : hasMoreAhead,
      hasPreviousPage: backwards ? hasMoreAhead : hasMoreBehind,
      startCursor: edges[0]?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
    },
  }

  /** Whether there are events on the side that the client came from; without a cursor it began at the end. */
  async function isMoreBehind(): Promise<boolean> {
    if ((backwards ? before : after) === undefined) return false
    const edge = backwards ? page.at(-1) : page[0]
    if (edge === undefined) return true
    const behindEdge = backwards ? { after: edge } : { before: edge }
    return (await read({ ...behindEdge, backwards: !backwards, count: 1 })).length > 0
  }
}

interface Slice {
  after?: Cursor
  before?: Cursor
  backwards: boolean
  count: number
}

interface EventList {
  db: Database
  /** A condition on `event e`. */
  where: RawBuilder<unknown>
  /** Of days, the newest first. */
  windows: readonly DayWindow[]
}

/** Days are compared as text; without a bound a window is open on that side. */
function overlaps(days: DayWindow): (window: DayWindow) => boolean {
  return ({ from, before }) =>
    (days.before === undefined || from === undefined || from < days.before) &&
    (days.from === undefined || before === undefined || before > days.from)
}

async function readSlice(
  { db, where, windows }: EventList,
  { after, before, backwards, count }: Slice,
): Promise<StoredEvent[]> {
  const order = backwards ? sql`ASC` : sql`DESC`
  const touched = windowsWithin(windows, {
    first: before?.receivedAt.slice(0, 10),
    last: after?.receivedAt.slice(0, 10),
  })
  const events: StoredEvent[] = []
  for (const window of backwards ? touched.reverse() : touched) {
    const { rows } = await sql<EventRow>`
      SELECT ${sql.join(EVENT_COLUMNS.map((column) => sql.ref(column)))} FROM event e
       WHERE ${where} AND ${whereReceived(window)}
         ${beyond('<', after)} ${beyond('>', before)}
       ORDER BY received_at ${order}, event_id ${order} LIMIT ${count - events.length}`.execute(db)
    events.push(...rows.map(toEvent))
    if (events.length >= count) break
  }
  return events
}

/** Rows after the cursor (`<`) or before it; the day keeps Postgres from reading the partitions on the other side. */
function beyond(side: '<' | '>', cursor: Cursor | undefined): RawBuilder<unknown> {
  if (!cursor) return sql``
  const than = sql.raw(side)
  return sql`AND (received_at, event_id) ${than} (${cursor.receivedAt}::timestamptz, ${cursor.eventId}::uuid)
             AND received_on ${than}= ${cursor.receivedAt.slice(0, 10)}::date`
}

function pageSize({ first, last, after, before }: EventsArgs) {
  if (first != null && last != null) throw badInput('last', 'cannot be combined with first')
  const backwards = last != null || (first == null && before != null && after == null)
  const size = first ?? last ?? QUERY_LIMITS.eventsPageDefault
  if (size < 0 || size > QUERY_LIMITS.eventsPageMax)
    throw badInput(
      last == null ? 'first' : 'last',
      `must be between 0 and ${QUERY_LIMITS.eventsPageMax}`,
    )
  return { size, backwards }
}

function cursorOf({ receivedAt, eventId }: Cursor): string {
  return Buffer.from(`${receivedAt} ${eventId}`).toString('base64url')
}

function readCursor(argument: string, cursor: string | null | undefined): Cursor | undefined {
  if (cursor == null) return undefined
  const [receivedAt, eventId, rest] = Buffer.from(cursor, 'base64url').toString().split(' ')
  const isTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z$/.test(receivedAt ?? '')
  if (
    !receivedAt ||
    !isTime ||
    Number.isNaN(Date.parse(receivedAt)) ||
    !eventId ||
    !isUuid(eventId) ||
    rest !== undefined
  )
    throw badInput(argument, 'is not a cursor of this connection')
  return { receivedAt, eventId }
}
