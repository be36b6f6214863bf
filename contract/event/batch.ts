import type { ErrorCode } from '../errors.ts'
import { type BadNumber, parseJson } from '../json/json.ts'
import { LIMITS } from '../limits.ts'
import { SYNONYMS } from './event.ts'

/** What a body of POST /v1/events holds, before any event has been looked at. */
export type ReadBatch =
  | {
      ok: true
      /** Whether the body was one bare event: its answer has the event's fields on top as well. */
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
  /** Numbers that JSON.parse changed, with pointers from the event's own root. */
  badNumbers: BadNumber[]
}

/** One object, an array, or `{"events":[…]}`; an object that has a name is an event whatever else it has. */
export function readBatch(text: string): ReadBatch {
  const parsed = parseJson(text)
  if (!parsed.ok) return { ok: false, code: 'INVALID_JSON', detail: parsed.detail }
  const { value, badNumbers } = parsed
  const wrapped = !Array.isArray(value) && isEnvelope(value)
  const list = Array.isArray(value) ? value : wrapped ? value.events : undefined
  if (list === undefined)
    return { ok: true, isSingleEvent: true, items: [{ raw: value, badNumbers: [...badNumbers] }] }
  if (list.length === 0) return { ok: false, code: 'BATCH_EMPTY' }
  if (list.length > LIMITS.batchEventsMax)
    return {
      ok: false,
      code: 'BATCH_TOO_LARGE',
      detail: `The batch holds ${list.length.toLocaleString('en')} events; at most ${LIMITS.batchEventsMax.toLocaleString('en')} are taken at once. Split it.`,
    }
  const items: BatchItem[] = list.map((raw) => ({ raw, badNumbers: NONE }))
  const before = wrapped ? '/events/' : '/'
  for (const { pointer, written } of badNumbers) {
    if (!pointer.startsWith(before)) continue
    const [index = ''] = pointer.slice(before.length).split('/', 1)
    const item = items[Number(index)]
    if (!item) continue
    if (item.badNumbers === NONE) item.badNumbers = []
    item.badNumbers.push({ pointer: pointer.slice(before.length + index.length), written })
  }
  return {
    ok: true,
    isSingleEvent: false,
    items,
    ...(wrapped && { member: 'events', sentAt: value.sent_at ?? value.sentAt ?? undefined }),
  }
}

/** Shared by all items that have none, which is nearly all. */
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
