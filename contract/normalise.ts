import { SYNONYMS, type TrackedEvent } from './event.ts'
import { pointerTo } from './json.ts'
import { LIMITS } from './limits.ts'
import type { ItemError, ItemErrorCode } from './refusals.ts'
import { findUnstorable, unstorableText } from './storable.ts'
import { readTime, shiftTime } from './time.ts'
import { isUuid } from './uuid.ts'

export type FieldError = Omit<ItemError, 'index'>

export type Normalised =
  | {
      ok: true
      event: TrackedEvent
      /** The event as JSON, made once: the size is measured on it and the record is built around it. */
      json: string
    }
  | { ok: false; errors: FieldError[] }

/** What an event takes from its request. */
export interface Circumstances {
  /** RFC 3339 in UTC: when the request came in. */
  receivedAt: string
  /** Called when the client chose no event id. */
  eventId: () => string
  /** Added to the client's time, because its clock is wrong; see `clockSkew`. */
  shiftMs?: number
  /** A name that begins with `$` is the sending library's own, and is kept. */
  systemName?: boolean
  /** The tenant's; null takes every version. */
  schemaVersions?: readonly string[] | null
}

/**
 * The one normaliser: any accepted envelope into a TrackedEvent. Top-level fields that no synonym
 * names become properties. Nothing is changed silently: what cannot be kept is an error with the
 * pointer of the place where it was sent. A field that is null counts as not sent.
 */
export function normalise(raw: unknown, at: Circumstances): Normalised {
  if (raw === null || typeof raw !== 'object' || Array.isArray(raw))
    return {
      ok: false,
      errors: [{ pointer: '', code: 'EVENT_NOT_OBJECT', detail: 'an event is a JSON object' }],
    }
  const sent = raw as Record<string, unknown>
  const errors: FieldError[] = []
  const taken = new Set<string>()

  function take(field: keyof typeof SYNONYMS): { key: string; value: unknown } | undefined {
    for (const key of SYNONYMS[field]) {
      // Own members only: a name such as "constructor" must not find Object's.
      if (!Object.hasOwn(sent, key) || sent[key] === null) continue
      taken.add(key)
      return { key, value: sent[key] }
    }
    return undefined
  }
  function refuse(key: string, code: ItemErrorCode, detail: string): undefined {
    errors.push({ pointer: pointerTo([key]), code, detail })
    return undefined
  }
  function label(field: 'actor' | 'session' | 'source', code: ItemErrorCode): string | undefined {
    const found = take(field)
    if (!found) return undefined
    // Classic clients number their users; a whole number has one spelling, so nothing is lost.
    const text = Number.isSafeInteger(found.value) ? String(found.value) : found.value
    if (typeof text !== 'string' || text === '' || longerThan(text, LIMITS.labelCharsMax))
      return refuse(
        found.key,
        code,
        `must be a string of 1 to ${LIMITS.labelCharsMax} characters, or a whole number`,
      )
    const why = unstorableText(text)
    return why ? refuse(found.key, 'STRING_UNSTORABLE', why) : text
  }
  function object(field: 'properties' | 'context', code: ItemErrorCode) {
    const found = take(field)
    if (!found) return undefined
    if (typeof found.value !== 'object' || Array.isArray(found.value))
      return refuse(found.key, code, 'must be a JSON object')
    return { key: found.key, value: found.value as Record<string, unknown> }
  }

  const event_id = readEventId(take('event_id'), refuse)
  const name = readName(take('name'), refuse, at.systemName)
  const written = readOccurredAt(take('occurred_at'), refuse)
  const actor = label('actor', 'ACTOR_INVALID')
  const session = label('session', 'SESSION_INVALID')
  const source = label('source', 'SOURCE_INVALID')
  const value = readValue(take('value'), refuse)
  const schema_version = readSchemaVersion(take('schema_version'), refuse, at.schemaVersions)
  const context = object('context', 'CONTEXT_INVALID')
  const given = object('properties', 'PROPERTIES_INVALID')

  const budget = { keys: LIMITS.propertiesKeysMax }
  const rest: Record<string, unknown> = {}
  const twice: string[] = []
  let restCount = 0
  for (const key of Object.keys(sent)) {
    if (taken.has(key)) continue
    if (isCanonical(key) && sent[key] === null) continue
    if (key === '__proto__') {
      refuse(key, 'KEY_RESERVED', 'the key __proto__ is reserved')
      continue
    }
    rest[key] = sent[key]
    restCount++
    if (given && Object.hasOwn(given.value, key)) twice.push(key)
  }
  const unstorable = [
    restCount > 0 && findUnstorable(rest, [], budget),
    given && findUnstorable(given.value, [given.key], budget),
    context && findUnstorable(context.value, [context.key], budget),
  ].filter((found) => found !== undefined && found !== false)
  errors.push(...unstorable)
  // Only what is known to be of bounded depth can be compared without running out of stack.
  if (given && unstorable.length === 0)
    for (const key of twice)
      if (!same(given.value[key], sent[key]))
        refuse(
          key,
          'PROPERTY_CONFLICT',
          `is sent twice with different values: here and in ${given.key}`,
        )

  if (errors.length > 0 || name === undefined) return { ok: false, errors }
  const shifted = at.shiftMs && written ? shiftTime(written, at.shiftMs) : undefined
  const event: TrackedEvent = {
    event_id: event_id ?? at.eventId(),
    name,
    occurred_at: shifted ?? written ?? at.receivedAt,
    client_occurred_at: shifted && written,
    // undefined members are left out by JSON.stringify
    actor,
    session,
    source,
    value,
    properties: given ? (restCount > 0 ? { ...rest, ...given.value } : given.value) : rest,
    context: context?.value,
    schema_version,
  }
  const json = JSON.stringify(event)
  if (bytesExceed(json, LIMITS.eventBytesMax))
    return {
      ok: false,
      errors: [{ pointer: '', code: 'EVENT_TOO_LARGE', detail: 'is larger than 64 KiB' }],
    }
  return { ok: true, event, json }
}

