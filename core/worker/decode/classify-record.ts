import { readIdempotencyHash } from '../../../contract/event/idempotency-hash.ts'
import { type Instant, readCanonicalTime } from '../../../contract/event/time.ts'
import type { TrustClass } from '../../../contract/event/trust-class.ts'
import { isUuid } from '../../../contract/event/uuid.ts'
import { LIMITS } from '../../../contract/limits.ts'
import {
  type Claimed,
  claimedBy,
  type DeadReason,
  type decodeRecord,
  type StampedEvent,
} from '../../../contract/log/record.ts'
import { findViolation } from '../../../contract/schema/find-violation.ts'
import { DAY_MS } from '../../db/day-partitions.ts'
import { eventUuid } from '../../db/event-uuid.ts'
import type { LogRecord } from '../../log/log.ts'
import { enrich } from '../enrich/enrich.ts'
import type { PoisonReasons } from '../write/poison-records.ts'
import { type DeadStamp, stampOf, UNSTAMPED } from './dead-stamp.ts'
import { type DeadLetter, type Decoded, type EventRow, offsetKey } from './decoded.ts'
import type { TenantSettings, Tenants } from './tenant-settings.ts'
import { describeAge, loggedMs, receivedOutOfRange, type TimeRules } from './time-rules.ts'

/** A record's value, parsed. */
export type ReadValue = ReturnType<typeof decodeRecord>

export interface ClassifyContext {
  tenants: Tenants
  poisoned: PoisonReasons
  times: TimeRules
}

export function tenantNamed(value: ReadValue): string | undefined {
  return value.ok ? value.record.tenant : value.claimed.tenant
}

/** Whether a record is an event to store or a dead letter, and which. */
export function classifyRecord(
  record: LogRecord,
  value: ReadValue,
  { tenants, poisoned, times }: ClassifyContext,
): Decoded {
  const tenant = tenants.get(tenantNamed(value) ?? '')
  const poison = poisoned.size > 0 ? poisoned.get(offsetKey(record)) : undefined
  if (poison?.bare)
    return {
      kind: 'dead-letter',
      deadLetter: bareDeadLetter(record, tenant, times, poison.detail),
    }
  if (!value.ok) return deadValue(record, value, tenant, times)
  const { record: stamped, received, occurred } = value
  const reject = (reason: DeadReason, detail: string, receivedMs = received.ms): DeadEvent =>
    deadEvent(record, stamped, { tenant, reason, detail, receivedMs })
  if (!tenant) return reject('TENANT_UNKNOWN', 'no such tenant')
  const unbelievable = receivedOutOfRange(received, record, times)
  if (unbelievable) return reject('RECEIVED_AT_OUT_OF_RANGE', unbelievable, loggedMs(record, times))
  if (poison) return reject('UNSTORABLE', poison.detail)
  const age = received.ms - occurred.ms
  if (age < -LIMITS.futureSecondsMax * 1000)
    return reject(
      'OCCURRED_AT_IN_FUTURE',
      `occurred_at is ${describeAge(age)} received_at; at most ${LIMITS.futureSecondsMax} s are allowed`,
    )
  const row = toRow(tenant, stamped, received, occurred, record)
  if (age > tenant.eventAgeMaxS * 1000 && !stamped.historical)
    return {
      ...reject(
        'OCCURRED_AT_TOO_OLD',
        `occurred_at is ${describeAge(age)} received_at; the tenant takes ${tenant.eventAgeMaxS} s, or more with ?historical=true`,
      ),
      expired: row,
    }
  return classifyBySchema(tenant, row, reject)
}

/**
 * By the version that the worker knows when it reads the batch: at most LIMITS.tenantCacheMs old. A batch is applied once, so
 * each of its events has one outcome, whichever version an attempt before a crash knew. The mode reject is enforced
 * here, too: an edge may not know the schema yet.
 */
function classifyBySchema(
  tenant: TenantSettings,
  row: EventRow,
  reject: (reason: DeadReason, detail: string) => DeadEvent,
): Decoded {
  const { name, properties } = row.event
  const pinned = tenant.schemas?.get(name)
  const violation = pinned && findViolation(pinned.schema, properties)
  if (!violation) return { kind: 'event', row }
  const { version, mode } = pinned
  if (mode === 'observe') return { kind: 'event', row, violation: { ...violation, version } }
  const detail = `${violation.pointer}: ${violation.detail} (version ${version} of the schema)`
  return { ...reject('SCHEMA_VIOLATION', detail), expired: row }
}

