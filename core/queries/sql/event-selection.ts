import { type RawBuilder, sql } from 'kysely'
import { isUuid } from '../../../contract/event/uuid.ts'
import { LIMITS } from '../../../contract/limits.ts'
import type { Database } from '../../db/database.ts'
import type { TenantViewer } from '../../identity/viewer.ts'
import { checkText } from '../../lib/check-text.ts'
import type { Instant } from '../instant.ts'
import { checkRange, type Range } from './buckets.ts'
import { type DayWindow, whereReceived } from './day-windows.ts'
import { daysReceived, firstDayReceived, whereOccurred } from './days-received.ts'
import { checkFilters, type DimensionFilter, whereFilters } from './dimensions.ts'
import { eventsOfKey } from './idempotency-keys.ts'
import { resolveNames } from './names.ts'
import { checkRawBudget } from './raw-budget.ts'

/** Which single events a client asks for, as it writes it. */
export interface EventSelectionInput {
  name?: string | null
  /** startTime ≤ occurred_at < endTime, as `metrics` counts them; either may be missing. */
  startTime?: Instant | null
  endTime?: Instant | null
  filter?: readonly DimensionFilter[] | null
  /** Of the request that the events came with. */
  requestId?: string | null
  /** Of a request, as its sender chose it; of either trust class. */
  idempotencyKey?: string | null
}

/** The same, checked. */
export interface EventSelection {
  name: string | undefined
  startTime: Instant | undefined
  endTime: Instant | undefined
  /** Where it has both ends. */
  range: Range | undefined
  filters: readonly DimensionFilter[]
  requestId: string | undefined
  idempotencyKey: string | undefined
}

const FIRST_INSTANT = '0001-01-01T00:00:00Z'
const LAST_INSTANT = '9999-12-31T23:59:59.999999Z'

/** @throws BAD_USER_INPUT that names the argument */
export function parseEventSelection(input: EventSelectionInput): EventSelection {
  const filters = checkFilters(input.filter ?? [])
  const startTime = input.startTime ?? undefined
  const endTime = input.endTime ?? undefined
  checkRange({ start: startTime ?? FIRST_INSTANT, end: endTime ?? LAST_INSTANT })
  const range =
    startTime === undefined || endTime === undefined
      ? undefined
      : { start: startTime, end: endTime }
  const name =
    input.name == null ? undefined : checkText('name', input.name).normalize('NFC').trim()
  const requestId = input.requestId == null ? undefined : checkText('requestId', input.requestId)
  const idempotencyKey =
    input.idempotencyKey == null
      ? undefined
      : checkText('idempotencyKey', input.idempotencyKey, LIMITS.idempotencyKeyCharsMax)
  return { name, startTime, endTime, range, filters, requestId, idempotencyKey }
}

/**
 * The condition on `event e` that the selection is, and the days on which its events were received. No index knows
 * properties, sources or requests, so all events of the range may be read, without a range all that are held: they are
 * within the budget.
 * @throws QUERY_TOO_SLOW before anything is read
 */
export async function whereSelected(
  db: Database,
  viewer: TenantViewer,
  selection: EventSelection,
): Promise<{ where: RawBuilder<unknown>; days: DayWindow }> {
  const { name, startTime, endTime, filters, requestId, idempotencyKey } = selection
  if (idempotencyKey !== undefined) return whereKeyed(db, viewer, selection, idempotencyKey)
  const ofName = name === undefined ? sql`` : sql`AND e.name = ${name}`
  const where = sql`e.tenant_id = ${viewer.tenantId} ${ofName}`
  const isSearch = filters.length > 0 || requestId !== undefined
  if (!isSearch && startTime === undefined && endTime === undefined) return { where, days: {} }
  const { condition, days } = await withinBudget(db, viewer, selection)
  const ofRequest = requestId === undefined ? sql`` : whereRequest(requestId)
  return { where: sql`${where} ${condition} ${ofRequest} ${whereFilters(filters)}`, days }
}

/** Few events, found by their ids, so nothing else has to be read. */
async function whereKeyed(
  db: Database,
  viewer: TenantViewer,
  { name, startTime, endTime, filters, requestId }: EventSelection,
  key: string,
): Promise<{ where: RawBuilder<unknown>; days: DayWindow }> {
  const { ids, days } = await eventsOfKey(db, viewer, key)
  const conditions = [
    sql`e.tenant_id = ${viewer.tenantId} AND e.event_id = ANY (${ids}::uuid[])`,
    ...(name === undefined ? [] : [sql`e.name = ${name}`]),
    ...(startTime === undefined ? [] : [sql`e.occurred_at >= ${startTime}::timestamptz`]),
    ...(endTime === undefined ? [] : [sql`e.occurred_at < ${endTime}::timestamptz`]),
  ]
  const ofRequest = requestId === undefined ? sql`` : whereRequest(requestId)
  return {
    where: sql`${sql.join(conditions, sql` AND `)} AND ${whereReceived(days)} ${ofRequest} ${whereFilters(filters)}`,
    days,
  }
}

async function withinBudget(
  db: Database,
  viewer: TenantViewer,
  { name, startTime, endTime, range }: EventSelection,
): Promise<{ condition: RawBuilder<unknown>; days: DayWindow }> {
  const names = await resolveNames(db, viewer, name === undefined ? undefined : [name])
  if (range !== undefined) {
    await checkRawBudget(db, viewer, names, range)
    const days = await daysReceived(db, viewer, names, range)
    return { condition: sql`AND ${whereOccurred(range, days)}`, days }
  }
  // Imported events occurred long before the days on which they are held.
  const start = startTime ?? FIRST_INSTANT
  await checkRawBudget(db, viewer, names, { start, end: endTime ?? LAST_INSTANT })
  const since =
    startTime === undefined ? sql`` : sql`AND e.occurred_at >= ${startTime}::timestamptz`
  const until = endTime === undefined ? sql`` : sql`AND e.occurred_at < ${endTime}::timestamptz`
  const days = startTime === undefined ? {} : { from: firstDayReceived(startTime) }
  return { condition: sql`${since} ${until}`, days }
}

/** Events that were stored before requests had a column for UUIDs have theirs as text. */
function whereRequest(id: string): RawBuilder<unknown> {
  return isUuid(id)
    ? sql`AND (e.request_uuid = ${id}::uuid OR e.request_id = ${id})`
    : sql`AND e.request_id = ${id}`
}
