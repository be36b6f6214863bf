import { LIMITS } from '../../../contract/limits.ts'
import { isOriginPattern } from '../../../contract/origin.ts'
import { IdentityError } from '../identity-error.ts'

const ORIGINS_MAX = 100
const NAME_CHARS_MAX = 200
/** Of Postgres' integer. */
const EVENTS_PER_MINUTE_MAX = 2_147_483_647

/** Settings of a key that can be changed; what is left out stays. */
export interface KeySettings {
  /** Display name. */
  name?: string | undefined
  /** Origins that browsers may send from, as `isOriginPattern` accepts them; none means any. */
  origins?: readonly string[] | undefined
  /** Null: the default of contract/limits.ts. */
  eventsPerMinute?: number | null | undefined
  mayImportHistory?: boolean | undefined
  /** Null: never. */
  expiresAt?: Date | null | undefined
  /** Names of events that it may send; null means any. Of a public key only. */
  allowedEvents?: readonly string[] | null | undefined
  /** Properties, at their top level, that its events may have; null means any. Of a public key only. */
  allowedProperties?: readonly string[] | null | undefined
}

/** As columns of api_key. */
export interface KeyColumns {
  name: string | undefined
  origins: string[] | undefined
  events_per_minute: number | null | undefined
  may_import_history: boolean | undefined
  expires_at: Date | null | undefined
  allowed_events: string[] | null | undefined
  allowed_properties: string[] | null | undefined
}

/** @throws IdentityError that names the setting */
export function parseSettings(settings: KeySettings, isPublic: boolean): KeyColumns {
  const { name, origins, eventsPerMinute, mayImportHistory, expiresAt } = settings
  const { allowedEvents, allowedProperties } = settings
  for (const argument of ['allowedEvents', 'allowedProperties'] as const)
    if (settings[argument] && !isPublic)
      throw invalid(argument, 'can only be set for a public key: others hold a secret.')
  return {
    name: name === undefined ? undefined : parseName(name),
    origins: origins && parseOrigins(origins),
    events_per_minute:
      eventsPerMinute == null ? eventsPerMinute : parseEventsPerMinute(eventsPerMinute),
    may_import_history: mayImportHistory,
    expires_at: expiresAt,
    allowed_events:
      allowedEvents &&
      parseList(
        'allowedEvents',
        allowedEvents.map((name) => name.normalize('NFC').trim()),
        LIMITS.keyAllowedEventsMax,
        LIMITS.eventNameCharsMax,
      ),
    allowed_properties:
      allowedProperties &&
      parseList(
        'allowedProperties',
        allowedProperties,
        LIMITS.keyAllowedPropertiesMax,
        LIMITS.propertyKeyCharsMax,
      ),
  }
}

function parseName(name: string): string {
  const read = name.trim()
  if (read === '' || read.length > NAME_CHARS_MAX || !isOneLine(read))
    throw invalid('name', `is not one line of 1 to ${NAME_CHARS_MAX} characters.`)
  return read
}

function parseEventsPerMinute(value: number): number {
  if (!Number.isInteger(value) || value < 1 || value > EVENTS_PER_MINUTE_MAX)
    throw invalid('eventsPerMinute', `is not a whole number from 1 to ${EVENTS_PER_MINUTE_MAX}.`)
  return value
}

/** In lower case and without duplicates, as the edge compares them. */
export function parseOrigins(origins: readonly string[]): string[] {
  const read = origins.map((origin) => origin.trim().toLowerCase())
  for (const origin of read)
    if (!/^https?:/.test(origin) || !isOriginPattern(origin))
      throw new IdentityError(
        `"${origin}" is not an origin; use https://shop.example, https://shop.example:8443 or https://*.shop.example.`,
        'BAD_USER_INPUT',
        'origins',
      )
  if (read.length > ORIGINS_MAX)
    throw new IdentityError(
      `A key takes at most ${ORIGINS_MAX} origins.`,
      'BAD_USER_INPUT',
      'origins',
    )
  return [...new Set(read)]
}

/** Exactly as events have them: nothing is trimmed. An empty list would refuse every event with a property. */
function parseList(
  argument: string,
  values: readonly string[],
  max: number,
  charsMax: number,
): string[] {
  const read = [...new Set(values)]
  if (read.length > max) throw invalid(argument, `has more than ${max} entries.`)
  const bad = read.find((value) => value === '' || value.length > charsMax || !isOneLine(value))
  if (bad !== undefined)
    throw invalid(argument, `has an entry that is not one line of 1 to ${charsMax} characters.`)
  return read
}

function isOneLine(text: string): boolean {
  return !/[\p{Cc}\u2028\u2029]/u.test(text) && text.isWellFormed()
}

function invalid(argument: string, reason: string): IdentityError {
  return new IdentityError(`${argument} ${reason}`, 'BAD_USER_INPUT', argument)
}
