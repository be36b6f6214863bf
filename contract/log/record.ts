import type { ItemErrorCode } from '../errors.ts'
import type { TrackedEvent } from '../event/event.ts'
import { findUnstorable, unstorableText } from '../event/storable.ts'
import { type Instant, readCanonicalTime } from '../event/time.ts'
import { parseExactly } from '../json/exact-parse.ts'
import { findBadNumbers, needsDeepCheck } from '../json/json.ts'
import { LIMITS } from '../limits.ts'

/** The value of a record in events.raw, as JSON. */
export interface StampedEvent {
  v: 1
  tenant: string
  /** key_id of the API key it came with. */
  key: string
  request_id: string
  /** RFC 3339 in UTC. Stamped once, at the edge, so that a redelivery is the same in every way. */
  received_at: string
  /** Which edge took it: a Cloudflare colo, or a name of one's own. */
  edge: string
  /** Which way it came in. */
  route?: string
  /** What sent it: a library with its version, or the User-Agent. */
  client?: string
  /** The age limit does not apply, and the live numbers are not called late. */
  historical?: true
  /** The event as it was sent, where the edge foresaw that it would become a dead letter. */
  original?: string
  event: TrackedEvent
}

/**
 * An event that no one could take, from a client that cannot be told: it travels as it was sent, and
 * becomes a dead letter.
 */
export interface InvalidEvent extends Omit<StampedEvent, 'event' | 'original'> {
  refused: { code: ItemErrorCode; pointer: string; detail: string }[]
  /** As it was sent; in base64 when it is no UTF-8, or when JSON would be more than twice as long. */
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
      /** What the client sent, where the record is not that itself. */
      original?: string
      base64?: true
      received?: Instant
    }

/** What a record says of itself, for the search of dead letters; trust it no further. */
export interface Claimed {
  tenant?: string
  request_id?: string
  route?: string
  client?: string
}

export type Stamp = Omit<StampedEvent, 'event' | 'original'>

/** Spells records; what all those of one request have in common is spelt once. */
export interface RecordEncoder {
  /** @param eventJson the event as `normalise` spelt it, so that it is not spelt twice */
  event(eventJson: string, original?: string): string
  invalid(what: Pick<InvalidEvent, 'refused' | 'original' | 'base64'>): string
}

export function recordEncoder(stamp: Stamp): RecordEncoder {
  const begin = JSON.stringify(stamp).slice(0, -1)
  return {
    event: (eventJson, original) =>
      original === undefined
        ? `${begin},"event":${eventJson}}`
        : `${begin},"original":${JSON.stringify(original)},"event":${eventJson}}`,
    invalid: (what) => `${begin},${JSON.stringify(what).slice(1)}`,
  }
}

/**
 * Reads a record's value back. It may have been written by anyone who can reach the log, so all that
 * Postgres or a rollup could stumble over is checked again, cheaply: a walk over the properties only
 * where the text holds an escape or a number that may not fit.
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
      return dead('NOT_A_RECORD', `${field} is missing or not a short string`, value)
  }
  const received = readCanonicalTime(value.received_at as string)
  if (!received) return dead('NOT_A_RECORD', 'received_at is not a time in UTC', value)
  if (value.refused !== undefined) return refusedRecord(value, received)
  const { event } = value
  const wrong = isObject(event) ? findWrong(event) : 'event is not a JSON object'
  if (wrong) return dead('EVENT_INVALID', wrong, value)
  const occurred = readCanonicalTime((event as unknown as TrackedEvent).occurred_at)
  if (!occurred) return dead('EVENT_INVALID', 'occurred_at is not a time in UTC', value)
  if (needsDeepCheck(text)) {
    const unfit = findUnfit(value, text)
    if (unfit) return dead('UNSTORABLE', unfit, value)
  }
  return { ok: true, record: value as unknown as StampedEvent, received, occurred }
}

/** What the edge could not take: its first fault names it, all of them are told. */
function refusedRecord(value: Record<string, unknown>, received: Instant): DecodedRecord {
  const { refused, original, base64 } = value
  const [first] = Array.isArray(refused) ? refused : []
  if (!isObject(first) || typeof original !== 'string' || !isCode(first.code))
    return dead('NOT_A_RECORD', 'refused or original is not as the edge writes it', value)
  const faults = (refused as unknown[]).map((each) =>
    isObject(each) ? `${wordsOf(each.pointer) || 'the event'}: ${wordsOf(each.detail)}` : '',
  )
  return {
    ...dead(first.code as ItemErrorCode, faults.join('; '), value),
    original,
    ...(base64 === true && { base64 }),
    received,
  }
}

function findWrong(event: Record<string, unknown>): string | undefined {
  if (!isText(event.event_id, LIMITS.eventIdCharsMax))
    return 'event_id is not a string of its length'
  if (!isText(event.name, 2 * LIMITS.eventNameCharsMax)) return 'name is not a string of its length'
  if (typeof event.occurred_at !== 'string') return 'occurred_at is not a string'
  for (const field of ['actor', 'session', 'source', 'schema_version'] as const)
    if (event[field] !== undefined && !isText(event[field], 2 * LIMITS.labelCharsMax))
      return `${field} is not a string of its length`
  if (
    event.value !== undefined &&
    !(typeof event.value === 'number' && Math.abs(event.value) <= LIMITS.valueMax)
  )
    return 'value is not a number that can be summed'
  if (!isObject(event.properties)) return 'properties is not a JSON object'
  if (event.context !== undefined && !isObject(event.context)) return 'context is not a JSON object'
  return undefined
}

/** Strings and numbers that Postgres refuses, anywhere in the record. */
function findUnfit(value: Record<string, unknown>, text: string): string | undefined {
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

/** As all codes are spelt; an edge may be newer than its worker and know more of them. */
function isCode(value: unknown): boolean {
  return isText(value, LIMITS.labelCharsMax) && /^[A-Z][A-Z0-9_]*$/.test(value as string)
}

/** Of anything else no words can be made safely: an object may bring a toString of its own. */
function wordsOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function isText(value: unknown, max: number): boolean {
  return typeof value === 'string' && value !== '' && value.length <= max
}

function isObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
}

function dead(
  reason: DeadReason,
  detail: string,
  value: Record<string, unknown> | undefined,
): Extract<DecodedRecord, { ok: false }> {
  // Words about what cannot be stored are stored: keys stand in them.
  const storable = detail.replaceAll('\0', '').toWellFormed().slice(0, 2_000)
  return { ok: false, reason, detail: storable, claimed: claimedBy(value) }
}

export function claimedBy(value: object | undefined): Claimed {
  const claimed: Claimed = {}
  for (const field of ['tenant', 'request_id', 'route', 'client'] as const) {
    const found = (value as Record<string, unknown> | undefined)?.[field]
    // It will be stored beside the dead letter, so it must be storable itself.
    if (isText(found, LIMITS.labelCharsMax) && !unstorableText(found as string))
      claimed[field] = found as string
  }
  return claimed
}
