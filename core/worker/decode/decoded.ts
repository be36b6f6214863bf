import type { TrackedEvent } from '../../../contract/event/event.ts'
import type { Instant } from '../../../contract/event/time.ts'
import type { TrustClass } from '../../../contract/event/trust-class.ts'
import type { DeadReason } from '../../../contract/log/record.ts'
import type { Violation } from '../../../contract/schema/find-violation.ts'
import type { ARRIVALS } from '../../db/tables/arrivals.ts'
import type { LogRecord } from '../../log/log.ts'
import type { Enrichment } from '../../metrics/enrichment.ts'

/**
 * What a record of the log turned out to be: a value, never an exception. An expired event is too old to be
 * stored, but no dead letter if it is stored already: then it is a duplicate. So is an event that violates its schema.
 */
export type Decoded =
  | { kind: 'event'; row: EventRow; violation?: SchemaViolation | undefined }
  | { kind: 'dead-letter'; deadLetter: DeadLetter; expired?: EventRow }

/** Of an event that is stored all the same, because its schema observes. */
export interface SchemaViolation extends Violation {
  version: number
}

/** As `event.arrival`. */
export type Arrival = (typeof ARRIVALS)[keyof typeof ARRIVALS]

/** A row of `event`, before it is known whether it is a duplicate. */
export interface EventRow {
  tenantId: number
  trust: TrustClass
  /** As `eventUuid` gives it. */
  eventId: string
  clientEventId: string | null
  /** Days since 1970-01-01, UTC. */
  receivedDay: number
  received: Instant
  occurred: Instant
  clientOccurred: Instant | undefined
  /** `occurred` depends on when the event was sent, so a repetition has another one. */
  timeIsComputed: boolean
  historical: boolean
  /** How it came; undefined: in time. Set when the row is written. */
  arrival?: Arrival | undefined
  event: TrackedEvent
  /** What was derived from it, for a tenant that declares it. */
  enrichment?: Enrichment | undefined
  keyId: string | null
  /** As the record claims them, of any length; undefined where it has none. */
  client?: string | undefined
  origin?: string | undefined
  requestId: string
  /** Hash of the Idempotency-Key of its request; undefined without one. */
  idempotency?: bigint | undefined
  record: LogRecord
}

export interface DeadLetter {
  tenantId: number | null
  reason: DeadReason
  detail: string
  requestId: string | null
  route: string | null
  client: string | null
  keyId: string | null
  /** JSON pointer of the member that is wrong, where it is one. */
  pointer: string | null
  name: string | null
  /** What the record states beside `original`, as JSON; null: it cannot be replayed. */
  stamp: string | null
  receivedMs: number
  /** As `eventUuid` gives it; null where the record has none that could be read. */
  eventId: string | null
  /** What the client sent, where that is known; else the record as it is in the log. */
  original: Buffer
  record: LogRecord
}

/** The events and the dead letters of a batch, each in the order of the log. */
export interface DecodedParts {
  rows: EventRow[]
  /** Without the expired ones. */
  deadLetters: DeadLetter[]
  expired: ExpiredEvent[]
}

export interface ExpiredEvent {
  row: EventRow
  /** What it becomes unless it is stored already. */
  deadLetter: DeadLetter
  /** How many of `rows` come before it in the log. */
  rowsBefore: number
}

export function splitDecoded(decoded: readonly Decoded[]): DecodedParts {
  const parts: DecodedParts = { rows: [], deadLetters: [], expired: [] }
  const { rows, deadLetters, expired } = parts
  for (const item of decoded) {
    if (item.kind === 'event') rows.push(item.row)
    else if (item.expired === undefined) deadLetters.push(item.deadLetter)
    else
      expired.push({
        row: item.expired,
        deadLetter: item.deadLetter,
        rowsBefore: rows.length,
      })
  }
  return parts
}

export function recordOf(decoded: Decoded): LogRecord {
  return decoded.kind === 'event' ? decoded.row.record : decoded.deadLetter.record
}

/** A record's `partition:offset`, unique within a topic. */
export function offsetKey({ partition, offset }: { partition: number; offset: number }): string {
  return `${partition}:${offset}`
}
