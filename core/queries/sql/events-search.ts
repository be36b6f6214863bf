import { type RawBuilder, sql } from 'kysely'
import { isUuid } from '../../../contract/event/uuid.ts'
import type { Database } from '../../db/database.ts'
import type { TenantViewer } from '../../identity/viewer.ts'
import { checkText } from '../../lib/check-text.ts'
import type { Instant } from '../instant.ts'
import { oldestEventDay } from '../oldest-event-day.ts'
import { checkRange, type Range } from './buckets.ts'
import { firstDayReceived } from './days-received.ts'
import { checkFilters, type DimensionFilter, whereFilters } from './dimensions.ts'
import { resolveNames } from './names.ts'
import { checkRawBudget } from './raw-budget.ts'

/** What single events are looked for by, beside their name. */
export interface EventsSearch {
  /** Of occurrence: startTime ≤ occurred_at < endTime. Without one of them the range is open on that side. */
  startTime?: Instant | null
  endTime?: Instant | null
  filter?: readonly DimensionFilter[] | null
  /** Of the request that the events came with. */
  requestId?: string | null
}

export interface SearchPlan {
  /** Conditions on `event e`, each beginning with AND. */
  where: RawBuilder<unknown>
  /** None of the events was received earlier; undefined: on any day that is held. */
  firstDay: string | undefined
}

const FIRST_INSTANT = '0001-01-01T00:00:00Z'
const LAST_INSTANT = '9999-12-31T23:59:59.999999Z'

/**
 * No index knows properties, sources or requests, so a search may read every event of its range: it is refused
 * beforehand where these are more than one query may read. Without a range, that is everything that is held.
 * @throws BAD_USER_INPUT that names the argument, QUERY_TOO_SLOW
 */
export async function planSearch(
  db: Database,
  viewer: TenantViewer,
  name: string | undefined,
  { startTime, endTime, filter, requestId }: EventsSearch,
): Promise<SearchPlan> {
  const filters = checkFilters(filter ?? [])
  const isSearch = startTime != null || endTime != null || requestId != null || filters.length > 0
  if (!isSearch) return { where: sql``, firstDay: undefined }
  checkRange({ start: startTime ?? FIRST_INSTANT, end: endTime ?? LAST_INSTANT })
  const ofRequest = requestId == null ? sql`` : whereRequest(checkText('requestId', requestId))
  const oldest = (await oldestEventDay(db)) ?? FIRST_INSTANT
  const range: Range = { start: startTime ?? oldest, end: endTime ?? LAST_INSTANT }
  const names = await resolveNames(db, viewer, name === undefined ? undefined : [name])
  if (range.start < range.end) await checkRawBudget(db, viewer, names, range)
  return {
    where: sql`${whereTime('>=', startTime)} ${whereTime('<', endTime)} ${ofRequest} ${whereFilters(filters)}`,
    firstDay: startTime == null ? undefined : firstDayReceived(startTime),
  }
}

function whereTime(than: '>=' | '<', time: Instant | null | undefined): RawBuilder<unknown> {
  return time == null ? sql`` : sql`AND e.occurred_at ${sql.raw(than)} ${time}::timestamptz`
}

/** Events that were stored before requests had a column for UUIDs have theirs as text. */
function whereRequest(id: string): RawBuilder<unknown> {
  return isUuid(id)
    ? sql`AND (e.request_uuid = ${id}::uuid OR e.request_id = ${id})`
    : sql`AND e.request_id = ${id}`
}
