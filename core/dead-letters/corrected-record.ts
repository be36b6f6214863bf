import { isUtf8 } from 'node:buffer'
import { type NormaliseContext, normalise } from '../../contract/event/normalise.ts'
import { parseExactly } from '../../contract/json/exact-parse.ts'
import { isObject } from '../../contract/json/is-object.ts'
import { findBadNumbers } from '../../contract/json/json.ts'
import { LIMITS } from '../../contract/limits.ts'
import { applyPatch, isDeep, isWithin, type JsonPatch, PatchError } from './json-patch.ts'

/** What is stored of a dead letter and decides how it can be replayed. */
export interface StoredDeadLetter {
  id: string
  original: Buffer
  stamp: string | null
}

/** What the key of a dead letter, and its tenant, allow now. */
export type CurrentRules = Pick<
  NormaliseContext,
  'schemaVersions' | 'allowedEvents' | 'allowedProperties'
>

export type Corrected =
  /** A record as the edge would have written it, with the event corrected. */
  | { kind: 'record'; value: Buffer }
  /** Still a dead letter. */
  | { kind: 'invalid'; code: string; detail: string }
  | { kind: 'refused'; code: NotReplayedCode; detail: string }

/** Why a dead letter is left alone; codes of docs/errors.md. */
export type NotReplayedCode = 'NOT_REPLAYABLE' | 'PATCH_FAILED' | 'EVENT_ID_CHANGED' | 'DAY_EXPIRED'

export const refuse = (code: NotReplayedCode, detail: string) =>
  ({ kind: 'refused', code, detail }) as const

interface Payload {
  stamp: Record<string, unknown>
  /** As the worker keeps events; else as a client sent it. */
  isCanonical: boolean
  text: string
  event: unknown
}

/**
 * The record that a dead letter's event would have been, with the patch applied to the event alone: tenant, key, route and
 * the time of receipt are those of the dead letter. Without a patch it is read as it was, by the rules of now.
 */
export function correctRecord(
  deadLetter: StoredDeadLetter,
  patch: JsonPatch | undefined,
  rules: CurrentRules,
): Corrected {
  const payload = readPayload(deadLetter)
  if (payload === undefined)
    return refuse('NOT_REPLAYABLE', 'what was received cannot be read as one event')
  const { stamp, isCanonical, text } = payload
  const former = idOf(payload.event)
  const formerName = nameIn(payload.event)
  const number = findBadNumbers(text).find(({ pointer }) => !isReplaced(pointer, patch))
  if (number)
    return invalid(
      'NUMBER_UNREPRESENTABLE',
      `${number.pointer} is a number that a double cannot hold`,
    )
  if (isCanonical && !patch) return { kind: 'record', value: encode(stamp, payload.event) }
  let event: unknown
  try {
    event = patch ? applyPatch(payload.event, patch) : payload.event
  } catch (error) {
    if (error instanceof PatchError) return refuse('PATCH_FAILED', error.message)
    throw error
  }
  const clientTime = isCanonical && isObject(event) ? takeClientTime(event, patch) : undefined
  const read = normalise(event, {
    ...rules,
    receivedAt: stamp.received_at as string,
    // The same for each attempt.
    eventId: () => `dead-letter-${deadLetter.id}`,
    // A name with $ was given by a library, and is kept where the patch leaves it.
    systemName: !isCanonical || nameIn(event) === formerName,
  })
  if (!read.ok) {
    const [first] = read.errors
    return invalid(first?.code ?? 'EVENT_INVALID', read.errors.map(describe).join('; '))
  }
  if (former !== undefined && read.event.event_id !== former)
    return refuse('EVENT_ID_CHANGED', 'the event keeps its id')
  const { client_occurred_at: _, ...rest } = read.event
  const corrected = { ...rest, ...(clientTime !== undefined && { client_occurred_at: clientTime }) }
  return { kind: 'record', value: encode(stamp, corrected) }
}

/** The event as the workbench shows it and a patch finds it. @returns undefined where there is none */
export function readEventText({
  original,
  stamp,
}: Omit<StoredDeadLetter, 'id'>): string | undefined {
  const payload = readPayload({ id: '', original, stamp })
  // Indentation grows with the square of the depth, and a patch refuses what is as deep.
  if (!payload || isDeep(payload.event)) return undefined
  const isSmall = payload.text.length <= LIMITS.eventBytesMax
  return JSON.stringify(payload.event, null, isSmall ? 2 : undefined)
}

function readPayload({ original, stamp: stampText }: StoredDeadLetter): Payload | undefined {
  if (stampText === null || !isUtf8(original)) return undefined
  const { refused, event: stated, ...stamp } = parseExactly(stampText) as Record<string, unknown>
  if (refused !== true && stated !== undefined)
    return { stamp, isCanonical: true, text: JSON.stringify(stated), event: stated }
  if (original.length > LIMITS.recordBytesMax) return undefined
  const text = original.toString('utf8')
  const sent = parse(text)
  if (refused === true)
    return isObject(sent) ? { stamp, isCanonical: false, text, event: sent } : undefined
  // The original is the record.
  const event = isObject(sent) ? sent.event : undefined
  return isObject(event) ? { stamp, isCanonical: true, text, event } : undefined
}

function parse(text: string): unknown {
  try {
    return parseExactly(text)
  } catch {
    return undefined
  }
}

function encode(stamp: Record<string, unknown>, event: unknown): Buffer {
  return Buffer.from(JSON.stringify({ ...stamp, event }))
}

/** Whether an operation takes the number away. In a record, the event is a member of it. */
function isReplaced(pointer: string, patch: JsonPatch | undefined): boolean {
  const path = pointer
    .replace(/^\/event\//, '/')
    .split('/')
    .slice(1)
  return (patch ?? []).some(
    ({ op, path: target }) => (op === 'replace' || op === 'remove') && isWithin(path, target),
  )
}

const EVENT_IDS = ['event_id', 'eventId']

/** The id that the event was sent with, if it is one. */
function idOf(event: unknown): string | undefined {
  if (!isObject(event)) return undefined
  const key = EVENT_IDS.find((each) => Object.hasOwn(event, each) && event[each] !== null)
  if (key === undefined) return undefined
  const read = normalise(
    { event_id: event[key], name: 'any' },
    { receivedAt: '', eventId: () => '' },
  )
  return read.ok ? read.event.event_id : undefined
}

function nameIn(event: unknown): unknown {
  return isObject(event) ? event.name : undefined
}

/** Of an event whose time was corrected; it goes with a time that the patch gives. */
function takeClientTime(
  event: Record<string, unknown>,
  patch: JsonPatch | undefined,
): string | undefined {
  const { client_occurred_at: time } = event
  delete event.client_occurred_at
  const isChanged = (patch ?? []).some(({ path }) => path.length === 0 || path[0] === 'occurred_at')
  return typeof time === 'string' && !isChanged ? time : undefined
}

function describe({ pointer, detail }: { pointer: string; detail: string }): string {
  return `${pointer || 'the event'}: ${detail}`
}

function invalid(code: string, detail: string): Corrected {
  return { kind: 'invalid', code, detail: detail.slice(0, 500) }
}
