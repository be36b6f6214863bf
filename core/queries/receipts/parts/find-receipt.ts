import type { TrustClass } from '../../../../contract/event/trust-class.ts'
import type { Database } from '../../../db/database.ts'
import type { TenantViewer } from '../../../identity/viewer.ts'
import type { Instant } from '../../instant.ts'
import type { DayWindow } from '../../sql/day-windows.ts'
import { type FoundEvent, findEvent } from '../../sql/find-event.ts'
import { type CountedBy, countedBy } from './counted-by.ts'
import type { InFlight } from './in-flight.ts'
import { findKeyName } from './key-name.ts'
import { type DroppedDay, findDroppedDay, type KnownSince } from './known-since.ts'
import {
  type DeadReceipt,
  findDeadLetters,
  findDuplicates,
  REPETITIONS_MAX,
  type Repetition,
} from './repetitions.ts'

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
  /** As it was asked for, else the client's own, or the UUID; null for a dead letter without one. */
  eventId: string | null
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

/** An event to look for. */
export interface WantedEvent {
  /** The client's own id; undefined: that of the event, or else its key. */
  eventId?: string
  /** In Postgres, with their trust classes where these are known. */
  keys: ReadonlyMap<string, TrustClass | null>
  /** On which it was received; any unless given. */
  days?: DayWindow
}

/** @returns undefined where nothing is known of it */
export async function findReceipt(
  db: Database,
  viewer: TenantViewer,
  { eventId, keys, days }: WantedEvent,
): Promise<Receipt | undefined> {
  const event = await findEvent(db, viewer, [...keys.keys()], days)
  // What came with the other class has the same id and is another event.
  const ofEvent = event ? [event.event_id] : [...keys.keys()]
  const duplicates = await findDuplicates(db, viewer, ofEvent)
  const deadLetters = await findDeadLetters(db, viewer, ofEvent)
  const rest = {
    eventId: eventId ?? event?.client_event_id ?? ofEvent[0] ?? null,
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
    return { ...rest, ...deadOutcome(dead), trust: keys.get(dead.key ?? '') ?? null }
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

function deadOutcome(dead: DeadReceipt) {
  const { receivedAt: at, deadAt, requestId, partition, offset } = dead
  return {
    outcome: 'DEAD' as const,
    accepted: { at, requestId, keyId: null, keyName: null, partition, offset },
    processedAt: deadAt,
  }
}

/** Of a record that names no event. */
export function receiptOfDeadLetter(dead: DeadReceipt): Receipt {
  return {
    ...{ eventId: null, trust: null, stored: null, removed: null, notFound: null },
    ...{ duplicates: [], hasMoreDuplicates: false, deadLetters: [dead] },
    ...deadOutcome(dead),
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
