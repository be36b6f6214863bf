import type { ItemError, ItemErrorCode } from '../errors.ts'
import { pointerTo } from '../json/json.ts'
import { LIMITS } from '../limits.ts'
import { SYNONYMS } from './event.ts'
import { unstorableText } from './storable.ts'
import { type ReadTime, readTime } from './time.ts'
import { isUuid } from './uuid.ts'

export type FieldError = Omit<ItemError, 'index'>

/** A field as it was sent: under which key, and what. No key: it was not sent, or null. */
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

/** Field and rank of every synonym in one number (16 ranks a field): what a key is costs one look-up. */
const FIELD_RANKS = new Map<string, number>(
  FIELDS.flatMap((field, f) =>
    SYNONYMS[field].map((key, rank): [string, number] => [key, (f << 4) | rank]),
  ),
)

export interface KeyMapping {
  /** For each field the key that counts: the first of its synonyms that was sent and is not null. */
  keys: (string | undefined)[]
  /** What no field took: losing synonyms too, as in `{"event":"signup","name":"Ada"}`. Ours to add to. */
  extra: Record<string, unknown> | undefined
}

/** Sorts what was sent into fields and properties, in one go over its keys. */
export function mapKeys({ sent, errors: faults }: FieldReader): KeyMapping {
  const keys: KeyMapping['keys'] = FIELDS.map(() => undefined)
  let rest: KeyMapping['extra']
  for (const key in sent) {
    const place = FIELD_RANKS.get(key)
    let property = key
    if (place !== undefined) {
      if (sent[key] === null) continue
      const field = place >> 4
      const other = keys[field]
      if (other === undefined || place < (FIELD_RANKS.get(other) as number)) keys[field] = key
      if (other === undefined) continue
      if (keys[field] === key) property = other
    } else if (key === '__proto__') {
      addFieldError({ errors: faults }, key, 'KEY_RESERVED', 'the key __proto__ is reserved')
      continue
    }
    rest ??= {}
    rest[property] = sent[property]
  }
  return { keys, extra: rest }
}

/** Reads fields and gathers what is wrong with them. */
export interface FieldReader {
  sent: Sent
  errors: FieldError[]
  /** See StorableBudget. */
  hasNoEscapes?: boolean
}

export function addFieldError(
  { errors: faults }: Pick<FieldReader, 'errors'>,
  key: string,
  code: ItemErrorCode,
  detail: string,
): undefined {
  faults.push({ pointer: pointerTo([key]), code, detail })
  return undefined
}

const VISIBLE_ASCII = /^[\x21-\x7e]+$/
const ASCII = /^[ -~]*$/

export function readEventId(at: FieldReader, key: string | undefined): string | undefined {
  if (key === undefined) return undefined
  const id = at.sent[key]
  if (typeof id !== 'string' || id.length > LIMITS.eventIdCharsMax || !VISIBLE_ASCII.test(id))
    return addFieldError(
      at,
      key,
      'EVENT_ID_INVALID',
      `must be a string of 1 to ${LIMITS.eventIdCharsMax} visible ASCII characters`,
    )
  return isUuid(id) ? id.toLowerCase() : id
}

export function readName(
  at: FieldReader,
  key: string | undefined,
  systemName = false,
): string | undefined {
  if (key === undefined)
    return addFieldError(
      at,
      'name',
      'NAME_MISSING',
      'is missing: an event needs a name (name, event, event_type or event_name)',
    )
  const sent = at.sent[key]
  if (typeof sent !== 'string') return addFieldError(at, key, 'NAME_INVALID', 'must be a string')
  const why = at.hasNoEscapes ? undefined : unstorableText(sent)
  if (why) return addFieldError(at, key, 'STRING_UNSTORABLE', why)
  // Most names are ASCII, which is composed already; ICU would be asked for nothing.
  const name = (ASCII.test(sent) ? sent : sent.normalize('NFC')).trim()
  if (name === '' || longerThan(name, LIMITS.eventNameCharsMax))
    return addFieldError(
      at,
      key,
      'NAME_INVALID',
      `must have 1 to ${LIMITS.eventNameCharsMax} characters`,
    )
  if (!systemName && name.startsWith('$'))
    return addFieldError(at, key, 'NAME_RESERVED', 'names that start with $ are reserved')
  return name
}

export function readOccurredAt(
  at: FieldReader,
  key: string | undefined,
): Extract<ReadTime, { ok: true }> | undefined {
  if (key === undefined) return undefined
  const read = readTime(at.sent[key])
  return read.ok ? read : addFieldError(at, key, 'OCCURRED_AT_INVALID', read.detail)
}

/** actor, session, source */
export function readLabel(
  at: FieldReader,
  key: string | undefined,
  code: ItemErrorCode,
): string | undefined {
  if (key === undefined) return undefined
  const sent = at.sent[key]
  // Classic clients number their users; a whole number has one spelling, so nothing is lost.
  const text = Number.isSafeInteger(sent) ? String(sent) : sent
  if (typeof text !== 'string' || text === '' || longerThan(text, LIMITS.labelCharsMax))
    return addFieldError(
      at,
      key,
      code,
      `must be a string of 1 to ${LIMITS.labelCharsMax} characters, or a whole number`,
    )
  const why = at.hasNoEscapes ? undefined : unstorableText(text)
  return why ? addFieldError(at, key, 'STRING_UNSTORABLE', why) : text
}

export function readValue(at: FieldReader, key: string | undefined): number | undefined {
  if (key === undefined) return undefined
  const value = at.sent[key]
  if (typeof value !== 'number') return addFieldError(at, key, 'VALUE_INVALID', 'must be a number')
  if (!Number.isFinite(value))
    return addFieldError(at, key, 'NUMBER_UNREPRESENTABLE', 'is a number that a double cannot hold')
  if (Math.abs(value) > LIMITS.valueMax)
    return addFieldError(
      at,
      key,
      'VALUE_INVALID',
      `must lie between -${LIMITS.valueMax} and ${LIMITS.valueMax}`,
    )
  return value
}

/** properties, context */
export function readObject(
  at: FieldReader,
  key: string | undefined,
  code: ItemErrorCode,
): Record<string, unknown> | undefined {
  if (key === undefined) return undefined
  const value = at.sent[key]
  if (typeof value !== 'object' || Array.isArray(value))
    return addFieldError(at, key, code, 'must be a JSON object')
  return value as Record<string, unknown>
}

/** @param allowed the tenant's list; null takes every version */
export function readSchemaVersion(
  at: FieldReader,
  key: string | undefined,
  allowed: readonly string[] | null | undefined,
): string | undefined {
  if (key === undefined) return undefined
  const sent = at.sent[key]
  const text = Number.isSafeInteger(sent) ? String(sent) : sent
  if (
    typeof text !== 'string' ||
    text.length > LIMITS.schemaVersionCharsMax ||
    !VISIBLE_ASCII.test(text)
  )
    return addFieldError(
      at,
      key,
      'SCHEMA_VERSION_INVALID',
      `must be a whole number, or a string of 1 to ${LIMITS.schemaVersionCharsMax} visible ASCII characters`,
    )
  if (allowed && !allowed.includes(text))
    return addFieldError(
      at,
      key,
      'SCHEMA_VERSION_NOT_ALLOWED',
      `is none of the versions that this tenant takes: ${allowed.slice(0, 20).join(', ')}`,
    )
  return text
}

/** Characters are code points: an emoji is one. */
function longerThan(text: string, max: number): boolean {
  return text.length > max && (text.length > 2 * max || [...text].length > max)
}
