import { LIMITS } from '../limits.ts'
import type { TrackedEvent } from './event.ts'
import * as f from './fields.ts'
import { findUnstorable, isStorable, type StorableBudget } from './storable.ts'
import { shiftTime } from './time.ts'

export type { FieldError } from './fields.ts'

export type Normalised =
  | {
      ok: true
      event: TrackedEvent
      /** The event as JSON, made once: the size is measured on it and the record is built around it. */
      json: string
      /** `occurred_at` in milliseconds since the epoch; undefined where the client sent none. */
      occurredMs: number | undefined
    }
  | { ok: false; errors: f.FieldError[] }

/** What an event takes from its request. */
export interface NormaliseContext {
  /** RFC 3339 in UTC: when the request came in. */
  receivedAt: string
  /** Called when the client chose no event id, with the event's place in the batch. */
  eventId: (index: number) => string
  /** Added to the client's time, because its clock is wrong; see `clockSkew`. */
  shiftMs?: number
  /** A name that begins with `$` is the sending library's own, and is kept. */
  systemName?: boolean
  /** The tenant's; null takes every version. */
  schemaVersions?: readonly string[] | null
  /** The text that the event came from holds no `\u`: its strings need no look (see StorableBudget). */
  hasNoEscapes?: boolean
}

/**
 * The one normaliser: any accepted envelope into a TrackedEvent. Top-level fields that no synonym
 * names become properties. Nothing is changed silently: what cannot be kept is an error with the
 * pointer of the place where it was sent. A field that is null counts as not sent.
 */
export function normalise(raw: unknown, at: NormaliseContext, index = 0): Normalised {
  if (raw === null || typeof raw !== 'object' || Array.isArray(raw))
    return refused({ pointer: '', code: 'EVENT_NOT_OBJECT', detail: 'an event is a JSON object' })
  const faults: f.FieldError[] = []
  const reading: f.FieldReader = {
    sent: raw as f.Sent,
    errors: faults,
    hasNoEscapes: at.hasNoEscapes,
  }
  const { keys, extra: rest } = f.mapKeys(reading)

  const event_id = f.readEventId(reading, keys[f.EVENT_ID])
  const name = f.readName(reading, keys[f.NAME], at.systemName)
  const time = f.readOccurredAt(reading, keys[f.OCCURRED_AT])
  const actor = f.readLabel(reading, keys[f.ACTOR], 'ACTOR_INVALID')
  const session = f.readLabel(reading, keys[f.SESSION], 'SESSION_INVALID')
  const source = f.readLabel(reading, keys[f.SOURCE], 'SOURCE_INVALID')
  const value = f.readValue(reading, keys[f.VALUE])
  const schema_version = f.readSchemaVersion(reading, keys[f.SCHEMA_VERSION], at.schemaVersions)
  const context = f.readObject(reading, keys[f.CONTEXT], 'CONTEXT_INVALID')
  const given = f.readObject(reading, keys[f.PROPERTIES], 'PROPERTIES_INVALID')
  checkStorable(reading, keys, rest, given, context)
  if (faults.length > 0 || name === undefined) return { ok: false, errors: faults }

  const shifted = at.shiftMs && time ? shiftTime(time.time, at.shiftMs) : undefined
  const event: TrackedEvent = {
    event_id: event_id ?? at.eventId(index),
    name,
    occurred_at: shifted ?? time?.time ?? at.receivedAt,
    client_occurred_at: shifted && time?.time,
    // undefined members are left out by JSON.stringify
    actor,
    session,
    source,
    value,
    properties: rest && given ? Object.assign(rest, given) : (rest ?? given ?? {}),
    context,
    schema_version,
  }
  const json = spell(event)
  if (bytesExceed(json, LIMITS.eventBytesMax))
    return refused({ pointer: '', code: 'EVENT_TOO_LARGE', detail: 'is larger than 64 KiB' })
  return { ok: true, event, json, occurredMs: shifted ? Date.parse(shifted) : time?.ms }
}

/**
 * The event as JSON.stringify would write it, at two thirds of its cost: most of it is known to need no
 * escaping, and what is put together here is copied once, when the record leaves.
 */
function spell(event: TrackedEvent): string {
  let json = `{"event_id":${quote(event.event_id)},"name":${quote(event.name)},"occurred_at":"${event.occurred_at}"`
  if (event.client_occurred_at !== undefined)
    json += `,"client_occurred_at":"${event.client_occurred_at}"`
  if (event.actor !== undefined) json += `,"actor":${quote(event.actor)}`
  if (event.session !== undefined) json += `,"session":${quote(event.session)}`
  if (event.source !== undefined) json += `,"source":${quote(event.source)}`
  if (event.value !== undefined) json += `,"value":${JSON.stringify(event.value)}`
  json += `,"properties":${JSON.stringify(event.properties)}`
  if (event.context !== undefined) json += `,"context":${JSON.stringify(event.context)}`
  if (event.schema_version !== undefined) json += `,"schema_version":${quote(event.schema_version)}`
  return `${json}}`
}

const NEEDS_NO_ESCAPE = /^[ !#-[\]-~]*$/

function quote(text: string): string {
  return NEEDS_NO_ESCAPE.test(text) ? `"${text}"` : JSON.stringify(text)
}

function refused(error: f.FieldError): Normalised {
  return { ok: false, errors: [error] }
}

/** Properties, from both places, and context: what Postgres would refuse or change, and what is there twice. */
function checkStorable(
  reading: f.FieldReader,
  keys: readonly (string | undefined)[],
  rest: Record<string, unknown> | undefined,
  given: Record<string, unknown> | undefined,
  context: Record<string, unknown> | undefined,
): void {
  const { hasNoEscapes: wellFormed } = reading
  const quick: StorableBudget = { keys: LIMITS.propertiesKeysMax, hasNoEscapes: wellFormed }
  const good =
    (!rest || isStorable(rest, quick)) &&
    (!given || isStorable(given, quick)) &&
    (!context || isStorable(context, quick))
  if (!good) {
    const budget: StorableBudget = { keys: LIMITS.propertiesKeysMax, hasNoEscapes: wellFormed }
    for (const [part, path] of [
      [rest, []],
      [given, [keys[f.PROPERTIES] as string]],
      [context, [keys[f.CONTEXT] as string]],
    ] as const) {
      const found = part && findUnstorable(part, path, budget)
      if (found) reading.errors.push(found)
    }
  }
  // Only what is known to be of bounded depth can be compared without running out of stack.
  if (good && rest && given)
    for (const key in rest)
      if (Object.hasOwn(given, key) && !same(given[key], rest[key]))
        f.addFieldError(
          reading,
          key,
          'PROPERTY_CONFLICT',
          `is sent twice with different values: here and in ${keys[f.PROPERTIES]}`,
        )
}

/** Both came out of JSON.parse; key order matters here, and a false alarm is only an error to read. */
function same(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b)
}

/** UTF-8 needs one to three bytes for each UTF-16 unit, so most texts need no counting. */
function bytesExceed(text: string, max: number): boolean {
  if (text.length * 3 <= max) return false
  return text.length > max || new TextEncoder().encode(text).length > max
}
