import { type RawBuilder, sql } from 'kysely'
import { isUuid } from '../../contract/event/uuid.ts'
import type { Database } from '../db/database.ts'
import type { TenantViewer } from '../identity/viewer.ts'
import { badInput } from '../lib/api-error.ts'
import { checkText } from '../lib/check-text.ts'
import type { Instant } from './instant.ts'
import { QUERY_LIMITS } from './limits.ts'
import type { QueryResult } from './query-result.ts'
import { type DayWindow, dayWindows, whereReceived, windowsWithin } from './sql/day-windows.ts'
import { EVENT_COLUMNS, type EventRow, type StoredEvent, toEvent } from './sql/event-row.ts'
import { type EventsSearch, planSearch, type SearchPlan } from './sql/events-search.ts'

export interface EventsArgs extends EventsSearch {
  first?: number | null
  after?: string | null
  last?: number | null
  before?: string | null
  name?: string | null
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

/**
 * Newest received first, `first` of them after a cursor or `last` of them before one.
 * @throws QUERY_TOO_SLOW where a search would read too many events
 */
export async function eventsPage(
  db: Database,
  viewer: TenantViewer,
  args: EventsArgs,
): Promise<EventsPage> {
  const { size, backwards } = pageSize(args)
  const after = readCursor('after', args.after)
  const before = readCursor('before', args.before)
  const name = args.name == null ? undefined : checkText('name', args.name).normalize('NFC').trim()
  const search = await planSearch(db, viewer, name, args)
  const windows = await dayWindows(db)
  const read = (slice: Slice) => readSlice({ db, viewer, name, search, windows }, slice)

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
  viewer: TenantViewer
  name: string | undefined
  search: SearchPlan
  /** Of days, the newest first. */
  windows: readonly DayWindow[]
}

async function readSlice(
  { db, viewer, name, search, windows }: EventList,
  { after, before, backwards, count }: Slice,
): Promise<StoredEvent[]> {
  const order = backwards ? sql`ASC` : sql`DESC`
  const touched = windowsWithin(windows, {
    first: latest(before?.receivedAt.slice(0, 10), search.firstDay),
    last: after?.receivedAt.slice(0, 10),
  })
  const events: StoredEvent[] = []
  for (const window of backwards ? touched.reverse() : touched) {
    const { rows } = await sql<EventRow>`
      SELECT ${sql.join(EVENT_COLUMNS.map((column) => sql.ref(`e.${column}`)))} FROM event e
       WHERE tenant_id = ${viewer.tenantId} AND ${whereReceived(window)}
         ${name === undefined ? sql`` : sql`AND name = ${name}`}
         ${beyond('<', after)} ${beyond('>', before)} ${search.where}
       ORDER BY received_at ${order}, event_id ${order} LIMIT ${count - events.length}`.execute(db)
    events.push(...rows.map(toEvent))
    if (events.length >= count) break
  }
  return events
}

/** Of days as `YYYY-MM-DD`. */
function latest(a: string | undefined, b: string | undefined): string | undefined {
  return a === undefined || (b !== undefined && b > a) ? b : a
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
