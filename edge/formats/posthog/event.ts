import { isObject } from '../../../contract/json/is-object.ts'
import { pointerTo } from '../../../contract/json/json.ts'
import { LIMITS } from '../../../contract/limits.ts'
import type { IncomingItem } from '../ingest-format.ts'

export type Fields = Record<string, unknown>

/** Where PostHog's libraries write the API key, in the envelope or in each event. */
export const KEY_FIELDS = ['api_key', 'token', '$token'] as const

/** What an event takes from its request. */
export interface Envelope {
  /** As the client wrote it. */
  sentAt: unknown
  /** Milliseconds since the epoch: what an event's `offset` is counted back from. */
  sentMs: number
  /** The envelope's members besides the events. */
  rest: Fields
  /** Capture v1 moves some properties out of `properties`; here they are moved back. */
  v1: boolean
  /** Capture v1 names the library once: 'posthog-node', '5.70.0'. */
  library?: readonly [name: string, version: string]
}

/**
 * Maps one of PostHog's events to our fields. Its properties stay as they are, with `$set` and
 * `$set_once` among them; what has no field of its own is kept in the context, except the API key.
 */
export function toEvent(sent: unknown, envelope: Envelope): Omit<IncomingItem, 'badNumbers'> {
  if (!isObject(sent)) return { raw: sent }
  const { event, uuid, timestamp, properties, ...rest } = sent
  const take = (field: string): unknown => {
    const value = rest[field]
    delete rest[field]
    return value ?? undefined
  }
  for (const field of KEY_FIELDS) if (isKey(rest[field])) delete rest[field]
  if (rest.sent_at === envelope.sentAt) delete rest.sent_at

  const own = isObject(properties) ? withoutKey(properties) : properties
  const added: Fields = {}
  const add = (property: string, value: unknown): boolean => {
    if (value === undefined || !canHold(own, property)) return false
    added[property] = value
    return true
  }
  for (const field of ['$set', '$set_once']) if (add(field, rest[field])) delete rest[field]
  if (envelope.v1) {
    putBack(rest, add)
    add('$lib', envelope.library?.[0])
    add('$lib_version', envelope.library?.[1])
  }
  const all = Object.keys(added).length > 0 ? { ...(own as Fields | null), ...added } : own

  const who = whoIn(rest, all)
  const timeIsComputed = !isSent(timestamp) && typeof rest.offset === 'number'
  // `normalise` reads null as missing.
  const raw: Fields = {
    event_id: idOf(uuid, take) ?? null,
    event: event ?? null,
    timestamp: timeOf(timestamp, take, envelope.sentMs) ?? null,
    actor: who.actor,
    session: sessionIn(all),
    properties: all ?? null,
  }
  if (who.at.length === 1) delete rest[who.at[0] as string]
  // Spread, not assigned: a member may be called __proto__, which is to be rejected, not applied.
  const context = { ...envelope.rest, ...rest }
  if (Object.keys(context).length > 0) raw.context = context
  return {
    raw,
    systemName: true,
    ...(timeIsComputed && { timeIsComputed }),
    clientPointer: (pointer) => clientPointer(pointer, who.at),
  }
}

/** The first that is present: the envelope's, an event's own, or that among its properties. */
export function keyIn(sent: unknown): string | undefined {
  if (!isObject(sent)) return undefined
  for (const field of KEY_FIELDS) {
    const found = sent[field]
    if (typeof found === 'string' && found !== '') return found
  }
  const { properties } = sent
  const found = isObject(properties) ? properties.token : undefined
  return typeof found === 'string' && found !== '' ? found : undefined
}

/** Whether the event's time must not be corrected by the client's clock skew. */
export function ignoresSentAt(sent: unknown): boolean {
  if (!isObject(sent)) return false
  const { properties, options } = sent
  return (
    (isObject(properties) && properties.$ignore_sent_at === true) ||
    (isObject(options) && options.disable_skew_correction === true)
  )
}

