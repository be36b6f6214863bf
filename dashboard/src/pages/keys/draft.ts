import { DateTime } from 'luxon'
import type { ApiKey, KeyChanges, KeyInput } from './queries.ts'

/** What a person fills in. */
export interface KeyDraft {
  name: string
  kind: ApiKey['kind']
  scopes: ApiKey['scopes']
  origins: string[]
  /** As typed; empty: the default. */
  eventsPerMinute: string
  /** None: any. */
  allowedEvents: string[]
  allowedProperties: string[]
  mayImportHistory: boolean
  /** `2026-11-30T18:00`, local time; empty: never. */
  expires: string
}

const LOCAL = "yyyy-MM-dd'T'HH:mm"

export const emptyDraft = (): KeyDraft => ({
  name: '',
  kind: 'PUBLIC',
  scopes: ['INGEST'],
  origins: [],
  eventsPerMinute: '',
  allowedEvents: [],
  allowedProperties: [],
  mayImportHistory: false,
  expires: '',
})

export const draftOf = (key: ApiKey, zone: string): KeyDraft => ({
  name: key.name,
  kind: key.kind,
  scopes: [...key.scopes],
  origins: [...key.origins],
  eventsPerMinute: key.eventsPerMinute?.toString() ?? '',
  allowedEvents: [...(key.allowedEvents ?? [])],
  allowedProperties: [...(key.allowedProperties ?? [])],
  mayImportHistory: key.mayImportHistory,
  expires: key.expiresAt ? DateTime.fromISO(key.expiresAt, { zone }).toFormat(LOCAL) : '',
})

/** All that can be changed, as it is to be. */
export function changesOf(draft: KeyDraft, zone: string): KeyChanges {
  const isPublic = draft.kind === 'PUBLIC'
  const listOf = (names: string[]) => (isPublic && names.length > 0 ? names : null)
  return {
    name: draft.name.trim(),
    origins: draft.origins,
    eventsPerMinute: draft.eventsPerMinute === '' ? null : Number(draft.eventsPerMinute),
    mayImportHistory: !isPublic && draft.mayImportHistory,
    expiresAt:
      draft.expires === '' ? null : DateTime.fromISO(draft.expires, { zone }).toUTC().toISO(),
    allowedEvents: listOf(draft.allowedEvents),
    allowedProperties: listOf(draft.allowedProperties),
  }
}

export const inputOf = (draft: KeyDraft, zone: string): KeyInput => ({
  ...changesOf(draft, zone),
  name: draft.name.trim(),
  kind: draft.kind,
  scopes: draft.scopes,
})
