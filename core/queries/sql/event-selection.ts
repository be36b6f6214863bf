import { type RawBuilder, sql } from 'kysely'
import { isUuid } from '../../../contract/event/uuid.ts'
import type { Database } from '../../db/database.ts'
import type { TenantViewer } from '../../identity/viewer.ts'
import { checkText } from '../../lib/check-text.ts'
import { type Instant, isBefore } from '../instant.ts'
import { oldestEventDay } from '../oldest-event-day.ts'
import { checkRange, type Range } from './buckets.ts'
import type { DayWindow } from './day-windows.ts'
import { daysReceived, whereOccurred } from './days-received.ts'
import { checkFilters, type DimensionFilter, whereFilters } from './dimensions.ts'
import { resolveNames } from './names.ts'
import { checkRawBudget } from './raw-budget.ts'

/** Which single events a client asks for, as it writes it. */
export interface EventSelectionInput {
  name?: string | null
  /** Of occurrence, startTime ≤ occurred_at < endTime, as `metrics` counts them; open on a side that is left out. */
  startTime?: Instant | null
  endTime?: Instant | null
  filter?: readonly DimensionFilter[] | null
  /** Of the request that the events came with. */
  requestId?: string | null
}

/** The same, checked. */
export interface EventSelection {
  name: string | undefined
  /** Undefined: all events of the name, which an index has in their order. */
  search: EventSearch | undefined
}

interface EventSearch {
  range: Range
  isOpenAtStart: boolean
  filters: readonly DimensionFilter[]
  requestId: string | undefined
}

const FIRST_INSTANT = '0001-01-01T00:00:00Z'
const LAST_INSTANT = '9999-12-31T23:59:59.999999Z'

/** @throws BAD_USER_INPUT that names the argument */
export function parseEventSelection(input: EventSelectionInput): EventSelection {
  const { startTime, endTime } = input
  const name =
    input.name == null ? undefined : checkText('name', input.name).normalize('NFC').trim()
  const filters = checkFilters(input.filter ?? [])
  const requestId = input.requestId == null ? undefined : checkText('requestId', input.requestId)
  if (startTime == null && endTime == null && filters.length === 0 && requestId === undefined)
    return { name, search: undefined }
  const range = { start: startTime ?? FIRST_INSTANT, end: endTime ?? LAST_INSTANT }
  checkRange(range)
  return { name, search: { range, isOpenAtStart: startTime == null, filters, requestId } }
}

/**
 * The condition on `event e` that the selection is, and the days on which its events were received. No index knows
 * properties or requests, so a search may read every event of its range: they have to be within the budget.
 * @throws QUERY_TOO_SLOW before anything is read
 */
export async function whereSelected(
  db: Database,
  viewer: TenantViewer,
  { name, search }: EventSelection,
): Promise<{ where: RawBuilder<unknown>; days: DayWindow }> {
  const ofName = name === undefined ? sql`` : sql`AND e.name = ${name}`
  const where = sql`e.tenant_id = ${viewer.tenantId} ${ofName}`
  if (search === undefined) return { where, days: {} }
  const { range, isOpenAtStart, filters, requestId } = search
  const names = await resolveNames(db, viewer, name === undefined ? undefined : [name])
  // What was dropped is not read.
  const start = (isOpenAtStart && (await oldestEventDay(db))) || range.start
  if (isBefore(start, range.end)) await checkRawBudget(db, viewer, names, { ...range, start })
  const days = await daysReceived(db, viewer, names, range)
  const ofRequest = requestId === undefined ? sql`` : whereRequest(requestId)
  return {
    where: sql`${where} AND ${whereOccurred(range, days)} ${ofRequest} ${whereFilters(filters)}`,
    days,
  }
}

/** Events that were stored before requests had a column for UUIDs have theirs as text. */
function whereRequest(id: string): RawBuilder<unknown> {
  return isUuid(id)
    ? sql`AND (e.request_uuid = ${id}::uuid OR e.request_id = ${id})`
    : sql`AND e.request_id = ${id}`
}
