import { isUtf8 } from 'node:buffer'
import type { TrackedEvent } from '../../../contract/event/event.ts'
import { type Instant, readCanonicalTime } from '../../../contract/event/time.ts'
import { isUuid } from '../../../contract/event/uuid.ts'
import { LIMITS } from '../../../contract/limits.ts'
import {
  type Claimed,
  claimedBy,
  type DeadReason,
  decodeRecord,
  type StampedEvent,
} from '../../../contract/log/record.ts'
import { DAY_MS } from '../../db/day-partitions.ts'
import { eventUuid } from '../../db/event-uuid.ts'
import type { LogBatch, LogRecord } from '../../log/log.ts'
import type { TenantSettings, Tenants } from './tenant-settings.ts'

/** What became of a record is a value, never an exception. */
export type Decoded = { is: 'event'; row: EventRow } | { is: 'dead'; letter: DeadLetter }

export interface EventRow {
  tenantId: number
  /** As `eventUuid` gives it. */
  eventId: string
  clientEventId: string | null
  /** Days since 1970-01-01, UTC. */
  receivedDay: number
  received: Instant
  occurred: Instant
  clientOccurred: Instant | undefined
  historical: boolean
  event: TrackedEvent
  keyId: string | null
  requestId: string
  record: LogRecord
}

export interface DeadLetter {
  tenantId: number | null
  reason: DeadReason
  detail: string
  requestId: string | null
  route: string | null
  client: string | null
  receivedMs: number
  /** What the client sent, where that is known; else the record as it is in the log. */
  original: Buffer
  record: LogRecord
}

/** Records that could not be written in an earlier try, by `place`. */
export type Condemned = ReadonlyMap<string, Verdict>

export interface Verdict {
  why: string
  /** As a dead letter with all that it says of itself it could not be written either. */
  bare: boolean
}

export function place(record: LogRecord): string {
  return `${record.partition}:${record.offset}`
}

/** Which times can be believed of a record. */
export interface Times {
  nowMs: number
  /** How long ago a record may have been received at most. */
  ageDaysMax?: number
}

/**
 * Every record of a batch, in the order of the log. Asks for tenants it does not know yet, once.
 */
export async function decodeBatch(
  batch: LogBatch,
  tenants: Tenants,
  condemned: Condemned,
  { nowMs, ageDaysMax = LIMITS.logAgeDaysMax }: Times = { nowMs: Date.now() },
): Promise<Decoded[]> {
  const read: { record: LogRecord; decoded: ReadValue }[] = []
  const named = new Set<string>()
  for (const { records } of batch.partitions)
    for (const record of records) {
      const decoded = readValue(record.value)
      const tenant = tenantNamed(decoded)
      if (tenant !== undefined) named.add(tenant)
      if (read.push({ record, decoded }) % SLICE === 0) await nextTurn()
    }
  await tenants.learn([...named])
  const times = { nowMs, ageDaysMax }
  const context = { tenants, condemned, times }
  return read.map(({ record, decoded }) => {
    try {
      return judge(record, decoded, context)
    } catch (error) {
      // A bug of ours; it shall cost this record and not the lane.
      return {
        is: 'dead',
        letter: bareLetter(record, tenantOf(decoded, tenants), times, String(error)),
      }
    }
  })
}

interface Context {
  tenants: Tenants
  condemned: Condemned
  times: Required<Times>
}

/**
 * Records decoded in one go. The lane's last batch is being written meanwhile, step by step, and each step
 * waits for our turn to answer: Postgres would idle for as long as a whole batch takes to decode.
 */
const SLICE = 200

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

type ReadValue = ReturnType<typeof decodeRecord>

function readValue(value: Buffer): ReadValue {
  if (!isUtf8(value))
    return { ok: false, reason: 'NOT_UTF8', detail: 'the value is not UTF-8', claimed: {} }
  try {
    return decodeRecord(value.toString('utf8'))
  } catch (error) {
    // As below.
    return { ok: false, reason: 'NOT_A_RECORD', detail: String(error).slice(0, 200), claimed: {} }
  }
}

function tenantNamed(decoded: ReadValue): string | undefined {
  return decoded.ok ? decoded.record.tenant : decoded.claimed.tenant
}

function tenantOf(decoded: ReadValue, tenants: Tenants): TenantSettings | undefined {
  return tenants.get(tenantNamed(decoded) ?? '')
}

