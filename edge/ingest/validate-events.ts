import type { ItemError } from '../../contract/errors.ts'
import type { TrackedEvent } from '../../contract/event/event.ts'
import {
  type FieldError,
  type NormaliseContext,
  normalise,
} from '../../contract/event/normalise.ts'
import { LIMITS } from '../../contract/limits.ts'
import type { DeadReason } from '../../contract/log/record.ts'
import type { IncomingItem } from '../formats/ingest-format.ts'

export interface ValidationResult {
  accepted: AcceptedItem[]
  /** All of them, in the order of the batch; see `shorten`. */
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

/** The event is taken, but the worker will put it among the dead letters: better said now than found later. */
export interface Warning {
  index: number
  code: Extract<DeadReason, 'OCCURRED_AT_IN_FUTURE' | 'OCCURRED_AT_TOO_OLD'>
  detail: string
}

export interface ValidationContext {
  receivedMs: number
  /** The same moment as RFC 3339 in UTC. */
  receivedAt: string
  eventAgeMaxMs: number
  /** Of the client's clock; added to its times. */
  shiftMs: number
  /** The tenant's list; null takes every version. */
  schemaVersions: readonly string[] | null
  /** See Circumstances. */
  hasNoEscapes?: boolean
  /** For the event at `index`, when the client chose no id. */
  eventId: (index: number) => string
}

/** Which events can be taken, what is wrong with the others. */
export function validateEvents(
  items: readonly IncomingItem[],
  by: ValidationContext,
): ValidationResult {
  const judged: ValidationResult = { accepted: [], errors: [], warnings: [] }
  const plain: NormaliseContext = {
    receivedAt: by.receivedAt,
    eventId: by.eventId,
    shiftMs: by.shiftMs,
    schemaVersions: by.schemaVersions,
    hasNoEscapes: by.hasNoEscapes,
  }
  for (let index = 0; index < items.length; index++) {
    const item = items[index] as IncomingItem
    const {
      raw,
      badNumbers,
      partitionKey,
      systemName,
      faults: broken,
      clientPointer: placeOf,
    } = item
    if (broken) {
      for (const fault of [broken].flat()) judged.errors.push({ index, pointer: '', ...fault })
      continue
    }
    const read = normalise(raw, systemName ? { ...plain, systemName } : plain, index)
    if (!read.ok || badNumbers.length > 0) {
      const numbers = badNumbers.map(numberError)
      // The number that was changed explains what the changed one broke.
      const others = (read.ok ? [] : read.errors).filter(
        ({ pointer }) => !numbers.some((number) => number.pointer === pointer),
      )
      for (const error of [...numbers, ...others])
        judged.errors.push({ index, ...error, pointer: placeOf?.(error.pointer) ?? error.pointer })
      continue
    }
    judged.accepted.push({ index, event: read.event, json: read.json, partitionKey })
    const warning = warn(read.occurredMs ?? by.receivedMs, by)
    if (warning) judged.warnings.push({ index, ...warning })
  }
  return judged
}

function numberError({ pointer, written }: { pointer: string; written: string }): FieldError {
  return {
    pointer,
    code: 'NUMBER_UNREPRESENTABLE',
    detail: `${written} is a number that a double cannot hold; send it as a string`,
  }
}

/** The same comparison as the worker's, in whole milliseconds. */
function warn(occurredMs: number, by: ValidationContext): Omit<Warning, 'index'> | undefined {
  const ageMs = by.receivedMs - occurredMs
  if (ageMs < -LIMITS.futureSecondsMax * 1000)
    return {
      code: 'OCCURRED_AT_IN_FUTURE',
      detail: `occurred_at is more than ${LIMITS.futureSecondsMax} s in the future; the event will be found among the dead letters`,
    }
  if (ageMs > by.eventAgeMaxMs)
    return {
      code: 'OCCURRED_AT_TOO_OLD',
      detail: `occurred_at is more than ${by.eventAgeMaxMs / 1000} s ago; the event will be found among the dead letters. Keys that may import history send it with ?historical=true`,
    }
  return undefined
}

/** When there are too many to list, as many of each event as all can have: every refused one is told of. */
export function truncateErrors(errors: ItemError[]): ItemError[] {
  if (errors.length <= LIMITS.errorsListedMax) return errors
  const refused = new Set(errors.map(({ index }) => index)).size
  const each = Math.floor(LIMITS.errorsListedMax / refused)
  return errors.filter((error, i) => error.index !== errors[i - each]?.index)
}
