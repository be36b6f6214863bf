import { type RawBuilder, sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import type { TenantViewer } from '../../identity/viewer.ts'
import { badInput } from '../../lib/api-error.ts'
import { checkText } from '../../lib/check-text.ts'
import type { Instant } from '../instant.ts'
import { checkRange, type Range } from './buckets.ts'
import type { DayWindow } from './day-windows.ts'
import { daysReceived, whereOccurred } from './days-received.ts'
import { checkFilters, type DimensionFilter, whereFilters } from './dimensions.ts'
import { resolveNames } from './names.ts'
import { checkRawBudget } from './raw-budget.ts'

/** Which single events a client asks for, as it writes it. */
export interface EventSelectionInput {
  name?: string | null
  /** With endTime: events that occurred in this range only, as `metrics` counts them. */
  startTime?: Instant | null
  endTime?: Instant | null
  /** With startTime and endTime: their number is what bounds the cost. */
  filter?: readonly DimensionFilter[] | null
}

/** The same, checked. */
export interface EventSelection {
  name: string | undefined
  range: Range | undefined
  filters: readonly DimensionFilter[]
}

/** @throws BAD_USER_INPUT that names the argument */
export function parseEventSelection(input: EventSelectionInput): EventSelection {
  const { startTime, endTime } = input
  const filters = checkFilters(input.filter ?? [])
  if ((startTime == null) !== (endTime == null))
    throw badInput(startTime == null ? 'startTime' : 'endTime', 'is missing; a range has both ends')
  const range =
    startTime == null || endTime == null ? undefined : { start: startTime, end: endTime }
  if (range) checkRange(range)
  else if (filters.length > 0)
    throw badInput('filter', 'needs startTime and endTime, which bound what is read')
  const name =
    input.name == null ? undefined : checkText('name', input.name).normalize('NFC').trim()
  return { name, range, filters }
}

/**
 * The condition on `event e` that the selection is, and the days on which its events were received. Where single events
 * of a range are read, they are within the budget.
 * @throws QUERY_TOO_SLOW before anything is read
 */
export async function whereSelected(
  db: Database,
  viewer: TenantViewer,
  { name, range, filters }: EventSelection,
): Promise<{ where: RawBuilder<unknown>; days: DayWindow }> {
  const ofName = name === undefined ? sql`` : sql`AND e.name = ${name}`
  const where = sql`e.tenant_id = ${viewer.tenantId} ${ofName}`
  if (range === undefined) return { where, days: {} }
  const names = await resolveNames(db, viewer, name === undefined ? undefined : [name])
  await checkRawBudget(db, viewer, names, range)
  const days = await daysReceived(db, viewer, names, range)
  return { where: sql`${where} AND ${whereOccurred(range, days)} ${whereFilters(filters)}`, days }
}