function judge(
  record: LogRecord,
  decoded: ReadValue,
  { tenants, condemned, times }: Context,
): Decoded {
  const tenant = tenantOf(decoded, tenants)
  const verdict = condemned.size > 0 ? condemned.get(place(record)) : undefined
  if (verdict?.bare) return { is: 'dead', letter: bareLetter(record, tenant, times, verdict.why) }
  if (!decoded.ok) {
    const { reason, detail, claimed, received } = decoded
    const ms =
      received && outOfRange(received, record, times) === undefined
        ? received.ms
        : loggedMs(record, times)
    return dead(reason, detail, ms, claimed, originalOf(decoded))
  }
  const stamped = decoded.record
  const { received, occurred } = decoded
  if (!tenant) return deadEvent('TENANT_UNKNOWN', 'no such tenant')
  const odd = outOfRange(received, record, times)
  if (odd) return deadEvent('RECEIVED_AT_OUT_OF_RANGE', odd, loggedMs(record, times))
  if (verdict) return deadEvent('UNSTORABLE', verdict.why)
  const age = received.ms - occurred.ms
  if (age < -LIMITS.futureSecondsMax * 1000)
    return deadEvent(
      'OCCURRED_AT_IN_FUTURE',
      `occurred_at is ${describe(age)} received_at; at most ${LIMITS.futureSecondsMax} s are allowed`,
    )
  if (age > tenant.eventAgeMaxS * 1000 && !stamped.historical)
    return deadEvent(
      'OCCURRED_AT_TOO_OLD',
      `occurred_at is ${describe(age)} received_at; the tenant takes ${tenant.eventAgeMaxS} s, or more with ?historical=true`,
    )
  return { is: 'event', row: toRow(tenant.id, stamped, received, occurred, record) }

  function deadEvent(reason: DeadReason, detail: string, ms = received.ms): Decoded {
    const { original } = stamped
    const sent = typeof original === 'string' ? Buffer.from(original) : undefined
    return dead(reason, detail, ms, claimedBy(stamped), sent)
  }
  function dead(
    reason: DeadReason,
    detail: string,
    receivedMs: number,
    claimed: Claimed,
    original = record.value,
  ): Decoded {
    const letter: DeadLetter = {
      tenantId: tenant?.id ?? null,
      reason,
      detail,
      requestId: claimed.request_id ?? null,
      route: claimed.route ?? null,
      client: claimed.client ?? null,
      receivedMs,
      original,
      record,
    }
    return { is: 'dead', letter }
  }
}

/** With nothing in it that the record says of itself, so that there is nothing to stumble over. */
function bareLetter(
  record: LogRecord,
  tenant: TenantSettings | undefined,
  times: Required<Times>,
  why: string,
): DeadLetter {
  return {
    tenantId: tenant?.id ?? null,
    reason: 'UNSTORABLE',
    detail: why.replaceAll('\0', '').toWellFormed().slice(0, 2_000),
    requestId: null,
    route: null,
    client: null,
    receivedMs: loggedMs(record, times),
    original: record.value,
    record,
  }
}

/** When the log took it; whoever writes to Kafka directly may claim any time there is. */
function loggedMs({ timestamp }: LogRecord, { nowMs, ageDaysMax }: Required<Times>): number {
  return Math.max(nowMs - ageDaysMax * DAY_MS, Math.min(timestamp, nowMs + DAY_MS))
}

/** Why `received_at` cannot be believed: it decides the partition of the event's day. */
function outOfRange(
  received: Instant,
  record: LogRecord,
  { nowMs, ageDaysMax }: Required<Times>,
): string | undefined {
  const waited = record.timestamp - received.ms
  if (!(waited <= LIMITS.receivedAgeDaysMax * DAY_MS && waited >= -DAY_MS))
    return `received_at is ${describe(waited)} the log took the record`
  // Each day of events is a table, so no made-up time may ask for any number of them.
  const age = nowMs - received.ms
  if (!(age <= ageDaysMax * DAY_MS && age >= -DAY_MS))
    return `received_at is ${describe(age)} it was read`
  return undefined
}

/** What the edge could not take, as it was sent. */
function originalOf({ original, base64 }: Extract<ReadValue, { ok: false }>): Buffer | undefined {
  return original === undefined ? undefined : Buffer.from(original, base64 ? 'base64' : 'utf8')
}

function toRow(
  tenantId: number,
  stamped: StampedEvent,
  received: Instant,
  occurred: Instant,
  record: LogRecord,
): EventRow {
  const { event } = stamped
  return {
    tenantId,
    eventId: eventUuid(event.event_id),
    clientEventId: isUuid(event.event_id) ? null : event.event_id,
    receivedDay: Math.floor(received.ms / DAY_MS),
    received,
    occurred,
    clientOccurred:
      typeof event.client_occurred_at === 'string'
        ? readCanonicalTime(event.client_occurred_at)
        : undefined,
    historical: stamped.historical === true,
    event,
    keyId: isUuid(stamped.key) ? stamped.key : null,
    requestId: stamped.request_id,
    record,
  }
}

function describe(ms: number): string {
  return ms < 0 ? `${Math.round(-ms / 1000)} s after` : `${Math.round(ms / 1000)} s before`
}
