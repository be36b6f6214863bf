import { type BadNumber, parseJson } from '../../../contract/json/json.ts'
import { elementTexts } from '../../../contract/json/slices.ts'
import { LIMITS } from '../../../contract/limits.ts'
import { HttpProblem } from '../../http/http-problem.ts'
import type { Fault, IncomingBatch, IncomingItem } from '../ingest-format.ts'

/** @throws INVALID_JSON */
export function parseBody(body: string): { value: unknown; badNumbers: readonly BadNumber[] } {
  const parsed = parseJson(body)
  if (!parsed.ok) throw new HttpProblem('INVALID_JSON', { detail: parsed.detail })
  return parsed
}

export interface EventList {
  /** The JSON text. */
  body: string
  events: readonly unknown[]
  /** Where they are: '' for the root, '/batch' for a member of it; undefined where the body itself is the one event. */
  at: '' | `/${string}` | undefined
  badNumbers: readonly BadNumber[]
}

/**
 * What a body's events are, before they are validated.
 * @param toItem maps an event; the numbers that JSON.parse changed have pointers into that event
 * @throws BODY_TOO_LARGE, after which these clients halve a batch
 */
export function batchOf(
  { body, events, at, badNumbers }: EventList,
  toItem: (event: unknown, badNumbers: readonly BadNumber[], index: number) => IncomingItem,
): IncomingBatch {
  if (events.length > LIMITS.logAppendRecordsMax)
    throw new HttpProblem('BODY_TOO_LARGE', {
      detail: `The batch holds ${events.length.toLocaleString('en')} events; at most ${LIMITS.logAppendRecordsMax.toLocaleString('en')} are accepted at once. Split it.`,
    })
  const numbers = numbersByEvent(badNumbers, at, events.length)
  let texts: string[] | undefined
  return {
    isSingleEvent: at === undefined,
    items: events.map((event, index) => toItem(event, numbers[index] ?? [], index)),
    original(index) {
      texts ??= at === undefined ? [body] : elementTexts(body, at.slice(1) || undefined)
      return texts[index] ?? ''
    },
  }
}

/** A body that cannot be split is one dead letter, for clients that drop on a 4xx. */
export function unreadableBody(body: string, faults: Fault): IncomingBatch {
  return {
    isSingleEvent: true,
    items: [{ raw: undefined, badNumbers: [], faults }],
    original: () => body,
  }
}

/** As many as a dead letter lists; one event may hold thousands. */
const BAD_NUMBERS_PER_EVENT = 20

/**
 * Numbers that JSON.parse changed, to the events that hold them: the first of each.
 * @param at of the list; undefined without one
 */
export function numbersByEvent(
  found: readonly BadNumber[],
  at: string | undefined,
  count: number,
): readonly (readonly BadNumber[])[] {
  if (at === undefined) return [found.slice(0, BAD_NUMBERS_PER_EVENT)]
  const byEvent: BadNumber[][] = []
  for (const { pointer, written } of found) {
    const [, index, rest] = /^\/(\d+)(\/.*|)$/s.exec(pointer.slice(at.length)) ?? []
    if (!pointer.startsWith(at) || index === undefined || Number(index) >= count) continue
    const numbers = byEvent[Number(index)] ?? []
    byEvent[Number(index)] = numbers
    if (numbers.length < BAD_NUMBERS_PER_EVENT) numbers.push({ pointer: rest ?? '', written })
  }
  return byEvent
}

/** Whether something may be copied into so many events. */
export type CanCopy = (shared: unknown, count: number) => boolean

/**
 * What a request holds once for several of its events is copied into each of them, so all copies of a request together
 * may be no larger than a body.
 */
export function createCopyBudget(): CanCopy {
  let bytesLeft: number = LIMITS.bodyBytesMax
  return (shared, count) => {
    const copies = Math.max(count, 1)
    const left = bytesLeft / copies - jsonLength(shared, bytesLeft / copies)
    if (left < 0) return false
    bytesLeft = left * copies
    return true
  }
}

/** The same for what is the only thing of its request that is copied. */
export function isCopiable(shared: unknown, count: number): boolean {
  return createCopyBudget()(shared, count)
}

/** About the length of its JSON, or more than `max`. Without recursion, since nothing bounds the depth yet. */
function jsonLength(shared: unknown, max: number): number {
  let length = 0
  const values = [shared]
  while (values.length > 0 && length <= max) {
    const value = values.pop()
    length += typeof value === 'string' ? value.length + 2 : 4
    if (value === null || typeof value !== 'object') continue
    for (const [name, member] of Object.entries(value)) {
      length += Array.isArray(value) ? 1 : name.length + 4
      values.push(member)
    }
  }
  return length
}