/** A dead letter without anything that the record says of itself, so that nothing of it can make a write fail. */
export function bareDeadLetter(
  record: LogRecord,
  tenant: TenantSettings | undefined,
  times: TimeRules,
  detail: string,
): DeadLetter {
  return {
    tenantId: tenant?.id ?? null,
    reason: 'UNSTORABLE',
    detail: detail.replaceAll('\0', '').toWellFormed().slice(0, 2_000),
    requestId: null,
    route: null,
    client: null,
    ...UNSTAMPED,
    receivedMs: loggedMs(record, times),
    eventId: null,
    original: record.value,
    record,
  }
}

/** A record that could not be parsed, or that the edge sent as a dead letter. */
function deadValue(
  record: LogRecord,
  value: Extract<ReadValue, { ok: false }>,
  tenant: TenantSettings | undefined,
  times: TimeRules,
): Decoded {
  const { reason, detail, claimed, received, original, base64, stated, pointer } = value
  const receivedMs =
    received && receivedOutOfRange(received, record, times) === undefined
      ? received.ms
      : loggedMs(record, times)
  // What the edge could not accept comes with the bytes that were sent.
  const sent =
    original === undefined ? undefined : Buffer.from(original, base64 ? 'base64' : 'utf8')
  const stamp = stampOf(stated, { reason, detail, pointer, hasOriginal: sent !== undefined })
  return dead(record, claimed, { tenant, reason, detail, receivedMs, stamp, eventId: null }, sent)
}

interface DeadFields {
  tenant: TenantSettings | undefined
  reason: DeadReason
  detail: string
  receivedMs: number
  eventId: string | null
  stamp: DeadStamp
}

type DeadEvent = Extract<Decoded, { kind: 'dead-letter' }>

function deadEvent(
  record: LogRecord,
  stamped: StampedEvent,
  fields: Omit<DeadFields, 'stamp' | 'eventId'>,
): DeadEvent {
  const { original, event } = stamped
  const sent = typeof original === 'string' ? Buffer.from(original) : undefined
  const stamp = stampOf(stamped, { ...fields, hasOriginal: sent !== undefined })
  const eventId = eventUuid(event.event_id, trustOf(stamped))
  return dead(record, claimedBy(stamped), { ...fields, stamp, eventId }, sent)
}

function trustOf({ trust }: StampedEvent): TrustClass {
  return trust === 'public' ? 'public' : 'server'
}

function dead(
  record: LogRecord,
  claimed: Claimed,
  { tenant, reason, detail, receivedMs, stamp, eventId }: DeadFields,
  original: Buffer = record.value,
): DeadEvent {
  const deadLetter: DeadLetter = {
    tenantId: tenant?.id ?? null,
    reason,
    detail,
    requestId: claimed.request_id ?? null,
    route: claimed.route ?? null,
    client: claimed.client ?? null,
    keyId: isUuid(claimed.key ?? '') ? (claimed.key ?? null) : null,
    ...stamp,
    receivedMs,
    eventId,
    original,
    record,
  }
  return { kind: 'dead-letter', deadLetter }
}

function toRow(
  tenant: TenantSettings,
  stamped: StampedEvent,
  received: Instant,
  occurred: Instant,
  record: LogRecord,
): EventRow {
  const { event } = stamped
  const trust = trustOf(stamped)
  const eventId = eventUuid(event.event_id, trust)
  return {
    tenantId: tenant.id,
    trust,
    eventId,
    // Of a server, a UUID is its own key.
    clientEventId: trust === 'server' && isUuid(event.event_id) ? null : event.event_id,
    receivedDay: Math.floor(received.ms / DAY_MS),
    received,
    occurred,
    clientOccurred:
      typeof event.client_occurred_at === 'string'
        ? readCanonicalTime(event.client_occurred_at)
        : undefined,
    timeIsComputed: stamped.time === 'computed',
    historical: stamped.historical === true,
    arrival: undefined,
    event,
    enrichment: enrich(stamped, tenant.enrich),
    keyId: isUuid(stamped.key) ? stamped.key : null,
    client: typeof stamped.client === 'string' ? stamped.client : undefined,
    origin: typeof stamped.origin === 'string' ? stamped.origin : undefined,
    requestId: stamped.request_id,
    idempotency:
      stamped.idempotency === undefined ? undefined : readIdempotencyHash(stamped.idempotency),
    record,
  }
}