type Found = { key: string; value: unknown } | undefined
type Refuse = (key: string, code: ItemErrorCode, detail: string) => undefined

const VISIBLE_ASCII = /^[\x21-\x7e]+$/
const ASCII = /^[ -~]*$/

function readEventId(found: Found, refuse: Refuse): string | undefined {
  if (!found) return undefined
  const id = found.value
  if (typeof id !== 'string' || id.length > LIMITS.eventIdCharsMax || !VISIBLE_ASCII.test(id))
    return refuse(
      found.key,
      'EVENT_ID_INVALID',
      `must be a string of 1 to ${LIMITS.eventIdCharsMax} visible ASCII characters`,
    )
  return isUuid(id) ? id.toLowerCase() : id
}

function readName(found: Found, refuse: Refuse, systemName = false): string | undefined {
  if (!found)
    return refuse(
      'name',
      'NAME_MISSING',
      'is missing: an event needs a name (name, event, event_type or event_name)',
    )
  if (typeof found.value !== 'string') return refuse(found.key, 'NAME_INVALID', 'must be a string')
  const why = unstorableText(found.value)
  if (why) return refuse(found.key, 'STRING_UNSTORABLE', why)
  // Most names are ASCII, which is composed already; ICU would be asked for nothing.
  const name = (ASCII.test(found.value) ? found.value : found.value.normalize('NFC')).trim()
  if (name === '' || longerThan(name, LIMITS.eventNameCharsMax))
    return refuse(
      found.key,
      'NAME_INVALID',
      `must have 1 to ${LIMITS.eventNameCharsMax} characters`,
    )
  if (name.startsWith('$') && !systemName)
    return refuse(found.key, 'NAME_RESERVED', 'names that start with $ are reserved')
  return name
}

function readOccurredAt(found: Found, refuse: Refuse): string | undefined {
  if (!found) return undefined
  const read = readTime(found.value)
  return read.ok ? read.time : refuse(found.key, 'OCCURRED_AT_INVALID', read.detail)
}

function readValue(found: Found, refuse: Refuse): number | undefined {
  if (!found) return undefined
  if (typeof found.value !== 'number') return refuse(found.key, 'VALUE_INVALID', 'must be a number')
  if (!Number.isFinite(found.value))
    return refuse(found.key, 'NUMBER_UNREPRESENTABLE', 'is a number that a double cannot hold')
  if (Math.abs(found.value) > LIMITS.valueMax)
    return refuse(
      found.key,
      'VALUE_INVALID',
      `must lie between -${LIMITS.valueMax} and ${LIMITS.valueMax}`,
    )
  return found.value
}

function readSchemaVersion(
  found: Found,
  refuse: Refuse,
  allowed: readonly string[] | null | undefined,
): string | undefined {
  if (!found) return undefined
  const text = Number.isSafeInteger(found.value) ? String(found.value) : found.value
  if (
    typeof text !== 'string' ||
    text.length > LIMITS.schemaVersionCharsMax ||
    !VISIBLE_ASCII.test(text)
  )
    return refuse(
      found.key,
      'SCHEMA_VERSION_INVALID',
      `must be a whole number, or a string of 1 to ${LIMITS.schemaVersionCharsMax} visible ASCII characters`,
    )
  if (allowed && !allowed.includes(text))
    return refuse(
      found.key,
      'SCHEMA_VERSION_NOT_ALLOWED',
      `is none of the versions that this tenant takes: ${allowed.slice(0, 20).join(', ')}`,
    )
  return text
}

const CANONICAL = new Set<string>(Object.values(SYNONYMS).flat())

function isCanonical(key: string): boolean {
  return CANONICAL.has(key)
}

/** Both came out of JSON.parse; key order matters here, and a false alarm is only an error to read. */
function same(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b)
}

/** Characters are code points: an emoji is one. */
function longerThan(text: string, max: number): boolean {
  return text.length > max && (text.length > 2 * max || [...text].length > max)
}

/** UTF-8 needs one to three bytes for each UTF-16 unit, so most texts need no counting. */
function bytesExceed(text: string, max: number): boolean {
  if (text.length * 3 <= max) return false
  return text.length > max || new TextEncoder().encode(text).length > max
}
