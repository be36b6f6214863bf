import type { ItemError, ItemErrorCode } from '../errors.ts'
import { pointerTo } from '../json/json.ts'
import { LIMITS } from '../limits.ts'
import { SYNONYMS } from './event.ts'
import { unstorableText } from './storable.ts'
import { type ReadTime, readTime } from './time.ts'
import { isUuid } from './uuid.ts'

export type FieldError = Omit<ItemError, 'index'>

/** The event's members as the client sent them. */
export type Sent = Record<string, unknown>

export const FIELDS = Object.keys(SYNONYMS) as readonly (keyof typeof SYNONYMS)[]
export const EVENT_ID = FIELDS.indexOf('event_id')
export const NAME = FIELDS.indexOf('name')
export const OCCURRED_AT = FIELDS.indexOf('occurred_at')
export const ACTOR = FIELDS.indexOf('actor')
export const SESSION = FIELDS.indexOf('session')
export const SOURCE = FIELDS.indexOf('source')
export const VALUE = FIELDS.indexOf('value')
export const PROPERTIES = FIELDS.indexOf('properties')
export const CONTEXT = FIELDS.indexOf('context')
export const SCHEMA_VERSION = FIELDS.indexOf('schema_version')

/** Field and rank of every synonym in one number (16 ranks a field), so that a key costs one look-up. */
const FIELD_RANKS = new Map<string, number>(
  FIELDS.flatMap((field, f) =>
    SYNONYMS[field].map((key, rank): [string, number] => [key, (f << 4) | rank]),
  ),
)

export interface KeyMapping {
  /** For each field the key in use: the first of its synonyms that was sent and is not null. */
  keys: (string | undefined)[]
  /** All other members, unused synonyms included: `name` in `{"event":"signup","name":"Ada"}`. A new object. */
  extra: Record<string, unknown> | undefined
}

/** Assigns each key that was sent to a field or to the extra properties, in one pass. */
export function mapKeys({ sent, errors }: FieldReader): KeyMapping {
  const keys: KeyMapping['keys'] = FIELDS.map(() => undefined)
  let extra: KeyMapping['extra']
  for (const key in sent) {
    const rank = FIELD_RANKS.get(key)
    let property = key
    if (rank !== undefined) {
      if (sent[key] === null) continue
      const field = rank >> 4
      const other = keys[field]
      if (other === undefined || rank < (FIELD_RANKS.get(other) as number)) keys[field] = key
      if (other === undefined) continue
      if (keys[field] === key) property = other
    } else if (key === '__proto__') {
      addFieldError({ errors }, key, 'KEY_RESERVED', 'the key __proto__ is reserved')
      continue
    }
    extra ??= {}
    extra[property] = sent[property]
  }
  return { keys, extra }
}

/** The members of one event, and the errors found while reading them. */
export interface FieldReader {
  sent: Sent
  errors: FieldError[]
  /** See StorableBudget. */
  hasNoEscapes?: boolean
}

export function addFieldError(
  { errors }: Pick<FieldReader, 'errors'>,
  key: string,
  code: ItemErrorCode,
  detail: string,
): undefined {
  errors.push({ pointer: pointerTo([key]), code, detail })
  return undefined
}

const VISIBLE_ASCII = /^[\x21-\x7e]+$/
const ASCII = /^[ -~]*$/

/** A control character or a line break anywhere, or nothing that can be seen: nobody could ask for that name. */
const UNREADABLE = /[\p{Cc}\p{Zl}\p{Zp}]|^[\p{Z}\p{Cf}\p{Default_Ignorable_Code_Point}\u2800]*$/u
/** What a query takes, or shows, for several names. */
const RESERVED_NAMES: ReadonlySet<string> = new Set(['*', '(other)'])

export function readEventId(reader: FieldReader, key: string | undefined): string | undefined {
  if (key === undefined) return undefined
  const id = reader.sent[key]
  if (typeof id !== 'string' || id.length > LIMITS.eventIdCharsMax || !VISIBLE_ASCII.test(id))
    return addFieldError(
      reader,
      key,
      'EVENT_ID_INVALID',
      `must be a string of 1 to ${LIMITS.eventIdCharsMax} visible ASCII characters`,
    )
  return isUuid(id) ? id.toLowerCase() : id
}

