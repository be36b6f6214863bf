import type { ErrorCode } from '../errors.ts'
import { type BadNumber, parseJson } from '../json/json.ts'
import { LIMITS } from '../limits.ts'
import { SYNONYMS } from './event.ts'

/** The events of a body of POST /v1/events, before any of them is validated. */
export type ReadBatch =
  | {
      ok: true
      /** Whether the body was one bare event: its response repeats the event's fields at the top level. */
      isSingleEvent: boolean
      items: BatchItem[]
      /** The member that holds the events, where the body is an envelope. */
      member?: 'events'
      /** When the client sent the envelope, by its own clock. */
      sentAt?: unknown
    }
  | { ok: false; code: ErrorCode; detail?: string }

export interface BatchItem {
  raw: unknown
  /** Numbers that JSON.parse changed, with pointers that start at the event. */
  badNumbers: BadNumber[]
}

/** Reads one object, an array, or `{"events":[…]}`. An object with a name is an event, whatever else it contains. */
export function readBatch(text: string): ReadBatch {
  const parsed = parseJson(text)
  if (!parsed.ok) return { ok: false, code: 'INVALID_JSON', detail: parsed.detail }
  const { value, badNumbers } = parsed
  const isWrapped = !Array.isArray(value) && isEnvelope(value)
  const list = Array.isArray(value) ? value : isWrapped ? value.events : undefined
  if (list === undefined)
    return { ok: true, isSingleEvent: true, items: [{ raw: value, badNumbers: [...badNumbers] }] }
  if (list.length === 0) return { ok: false, code: 'BATCH_EMPTY' }
  if (list.length > LIMITS.batchEventsMax)
    return {
      ok: false,
      code: 'BATCH_TOO_LARGE',
      detail: `The batch holds ${list.length.toLocaleString('en')} events; a batch takes at most ${LIMITS.batchEventsMax.toLocaleString('en')}. Split it.`,
    }
  const items: BatchItem[] = list.map((raw) => ({ raw, badNumbers: NONE }))
  const prefix = isWrapped ? '/events/' : '/'
  for (const { pointer, written } of badNumbers) {
    if (!pointer.startsWith(prefix)) continue
    const [index = ''] = pointer.slice(prefix.length).split('/', 1)
    const item = items[Number(index)]
    if (!item) continue
    if (item.badNumbers === NONE) item.badNumbers = []
    item.badNumbers.push({ pointer: pointer.slice(prefix.length + index.length), written })
  }
  return {
    ok: true,
    isSingleEvent: false,
    items,
    ...(isWrapped && { member: 'events', sentAt: value.sent_at ?? value.sentAt ?? undefined }),
  }
}

/** Shared by all items without bad numbers, which is nearly all of them. */
const NONE: BadNumber[] = []

interface Envelope {
  events: unknown[]
  sent_at?: unknown
  sentAt?: unknown
}

function isEnvelope(value: unknown): value is Envelope {
  if (value === null || typeof value !== 'object' || !('events' in value)) return false
  return Array.isArray(value.events) && !SYNONYMS.name.some((key) => Object.hasOwn(value, key))
}
