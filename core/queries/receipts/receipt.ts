import type { TrustClass } from '../../../contract/event/trust-class.ts'
import type { Database } from '../../db/database.ts'
import { eventUuid } from '../../db/event-uuid.ts'
import type { TenantViewer } from '../../identity/viewer.ts'
import { checkText } from '../../lib/check-text.ts'
import type { Instant } from '../instant.ts'
import type { QueryResult } from '../query-result.ts'
import { type FoundEvent, findEvent } from '../sql/find-event.ts'
import { type CountedBy, countedBy } from './parts/counted-by.ts'
import { type InFlight, readInFlight } from './parts/in-flight.ts'
import { findKeyName } from './parts/key-name.ts'
import {
  type DroppedDay,
  findDroppedDay,
  findDroppedDayOfId,
  type KnownSince,
  readKnownSince,
} from './parts/known-since.ts'
import {
  type DeadReceipt,
  findDeadLetters,
  findDuplicates,
  REPETITIONS_MAX,
  type Repetition,
} from './parts/repetitions.ts'

/**
 * What became of an event. STORED: it counts. DEAD: it is a dead letter. REMOVED: it was stored, and the retention dropped
 * its day; a later duplicate proves it. NOT_FOUND: none of them, with the reason.
 */
export type ReceiptOutcome = 'STORED' | 'DEAD' | 'REMOVED' | 'NOT_FOUND'

/**
 * NEVER_SEEN: since `since`, as far back as everything is known. OTHER_TRUST_CLASS: the other one has this id.
 * OLDER_THAN_KEPT: the time in its id is on a day whose events were dropped.
 */
export type NotFoundReason = 'NEVER_SEEN' | 'OTHER_TRUST_CLASS' | 'OLDER_THAN_KEPT'

export interface Receipt {
  /** As it was asked for. */
  eventId: string
  outcome: ReceiptOutcome
  /** Null where nothing is found. */
  trust: TrustClass | null
  /** The record whose outcome this is: the stored event, or else the newest dead letter. */
  accepted: Accepted | null
  /** By Postgres' clock, when the worker's transaction began. */
  processedAt: Instant | null
  stored: { day: string; countedBy: readonly CountedBy[] } | null
  /** Times that it came again, oldest first; at most REPETITIONS_MAX. */
  duplicates: readonly Repetition[]
  hasMoreDuplicates: boolean
  /** Newest first; at most REPETITIONS_MAX. One that was replayed is stored. */
  deadLetters: readonly DeadReceipt[]
  /** The day that was dropped, where it is known. */
  removed: DroppedDay | null
  notFound: NotFound | null
}

export interface Accepted {
  /** At the edge. */
  at: Instant
  requestId: string | null
  keyId: string | null
  keyName: string | null
  partition: number
  offset: string
}

export interface NotFound extends KnownSince {
  reason: NotFoundReason
  /** Records of the tenant that the log has and no worker has applied yet: it may be one of them. */
  inFlight: InFlight
}

export interface ReceiptArgs {
  /** The client's own, or the UUID, in either case. */
  eventId: string
  /** Both unless given; then a server's event comes first, as everywhere. */
  trustClass?: TrustClass | null | undefined
}

/** @returns one row, also where nothing is found */
export async function receipt(
  db: Database,
  viewer: TenantViewer,
  { eventId, trustClass }: ReceiptArgs,
): Promise<QueryResult<Receipt>> {
  checkText('eventId', eventId)
  const classes: readonly TrustClass[] = trustClass ? [trustClass] : ['server', 'public']
  const keys = new Map(classes.map((trust) => [eventUuid(eventId, trust), trust]))
  const found = await findReceipt(db, viewer, eventId, keys)
  const row = found ?? (await notFound(db, viewer, eventId, trustClass ?? undefined))
  return { rows: [row], source: 'raw', dependencies: null }
}

/** @param keys of the id in Postgres, with their trust classes */
async function findReceipt(
  db: Database,
  viewer: TenantViewer,
  eventId: string,
  keys: ReadonlyMap<string, TrustClass>,
): Promise<Receipt | undefined> {
  const event = await findEvent(db, viewer, [...keys.keys()])
  // What came with the other class has the same id and is another event.
  const ofEvent = event ? [event.event_id] : [...keys.keys()]
  const duplicates = await findDuplicates(db, viewer, ofEvent)
  const deadLetters = await findDeadLetters(db, viewer, ofEvent)
  const rest = {
    eventId,
    duplicates: duplicates.slice(0, REPETITIONS_MAX),
    hasMoreDuplicates: duplicates.length > REPETITIONS_MAX,
    deadLetters,
    ...{ removed: null, notFound: null, stored: null },
  }
  if (event)
    return {
      ...rest,
      outcome: 'STORED',
      trust: event.trust_class === 'public' ? 'public' : 'server',
      accepted: await acceptedOf(db, viewer, event),
      processedAt: event.stored_at,
      stored: { day: event.received_on, countedBy: await countedBy(db, viewer, event) },
    }
  const [dead] = deadLetters
  const [again] = duplicates
  if (dead && dead.state !== 'replayed')
    return {
      ...rest,
      outcome: 'DEAD',
      trust: keys.get(dead.key) ?? null,
      accepted: { at: dead.receivedAt, ...dead, keyId: null, keyName: null },
      processedAt: dead.deadAt,
    }
  if (again === undefined && dead === undefined) return undefined
  const key = again?.key ?? dead?.key ?? ''
  const receivedAt = again?.receivedAt ?? dead?.receivedAt ?? ''
  return {
    ...rest,
    outcome: 'REMOVED',
    trust: keys.get(key) ?? null,
    ...{ accepted: null, processedAt: null },
    removed: await findDroppedDay(db, receivedAt),
  }
}

async function acceptedOf(
  db: Database,
  viewer: TenantViewer,
  event: FoundEvent,
): Promise<Accepted> {
  return {
    at: event.received_at,
    requestId: event.request_uuid ?? event.request_id,
    keyId: event.key_id,
    keyName: await findKeyName(db, viewer, event.key_id),
    partition: event.log_partition,
    offset: String(event.log_offset),
  }
}

async function notFound(
  db: Database,
  viewer: TenantViewer,
  eventId: string,
  trustClass: TrustClass | undefined,
): Promise<Receipt> {
  const known = await readKnownSince(db, viewer)
  const removed = await findDroppedDayOfId(db, eventId, known)
  const other = trustClass && eventUuid(eventId, trustClass === 'public' ? 'server' : 'public')
  const isOther =
    other !== undefined &&
    ((await findEvent(db, viewer, [other])) !== undefined ||
      (await findDeadLetters(db, viewer, [other])).length > 0)
  const reason = isOther ? 'OTHER_TRUST_CLASS' : removed ? 'OLDER_THAN_KEPT' : 'NEVER_SEEN'
  return {
    eventId,
    outcome: 'NOT_FOUND',
    ...{ trust: null, accepted: null, processedAt: null, stored: null },
    ...{ duplicates: [], hasMoreDuplicates: false, deadLetters: [], removed },
    notFound: { reason, ...known, inFlight: await readInFlight(db, viewer) },
  }
}
