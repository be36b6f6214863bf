import { sql } from 'kysely'
import { LIMITS } from '../../../contract/limits.ts'
import type { Database } from '../../db/database.ts'
import type { TenantViewer } from '../../identity/viewer.ts'
import { badInput } from '../../lib/api-error.ts'
import { checkText } from '../../lib/check-text.ts'
import { fromMicros, type Instant, toMicros } from '../instant.ts'
import type { QueryResult } from '../query-result.ts'
import type { DayWindow } from '../sql/day-windows.ts'
import { eventsOfKey } from '../sql/idempotency-keys.ts'
import { findReceipt, type Receipt, receiptOfDeadLetter } from './parts/find-receipt.ts'
import { readDeadLetters } from './parts/repetitions.ts'
import { timeOfUuid } from './parts/time-of-uuid.ts'

/** Receipts that one query reads. */
export const RECEIPTS_MAX = 20

/** One of both. */
export interface ReceiptsArgs {
  /** As the edge made it. */
  requestId?: string | null
  /** Of both trust classes: who searches knows the key, and not what it came with. */
  idempotencyKey?: string | null
}

export interface Receipts extends QueryResult<Receipt> {
  /** There are more than RECEIPTS_MAX. */
  hasMore: boolean
}

/** What became of the events of one request; none where nothing is known of it. */
export async function receipts(
  db: Database,
  viewer: TenantViewer,
  { requestId, idempotencyKey }: ReceiptsArgs,
): Promise<Receipts> {
  if ((requestId == null) === (idempotencyKey == null))
    throw badInput('requestId', 'or idempotencyKey has to be given, and not both')
  const { keys, days, dead } =
    requestId == null
      ? await ofIdempotencyKey(db, viewer, idempotencyKey ?? '')
      : await ofRequest(db, viewer, requestId)
  const rows: Receipt[] = []
  for (const key of keys.slice(0, RECEIPTS_MAX)) {
    const found = await findReceipt(db, viewer, { keys: new Map([[key, null]]), days })
    if (found) rows.push(found)
  }
  rows.push(...dead)
  return {
    rows: rows.slice(0, RECEIPTS_MAX),
    hasMore: keys.length + dead.length > RECEIPTS_MAX,
    ...{ source: 'raw', dependencies: null },
  }
}

interface Found {
  /** Of events in Postgres. */
  keys: string[]
  /** Dead letters of records that name no event. */
  dead: Receipt[]
  days: DayWindow
}

async function ofIdempotencyKey(db: Database, viewer: TenantViewer, key: string): Promise<Found> {
  checkText('idempotencyKey', key, LIMITS.idempotencyKeyCharsMax)
  const { ids, days } = await eventsOfKey(db, viewer, key)
  return { keys: ids, dead: [], days }
}

const SECOND_US = 1_000_000n
/** A request is received, and its body read, within so many seconds of the time in its id; a stream of lines may take longer. */
const WINDOW_S = { before: 2n, after: 30n }
const DAY_US = 86_400n * SECOND_US

async function ofRequest(db: Database, viewer: TenantViewer, id: string): Promise<Found> {
  const at = timeOfUuid(id)
  if (at === undefined)
    throw badInput(
      'requestId',
      'is not one that the edge made, with its time in it; search events by any other id',
    )
  const us = toMicros(at)
  const from = fromMicros(us - WINDOW_S.before * SECOND_US)
  const to = fromMicros(us + WINDOW_S.after * SECOND_US)
  const inWindow = sql`received_at BETWEEN ${from}::timestamptz AND ${to}::timestamptz`
  const ofDays = sql`received_on BETWEEN ${dayOf(from)}::date AND ${dayOf(to)}::date`
  const { rows } = await sql<{ key: string }>`
    (SELECT event_id AS key FROM event
      WHERE tenant_id = ${viewer.tenantId} AND ${ofDays} AND ${inWindow} AND request_uuid = ${id}::uuid
      LIMIT ${RECEIPTS_MAX + 1})
    UNION
    (SELECT event_id FROM event_duplicate
      WHERE tenant_id = ${viewer.tenantId} AND ${ofDays} AND ${inWindow} AND request_id = ${id.toLowerCase()}
      LIMIT ${RECEIPTS_MAX + 1})`.execute(db)
  const dead = await readDeadLetters(
    db,
    viewer,
    sql`${inWindow} AND request_id = ${id.toLowerCase()}`,
  )
  const keys = [...rows.map(({ key }) => key), ...dead.flatMap(({ key }) => key ?? [])]
  const horizon = BigInt(LIMITS.dedupeDays) * DAY_US
  return {
    keys: [...new Set(keys)],
    dead: dead.filter(({ key }) => key === null).map(receiptOfDeadLetter),
    // What a duplicate repeats was received within the dedupe horizon of it.
    days: {
      from: dayOf(fromMicros(us - horizon)),
      before: dayOf(fromMicros(us + horizon + DAY_US)),
    },
  }
}

function dayOf(time: Instant): string {
  return time.slice(0, 10)
}
