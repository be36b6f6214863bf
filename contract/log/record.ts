import type { Geo } from '../enrichment.ts'
import type { ItemErrorCode } from '../errors.ts'
import type { TrackedEvent } from '../event/event.ts'
import { findUnstorable, unstorableText } from '../event/storable.ts'
import { type Instant, readCanonicalTime } from '../event/time.ts'
import { parseExactly } from '../json/exact-parse.ts'
import { isObject } from '../json/is-object.ts'
import { findBadNumbers, needsDeepCheck } from '../json/json.ts'
import { LIMITS } from '../limits.ts'

/** The value of a record in events.raw, as JSON. */
export interface StampedEvent {
  v: 1
  tenant: string
  /** key_id of the API key of the request. */
  key: string
  request_id: string
  /** RFC 3339 in UTC. Stamped once, at the edge, so that a redelivered record is identical. */
  received_at: string
  /** The edge that accepted it: a Cloudflare colo, or the configured name. */
  edge: string
  /** The route of the request, which names the ingest format. */
  route?: string
  /** The sender: a library with its version, or the User-Agent. */
  client?: string
  /** Of the page that sent it. */
  origin?: string
  /** Sent with a public key. Absent: sent by a server, or written before there were trust classes. */
  trust?: 'public'
  /** User agent and location of the visitor that sent the request; only if the tenant has fields derived from them. */
  ua?: string
  geo?: Geo
  /** A historical import: the age limit does not apply, and the event does not count as late. */
  historical?: true
  /** Of the request's Idempotency-Key (contract/event/idempotency-hash.ts); absent without one. Former workers ignore it. */
  idempotency?: string
  /** The event as it was sent, where the edge expects it to become a dead letter. */
  original?: string
  /** `occurred_at` was computed from the time of sending, so it differs when the event is sent again. */
  time?: 'computed'
  event: TrackedEvent
}

/** What a record says of its event alone. */
export type EventNotes = Pick<StampedEvent, 'original' | 'time'>

/**
 * An invalid event from a client that drops on 4xx (`onInvalid: 'dead-letter'`): it is logged as it was sent and
 * becomes a dead letter.
 */
export interface InvalidEvent extends Omit<StampedEvent, 'event' | keyof EventNotes> {
  refused: { code: ItemErrorCode; pointer: string; detail: string }[]
  /** As it was sent; in base64 where it is not valid UTF-8, or where JSON would more than double its length. */
  original: string
  base64?: true
}

export type DeadReason =
  | ItemErrorCode
  | 'NOT_UTF8'
  | 'NOT_JSON'
  | 'NOT_A_RECORD'
  | 'VERSION_UNKNOWN'
  | 'TENANT_UNKNOWN'
  | 'EVENT_INVALID'
  | 'RECEIVED_AT_OUT_OF_RANGE'
  | 'OCCURRED_AT_IN_FUTURE'
  | 'OCCURRED_AT_TOO_OLD'
  | 'UNSTORABLE'

export type DecodedRecord =
  | { ok: true; record: StampedEvent; received: Instant; occurred: Instant }
  | {
      ok: false
      reason: DeadReason
      detail: string
      claimed: Claimed
      /** The record itself, where it states all that one has to. */
      stated?: Record<string, unknown>
      /** The member that is wrong, as the edge named it. */
      pointer?: string
      /** What the client sent, where the record contains it. */
      original?: string
      base64?: true
      received?: Instant
    }

/** What a record claims about itself. Unverified: use it only to search dead letters. */
export interface Claimed {
  tenant?: string
  key?: string
  request_id?: string
  route?: string
  client?: string
}

export type Stamp = Omit<StampedEvent, 'event' | keyof EventNotes>

/** Encodes the records of one request; what they have in common is encoded once. */
export interface RecordEncoder {
  /** @param eventJson the JSON that `normalise` returned, so that the event is not encoded twice */
  event(eventJson: string, notes?: EventNotes): string
  invalid(what: Pick<InvalidEvent, 'refused' | 'original' | 'base64'>): string
}

export function recordEncoder(stamp: Stamp): RecordEncoder {
  const prefix = JSON.stringify(stamp).slice(0, -1)
  return {
    event: (eventJson, notes) =>
      notes === undefined
        ? `${prefix},"event":${eventJson}}`
        : `${prefix},${JSON.stringify(notes).slice(1, -1)},"event":${eventJson}}`,
    invalid: (what) => `${prefix},${JSON.stringify(what).slice(1)}`,
  }
}

/**
 * Decodes a record's value. Anyone with access to the log may have written it, so everything that
 * Postgres or a rollup would reject is checked again, cheaply: the properties are walked only where the
 * text contains an escape or a number that a double may not hold.
 */