function isKey(value: unknown): boolean {
  return typeof value === 'string' && value.startsWith('slc_')
}

/** posthog-js writes it into every event's properties, which anyone who reads events may see. */
function withoutKey(properties: Fields): Fields {
  if (!isKey(properties.token)) return properties
  const { token: _, ...rest } = properties
  return rest
}

function canHold(properties: unknown, property: string): boolean {
  if (properties === undefined || properties === null) return true
  return isObject(properties) && !Object.hasOwn(properties, property)
}

/** Members of Capture v1 that are properties elsewhere. */
const LIFTED = { session_id: '$session_id', window_id: '$window_id' } as const
const OPTIONS = {
  cookieless_mode: '$cookieless_mode',
  disable_skew_correction: '$ignore_sent_at',
  process_person_profile: '$process_person_profile',
  product_tour_id: '$product_tour_id',
} as const

function putBack(rest: Fields, add: (property: string, value: unknown) => boolean): void {
  for (const [field, property] of Object.entries(LIFTED))
    if (add(property, rest[field] ?? undefined)) delete rest[field]
  if (!isObject(rest.options)) return
  const options = { ...rest.options }
  for (const [option, property] of Object.entries(OPTIONS))
    if (add(property, options[option] ?? undefined)) delete options[option]
  if (Object.keys(options).length > 0) rest.options = options
  else delete rest.options
}

/** The first that is present; what is among the properties stays there. */
function whoIn(sent: Fields, properties: unknown): { actor: unknown; at: readonly string[] } {
  for (const field of ['distinct_id', '$distinct_id'])
    if (sent[field] != null) return { actor: sent[field], at: [field] }
  const actor = isObject(properties) ? (properties.distinct_id ?? null) : null
  return { actor, at: ['properties', 'distinct_id'] }
}

/** Older libraries send no uuid, but an id that they keep across retries. */
function idOf(uuid: unknown, take: (field: string) => unknown): unknown {
  if (uuid !== undefined && uuid !== null && uuid !== '') return uuid
  return take('message_id') ?? take('messageId')
}

function isSent(timestamp: unknown): boolean {
  return timestamp !== undefined && timestamp !== null && timestamp !== ''
}

/** ISO 8601 beyond RFC 3339: PostHog reads a time without an offset as UTC, and a day as its start. */
const ISO = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d(?:[.,]\d{1,12})?)? ?(Z|[+-]\d\d:?\d\d)?)?$/i

function timeOf(timestamp: unknown, take: (field: string) => unknown, sentMs: number): unknown {
  if (typeof timestamp === 'string' && timestamp !== '') {
    const parts = ISO.exec(timestamp)
    if (!parts) return timestamp
    const [, day, minutes = '00:00', seconds = ':00', offset = 'Z'] = parts
    const zone = offset.length === 5 ? `${offset.slice(0, 3)}:${offset.slice(3)}` : offset
    return `${day}T${minutes}${seconds.replace(',', '.')}${zone}`
  }
  if (isSent(timestamp)) return timestamp
  const offsetMs = take('offset')
  if (offsetMs === undefined) return undefined
  if (typeof offsetMs !== 'number') return offsetMs
  const at = sentMs - offsetMs
  // A time out of range is rejected by `normalise`.
  return Math.abs(at) <= 8.64e15 ? new Date(at).toISOString() : Number.POSITIVE_INFINITY
}

/** It stays among the properties, so one that is not valid for us loses nothing. */
function sessionIn(properties: unknown): string | null {
  const found = isObject(properties) ? properties.$session_id : null
  return typeof found === 'string' && found !== '' && found.length <= LIMITS.labelCharsMax
    ? found
    : null
}

/** The pointer into the client's own event. */
function clientPointer(pointer: string, who: readonly string[]): string {
  if (pointer === '/event_id') return '/uuid'
  if (pointer === '/actor') return pointerTo(who)
  if (pointer === '/name') return '/event'
  return pointer.startsWith('/context/') ? pointer.slice('/context'.length) : pointer
}