export function readName(
  reader: FieldReader,
  key: string | undefined,
  systemName = false,
): string | undefined {
  if (key === undefined)
    return addFieldError(
      reader,
      'name',
      'NAME_MISSING',
      'is missing: an event needs a name (name, event, event_type or event_name)',
    )
  const sent = reader.sent[key]
  if (typeof sent !== 'string')
    return addFieldError(reader, key, 'NAME_INVALID', 'must be a string')
  const why = reader.hasNoEscapes ? undefined : unstorableText(sent)
  if (why) return addFieldError(reader, key, 'STRING_UNSTORABLE', why)
  // Most names are ASCII, which is composed already and needs no call to ICU.
  const isAscii = ASCII.test(sent)
  const name = (isAscii ? sent : sent.normalize('NFC')).trim()
  if (name === '' || isLongerThan(name, LIMITS.eventNameCharsMax))
    return addFieldError(
      reader,
      key,
      'NAME_INVALID',
      `must have 1 to ${LIMITS.eventNameCharsMax} characters`,
    )
  if (!isAscii && UNREADABLE.test(name))
    return addFieldError(
      reader,
      key,
      'NAME_INVALID',
      'must be one line of visible characters: no line breaks, no control characters',
    )
  if (RESERVED_NAMES.has(name))
    return addFieldError(
      reader,
      key,
      'NAME_RESERVED',
      'must not be * or (other): queries use those for all names and for all others',
    )
  if (!systemName && name.startsWith('$'))
    return addFieldError(
      reader,
      key,
      'NAME_RESERVED',
      'must not start with $: those names are reserved',
    )
  return name
}

export function readOccurredAt(
  reader: FieldReader,
  key: string | undefined,
): Extract<ReadTime, { ok: true }> | undefined {
  if (key === undefined) return undefined
  const read = readTime(reader.sent[key])
  return read.ok ? read : addFieldError(reader, key, 'OCCURRED_AT_INVALID', read.detail)
}

/** actor, session, source */
export function readLabel(
  reader: FieldReader,
  key: string | undefined,
  code: ItemErrorCode,
): string | undefined {
  if (key === undefined) return undefined
  const sent = reader.sent[key]
  // Clients of the legacy formats number their users; a whole number has one notation, so nothing is lost.
  const text = Number.isSafeInteger(sent) ? String(sent) : sent
  if (typeof text !== 'string' || text === '' || isLongerThan(text, LIMITS.labelCharsMax))
    return addFieldError(
      reader,
      key,
      code,
      `must be a string of 1 to ${LIMITS.labelCharsMax} characters, or a whole number`,
    )
  const why = reader.hasNoEscapes ? undefined : unstorableText(text)
  return why ? addFieldError(reader, key, 'STRING_UNSTORABLE', why) : text
}

export function readValue(reader: FieldReader, key: string | undefined): number | undefined {
  if (key === undefined) return undefined
  const value = reader.sent[key]
  if (typeof value !== 'number')
    return addFieldError(reader, key, 'VALUE_INVALID', 'must be a number')
  if (!Number.isFinite(value))
    return addFieldError(
      reader,
      key,
      'NUMBER_UNREPRESENTABLE',
      'is a number that a double cannot hold; send it as a string',
    )
  if (Math.abs(value) > LIMITS.valueMax)
    return addFieldError(
      reader,
      key,
      'VALUE_INVALID',
      `must lie between -${LIMITS.valueMax} and ${LIMITS.valueMax}`,
    )
  return value
}

/** properties, context */
export function readObject(
  reader: FieldReader,
  key: string | undefined,
  code: ItemErrorCode,
): Record<string, unknown> | undefined {
  if (key === undefined) return undefined
  const value = reader.sent[key]
  if (typeof value !== 'object' || Array.isArray(value))
    return addFieldError(reader, key, code, 'must be a JSON object')
  return value as Record<string, unknown>
}

/** @param allowed the tenant's list; null allows all */
export function readSchemaVersion(
  reader: FieldReader,
  key: string | undefined,
  allowed: readonly string[] | null | undefined,
): string | undefined {
  if (key === undefined) return undefined
  const sent = reader.sent[key]
  const text = Number.isSafeInteger(sent) ? String(sent) : sent
  if (
    typeof text !== 'string' ||
    text.length > LIMITS.schemaVersionCharsMax ||
    !VISIBLE_ASCII.test(text)
  )
    return addFieldError(
      reader,
      key,
      'SCHEMA_VERSION_INVALID',
      `must be a whole number, or a string of 1 to ${LIMITS.schemaVersionCharsMax} visible ASCII characters`,
    )
  if (allowed && !allowed.includes(text))
    return addFieldError(
      reader,
      key,
      'SCHEMA_VERSION_NOT_ALLOWED',
      `must be one of the versions that this tenant allows: ${allowed.slice(0, 20).join(', ')}`,
    )
  return text
}

/** Counts code points: an emoji counts as one character. */
function isLongerThan(text: string, max: number): boolean {
  return text.length > max && (text.length > 2 * max || [...text].length > max)
}
