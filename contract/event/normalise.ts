import { pointerTo } from '../json/json.ts'
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
  /** When the edge received the request, RFC 3339 in UTC. */
  receivedAt: string
  /** Makes the event id where the client sent none. @param index of the event in the batch */
  eventId: (index: number) => string
  /** Milliseconds to add to the client's time because its clock is wrong; see `clockSkew`. */
  shiftMs?: number
  /** Accepts a name that starts with `$`, because the sending library chose it. */
  systemName?: boolean
  /** The schema versions that the tenant allows; null allows all. */
  schemaVersions?: readonly string[] | null
  /** Names and properties that the API key allows; null allows all. */
  allowedEvents?: ReadonlySet<string> | null
  allowedProperties?: ReadonlySet<string> | null
  /** The event's JSON text contains no `\u`, so its strings need no check (see StorableBudget). */
  hasNoEscapes?: boolean
}

/**
 * Turns any accepted envelope into a TrackedEvent. Top-level fields that are not in SYNONYMS become
 * properties. Nothing is changed silently: a value that cannot be stored is an error whose pointer
 * names the field as it was sent. A null field counts as not sent.
 */
export function normalise(raw: unknown, ctx: NormaliseContext, index = 0): Normalised {
  if (raw === null || typeof raw !== 'object' || Array.isArray(raw))
    return rejectEvent({ pointer: '', code: 'EVENT_NOT_OBJECT', detail: 'must be a JSON object' })
  const errors: f.FieldError[] = []
  const reader: f.FieldReader = {
    sent: raw as f.Sent,
    errors,
    hasNoEscapes: ctx.hasNoEscapes,
  }
  const { keys, extra } = f.mapKeys(reader)

  const event_id = f.readEventId(reader, keys[f.EVENT_ID])
  const name = f.readName(reader, keys[f.NAME], ctx.systemName)
  const time = f.readOccurredAt(reader, keys[f.OCCURRED_AT])
  const actor = f.readLabel(reader, keys[f.ACTOR], 'ACTOR_INVALID')
  const session = f.readLabel(reader, keys[f.SESSION], 'SESSION_INVALID')
  const source = f.readLabel(reader, keys[f.SOURCE], 'SOURCE_INVALID')
  const value = f.readValue(reader, keys[f.VALUE])
  const schema_version = f.readSchemaVersion(reader, keys[f.SCHEMA_VERSION], ctx.schemaVersions)
  const context = f.readObject(reader, keys[f.CONTEXT], 'CONTEXT_INVALID')
  const declared = f.readObject(reader, keys[f.PROPERTIES], 'PROPERTIES_INVALID')
  checkStorable(reader, keys, extra, declared, context)
  checkAllowed(reader, ctx, name, { keys, extra, declared })
  if (errors.length > 0 || name === undefined) return { ok: false, errors }

  const shifted = ctx.shiftMs && time ? shiftTime(time.time, ctx.shiftMs) : undefined
  const event: TrackedEvent = {
    event_id: event_id ?? ctx.eventId(index),
    name,
    occurred_at: shifted ?? time?.time ?? ctx.receivedAt,
    client_occurred_at: shifted && time?.time,
    // JSON.stringify leaves undefined members out.
    actor,
    session,
    source,
    value,
    properties: extra && declared ? Object.assign(extra, declared) : (extra ?? declared ?? {}),
    context,
    schema_version,
  }
  const json = serialize(event)
  if (bytesExceed(json, LIMITS.eventBytesMax))
    return rejectEvent({ pointer: '', code: 'EVENT_TOO_LARGE', detail: 'is larger than 64 KiB' })
  return { ok: true, event, json, occurredMs: shifted ? Date.parse(shifted) : time?.ms }
}

/**
 * Writes the event exactly as JSON.stringify would, at two thirds of its cost: most strings are known to
 * need no escaping, and the concatenated string is copied only once, when the record is sent.
 */
function serialize(event: TrackedEvent): string {
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

function rejectEvent(error: f.FieldError): Normalised {
  return { ok: false, errors: [error] }
}

/** Reports values of properties and context that Postgres would reject or change, and conflicting duplicates. */
function checkStorable(
  reader: f.FieldReader,
  keys: readonly (string | undefined)[],
  extra: Record<string, unknown> | undefined,
  declared: Record<string, unknown> | undefined,
  context: Record<string, unknown> | undefined,
): void {
  const { hasNoEscapes } = reader
  const quick: StorableBudget = { keys: LIMITS.propertiesKeysMax, hasNoEscapes }
  const good =
    (!extra || isStorable(extra, quick)) &&
    (!declared || isStorable(declared, quick)) &&
    (!context || isStorable(context, quick))
  if (!good) {
    const budget: StorableBudget = { keys: LIMITS.propertiesKeysMax, hasNoEscapes }
    for (const [part, path] of [
      [extra, []],
      [declared, [keys[f.PROPERTIES] as string]],
      [context, [keys[f.CONTEXT] as string]],
    ] as const) {
      const found = part && findUnstorable(part, path, budget)
      if (found) reader.errors.push(found)
    }
  }
  // Comparing recursively is safe only after the depth was checked.
  if (good && extra && declared)
    for (const key in extra)
      if (Object.hasOwn(declared, key) && !isSameJson(declared[key], extra[key]))
        f.addFieldError(
          reader,
          key,
          'PROPERTY_CONFLICT',
          `is sent twice with different values: here and in ${keys[f.PROPERTIES]}`,
        )
}

/** Of one event. */
const REFUSED_PROPERTIES_MAX = 20

/** Anyone can read a public key, so its lists say what may be sent with it. */
function checkAllowed(
  reader: f.FieldReader,
  { allowedEvents, allowedProperties }: NormaliseContext,
  name: string | undefined,
  { keys, extra, declared }: f.KeyMapping & { declared: Record<string, unknown> | undefined },
): void {
  if (allowedEvents && name !== undefined && !allowedEvents.has(name))
    f.addFieldError(
      reader,
      keys[f.NAME] as string,
      'EVENT_NOT_ALLOWED',
      'is not one of the names that this API key may send',
    )
  if (!allowedProperties) return
  const found = [
    ...Object.keys(extra ?? {}).map((key) => [key]),
    ...Object.keys(declared ?? {}).map((key) => [keys[f.PROPERTIES] as string, key]),
  ].filter((path) => !allowedProperties.has(path.at(-1) as string))
  for (const path of found.slice(0, REFUSED_PROPERTIES_MAX))
    reader.errors.push({
      pointer: pointerTo(path),
      code: 'PROPERTY_NOT_ALLOWED',
      detail: 'is not one of the properties that this API key may send',
    })
}

/** Key order matters: equal objects in another order are reported as a conflict, which loses nothing. */
function isSameJson(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b)
}

/** UTF-8 takes one to three bytes for each UTF-16 unit, so most texts need no encoding to measure them. */
function bytesExceed(text: string, max: number): boolean {
  if (text.length * 3 <= max) return false
  return text.length > max || new TextEncoder().encode(text).length > max
}