export function decodeRecord(text: string): DecodedRecord {
  let value: unknown
  try {
    value = parseExactly(text)
  } catch {
    return dead('NOT_JSON', 'the value is not JSON', undefined)
  }
  if (!isObject(value)) return dead('NOT_A_RECORD', 'the value is not a JSON object', undefined)
  if (value.v !== 1) return dead('VERSION_UNKNOWN', 'only version 1 is known', value)
  for (const field of ['tenant', 'key', 'request_id', 'received_at', 'edge'] as const) {
    const found = value[field]
    if (typeof found !== 'string' || found === '' || found.length > LIMITS.labelCharsMax)
      return dead(
        'NOT_A_RECORD',
        `${field} is missing or not a string of 1 to ${LIMITS.labelCharsMax} characters`,
        value,
      )
  }
  const received = readCanonicalTime(value.received_at as string)
  if (!received) return dead('NOT_A_RECORD', 'received_at is not a time in UTC', value)
  if (value.refused !== undefined) return rejectedRecord(value, received)
  const { event } = value
  const invalid = isObject(event) ? findInvalidField(event) : 'event is not a JSON object'
  if (invalid) return { ...dead('EVENT_INVALID', invalid, value), stated: value }
  const occurred = readCanonicalTime((event as unknown as TrackedEvent).occurred_at)
  if (!occurred)
    return { ...dead('EVENT_INVALID', 'occurred_at is not a time in UTC', value), stated: value }
  if (needsDeepCheck(text)) {
    const unstorable = findUnstorableText(value, text)
    if (unstorable) return { ...dead('UNSTORABLE', unstorable, value), stated: value }
  }
  return { ok: true, record: value as unknown as StampedEvent, received, occurred }
}

/** An event that the edge rejected: the first error is the reason, the detail lists all of them. */
function rejectedRecord(value: Record<string, unknown>, received: Instant): DecodedRecord {
  const { refused, original, base64 } = value
  const [first] = Array.isArray(refused) ? refused : []
  if (!isObject(first) || typeof original !== 'string' || !isCode(first.code))
    return dead(
      'NOT_A_RECORD',
      'refused or original does not have the form that the edge writes',
      value,
    )
  const details = (refused as unknown[]).map((error) =>
    isObject(error)
      ? `${textOrEmpty(error.pointer) || 'the event'}: ${textOrEmpty(error.detail)}`
      : '',
  )
  return {
    ...dead(first.code as ItemErrorCode, details.join('; '), value),
    original,
    ...(base64 === true && { base64 }),
    received,
    stated: value,
    ...(textOrEmpty(first.pointer) !== '' && { pointer: textOrEmpty(first.pointer) }),
  }
}

function findInvalidField(event: Record<string, unknown>): string | undefined {
  if (!isText(event.event_id, LIMITS.eventIdCharsMax))
    return `event_id is not a string of 1 to ${LIMITS.eventIdCharsMax} characters`
  if (!isText(event.name, 2 * LIMITS.eventNameCharsMax))
    return 'name is not a string of an allowed length'
  if (typeof event.occurred_at !== 'string') return 'occurred_at is not a string'
  for (const field of ['actor', 'session', 'source', 'schema_version'] as const)
    if (event[field] !== undefined && !isText(event[field], 2 * LIMITS.labelCharsMax))
      return `${field} is not a string of an allowed length`
  if (
    event.value !== undefined &&
    !(typeof event.value === 'number' && Math.abs(event.value) <= LIMITS.valueMax)
  )
    return 'value is not a number within the limits'
  if (!isObject(event.properties)) return 'properties is not a JSON object'
  if (event.context !== undefined && !isObject(event.context)) return 'context is not a JSON object'
  return undefined
}

/** Strings and numbers that Postgres rejects, anywhere in the record. */
function findUnstorableText(value: Record<string, unknown>, text: string): string | undefined {
  const event = value.event as Record<string, unknown>
  for (const [field, found] of [...Object.entries(value), ...Object.entries(event)]) {
    const why = typeof found === 'string' ? unstorableText(found) : undefined
    if (why) return `${field} ${why}`
  }
  const budget = { keys: LIMITS.propertiesKeysMax }
  const found =
    findUnstorable(event.properties, ['properties'], budget) ??
    (event.context === undefined ? undefined : findUnstorable(event.context, ['context'], budget))
  if (found) return `${found.pointer} ${found.detail}`
  const [number] = findBadNumbers(text)
  return number && `${number.pointer} is a number that a double cannot hold`
}

/** Checks the form only: an edge newer than its worker may use codes that this worker does not know. */
function isCode(value: unknown): boolean {
  return isText(value, LIMITS.labelCharsMax) && /^[A-Z][A-Z0-9_]*$/.test(value as string)
}

/** Nothing but strings is converted: an object may have its own toString. */
function textOrEmpty(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function isText(value: unknown, max: number): boolean {
  return typeof value === 'string' && value !== '' && value.length <= max
}

function dead(
  reason: DeadReason,
  detail: string,
  value: Record<string, unknown> | undefined,
): Extract<DecodedRecord, { ok: false }> {
  // The detail is stored, and may quote keys that cannot be stored.
  const storable = detail.replaceAll('\0', '').toWellFormed().slice(0, 2_000)
  return { ok: false, reason, detail: storable, claimed: claimedBy(value) }
}

export function claimedBy(value: object | undefined): Claimed {
  const claimed: Claimed = {}
  for (const field of ['tenant', 'key', 'request_id', 'route', 'client'] as const) {
    const found = (value as Record<string, unknown> | undefined)?.[field]
    // It is stored with the dead letter, so it must be storable.
    if (isText(found, LIMITS.labelCharsMax) && !unstorableText(found as string))
      claimed[field] = found as string
  }
  return claimed
}
