import { readBatch } from '../../../../contract/event/batch.ts'
import { EVENT_ID, mapKeys, readEventId, type Sent } from '../../../../contract/event/fields.ts'
import { isObject } from '../../../../contract/json/is-object.ts'

/** What the search box holds: one text to look for, or the ids of the events of a pasted body. */
export type SearchText =
  | { kind: 'empty' }
  | { kind: 'text'; text: string }
  | { kind: 'body'; ids: string[]; withoutId: number; unshown: number }
  | { kind: 'unreadable'; detail: string }

const IDS_MAX = 20

/** A body is read as POST /v1/events reads it, so an id is found under each of its names. */
export function readSearchText(typed: string): SearchText {
  const text = typed.trim()
  if (text === '') return { kind: 'empty' }
  if (!/^[{[]/.test(text)) return { kind: 'text', text }
  const batch = readBatch(text)
  if (!batch.ok) return { kind: 'unreadable', detail: batch.detail ?? 'It holds no events.' }
  const ids = batch.items.map(({ raw }) => (isObject(raw) ? idOf(raw) : undefined))
  const known = [...new Set(ids.filter((id) => id !== undefined))]
  if (known.length === 1 && ids.length === 1) return { kind: 'text', text: known[0] as string }
  return {
    kind: 'body',
    ids: known.slice(0, IDS_MAX),
    withoutId: ids.filter((id) => id === undefined).length,
    unshown: Math.max(0, known.length - IDS_MAX),
  }
}

function idOf(sent: Sent): string | undefined {
  const reader = { sent, errors: [] }
  return readEventId(reader, mapKeys(reader).keys[EVENT_ID])
}
