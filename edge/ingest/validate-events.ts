import type { KeyRecord } from '../../contract/api-key.ts'
import type { ItemError } from '../../contract/errors.ts'
import type { TrackedEvent } from '../../contract/event/event.ts'
import {
  type FieldError,
  type NormaliseContext,
  normalise,
} from '../../contract/event/normalise.ts'
import { clockSkew, readTime } from '../../contract/event/time.ts'
import { LIMITS } from '../../contract/limits.ts'
import type { AuthenticatedRequest } from '../auth/authenticate.ts'
import type { IncomingBatch, IncomingItem, Warning } from '../formats/ingest-format.ts'
import { chooseEventIds, type IdempotencySource } from './event-ids.ts'
import { findSchemaError } from './pinned-schemas.ts'

export interface ValidationResult {
  accepted: AcceptedItem[]
  /** All of them, in the order of the batch; see `truncateErrors`. */
  errors: ItemError[]
  warnings: Warning[]
}

export interface AcceptedItem {
  index: number
  event: TrackedEvent
  /** The event as JSON. */
  json: string
  partitionKey?: string
}

/** Events of a request that are validated and published together: all of a batch, or a part of a stream. */
export interface EventChunk {
  batch: IncomingBatch
  receivedMs: number
  /** The index in the request of the chunk's first event; 0 but for streams. */
  firstIndex: number
  /** When the client sent an Idempotency-Key: event ids are derived from it. */
  idempotency: IdempotencySource | undefined
}

/** Which events can be accepted, and what is wrong with the others. Indexes count within the chunk. */
export async function validateEvents(
  { key, historical }: AuthenticatedRequest,
  chunk: EventChunk,
): Promise<ValidationResult> {
  const { batch, receivedMs } = chunk
  const result: ValidationResult = { accepted: [], errors: [], warnings: [] }
  const eventAgeMaxMs = historical ? Number.POSITIVE_INFINITY : key.event_age_max_s * 1000
  const context: NormaliseContext = {
    receivedAt: new Date(receivedMs).toISOString(),
    eventId: await chooseEventIds(key, chunk),
    shiftMs: skewOf(batch, receivedMs),
    schemaVersions: key.schema_versions ?? null,
    allowedEvents: key.allowed_events ? new Set(key.allowed_events) : null,
    allowedProperties: key.allowed_properties ? new Set(key.allowed_properties) : null,
    hasNoEscapes: batch.hasNoEscapes,
  }
  for (let index = 0; index < batch.items.length; index++) {
    const item = batch.items[index] as IncomingItem
    const { raw, badNumbers, partitionKey, systemName, faults, clientPointer } = item
    if (faults) {
      for (const fault of [faults].flat()) result.errors.push({ index, pointer: '', ...fault })
      continue
    }
    const read = normalise(raw, systemName ? { ...context, systemName } : context, index)
    const found = read.ok ? schemaErrors(key, read.event) : read.errors
    if (!read.ok || found.length > 0 || badNumbers.length > 0) {
      for (const error of errorsOf(item, found))
        result.errors.push({
          index,
          ...error,
          pointer: clientPointer?.(error.pointer) ?? error.pointer,
        })
      continue
    }
    result.accepted.push({ index, event: read.event, json: read.json, partitionKey })
    const warning = findWarning(read.occurredMs ?? receivedMs, receivedMs, eventAgeMaxMs)
    if (warning) result.warnings.push({ index, ...warning })
  }
  return result
}

function schemaErrors(key: KeyRecord, event: TrackedEvent): FieldError[] {
  const error = findSchemaError(key, event)
  return error ? [error] : []
}

/** A client time of sending that cannot be read corrects nothing. */
function skewOf({ sentAt }: IncomingBatch, receivedMs: number): number {
  if (sentAt === undefined || sentAt === null) return 0
  const read = readTime(sentAt)
  return read.ok ? clockSkew(Date.parse(read.time), receivedMs) : 0
}

/** A number that JSON.parse changed explains the errors that the changed one caused. */
function errorsOf({ badNumbers }: IncomingItem, errors: readonly FieldError[]): FieldError[] {
  const numbers = badNumbers.map(numberError)
  const others = errors.filter(
    ({ pointer }) => !numbers.some((number) => number.pointer === pointer),
  )
  return [...numbers, ...others]
}

function numberError({ pointer, written }: { pointer: string; written: string }): FieldError {
  return {
    pointer,
    code: 'NUMBER_UNREPRESENTABLE',
    detail: `${written} is a number that a double cannot hold; send it as a string`,
  }
}

/** The same comparison as the worker's, in whole milliseconds. */
function findWarning(
  occurredMs: number,
  receivedMs: number,
  eventAgeMaxMs: number,
): Omit<Warning, 'index'> | undefined {
  const ageMs = receivedMs - occurredMs
  if (ageMs < -LIMITS.futureSecondsMax * 1000)
    return {
      code: 'OCCURRED_AT_IN_FUTURE',
      detail: `occurred_at is more than ${LIMITS.futureSecondsMax} s in the future; the event will be found among the dead letters`,
    }
  if (ageMs > eventAgeMaxMs)
    return {
      code: 'OCCURRED_AT_TOO_OLD',
      detail: `occurred_at is more than ${eventAgeMaxMs / 1000} s ago; unless it is stored already, it will be found among the dead letters. Keys that may import history send it with ?historical=true`,
    }
  return undefined
}

/** When there are too many to list, as many per event as fit for all: every invalid event is listed, of a thousand. */
export function truncateErrors(errors: ItemError[]): ItemError[] {
  if (errors.length <= LIMITS.errorsListedMax) return errors
  const invalid = new Set(errors.map(({ index }) => index)).size
  const perEvent = Math.max(1, Math.floor(LIMITS.errorsListedMax / invalid))
  return errors
    .filter((error, i) => error.index !== errors[i - perEvent]?.index)
    .slice(0, LIMITS.errorsListedMax)
}
