import { SYNONYMS } from '../../../contract/event/event.ts'
import { isObject } from '../../../contract/json/is-object.ts'
import { LIMITS } from '../../../contract/limits.ts'
import type { DeadReason } from '../../../contract/log/record.ts'
import type { DeadLetter } from './decoded.ts'

/** Of a dead letter, what it is grouped by and what a replay needs beside `original`. */
export type DeadStamp = Pick<DeadLetter, 'pointer' | 'name' | 'stamp'>

/** Of a record that states nothing that can be believed. */
export const UNSTAMPED = { keyId: null, pointer: null, name: null, stamp: null } as const

export interface DeadStampContext {
  reason: DeadReason
  detail: string
  pointer?: string | undefined
  /** `original` is what the client sent, and not the record. */
  hasOriginal: boolean
}

/**
 * The record is kept without what `original` has: without its event where that is the record, without a second copy of
 * what the client sent otherwise.
 * @param stated the record; undefined where it lacks what each record has to state
 */
export function stampOf(stated: object | undefined, context: DeadStampContext): DeadStamp {
  const { reason, detail, hasOriginal } = context
  const pointer =
    context.pointer === undefined ? pointerOf(reason, detail) : storable(context.pointer)
  // Numbers that a double cannot hold would be lost here; in the record itself they are kept.
  const isLossy = hasOriginal && reason === 'UNSTORABLE'
  if (stated === undefined || isLossy) return { pointer, name: null, stamp: null }
  const { event, original, refused, base64, ...stamp } = stated as Record<string, unknown>
  const kept = hasOriginal ? { ...stamp, ...(refused === undefined && { event }) } : stamp
  return {
    pointer,
    name: nameOf(event ?? (typeof original === 'string' ? parse(original) : undefined)),
    // JSON escapes what a text column cannot hold.
    stamp: JSON.stringify({ ...kept, ...(refused !== undefined && { refused: true }) }),
  }
}

const NAMED =
  /^(\/\S+|event_id|name|occurred_at|actor|session|source|schema_version|value|properties|context) /

function pointerOf(reason: DeadReason, detail: string): string | null {
  if (/^OCCURRED_AT_/.test(reason)) return '/occurred_at'
  if (reason === 'RECEIVED_AT_OUT_OF_RANGE') return '/received_at'
  if (reason !== 'EVENT_INVALID' && reason !== 'UNSTORABLE') return null
  const [, found] = NAMED.exec(detail) ?? []
  if (found === undefined) return null
  return storable(found.startsWith('/') ? found : `/${found}`)
}

function nameOf(event: unknown): string | null {
  if (!isObject(event)) return null
  for (const key of SYNONYMS.name) {
    const name = Object.hasOwn(event, key) ? event[key] : undefined
    if (typeof name === 'string' && name !== '') return storable(name)
  }
  return null
}

/** Of a client, which may have sent what a text column cannot hold. */
function storable(text: string): string {
  return text.slice(0, LIMITS.labelCharsMax).replaceAll('\0', '').toWellFormed()
}

function parse(text: string): unknown {
  try {
    return text.length <= LIMITS.eventBytesMax ? JSON.parse(text) : undefined
  } catch {
    return undefined
  }
}
