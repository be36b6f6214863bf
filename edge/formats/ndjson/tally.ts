import type { ItemError } from '../../../contract/errors.ts'
import { LIMITS } from '../../../contract/limits.ts'
import { truncateErrors, type Warning } from '../../ingest/validate-events.ts'
import type { PublishedEvent } from '../ingest-format.ts'
import type { AcceptedEvent } from '../json-response.ts'

/** What became of some lines that followed each other. Every index counts lines from the first of the stream. */
export interface LineResults {
  /** How many lines it speaks of. */
  lines: number
  accepted: readonly PublishedEvent[]
  errors: readonly ItemError[]
  warnings: readonly Warning[]
}

/** How far a stream came: of a short one all, of a long one counts and the first faults. */
export interface Tally {
  lines: number
  accepted: number
  rejected: number
  /** Of streams up to LIMITS.batchEventsMax lines. */
  events: AcceptedEvent[]
  errors: ItemError[]
  errorsCount: number
  warnings: Warning[]
  warningsCount: number
}

export function emptyTally(): Tally {
  return {
    lines: 0,
    accepted: 0,
    rejected: 0,
    events: [],
    errors: [],
    errorsCount: 0,
    warnings: [],
    warningsCount: 0,
  }
}

export function addTo(tally: Tally, settled: LineResults): void {
  const listed = LIMITS.errorsListedMax
  tally.lines += settled.lines
  tally.accepted += settled.accepted.length
  // Every other line has at least one error.
  tally.rejected += settled.lines - settled.accepted.length
  tally.errorsCount += settled.errors.length
  tally.warningsCount += settled.warnings.length
  if (tally.lines > LIMITS.batchEventsMax) tally.events = []
  else tally.events.push(...settled.accepted.map(acceptedEvent))
  if (tally.errors.length < listed) tally.errors = firstOf([...tally.errors, ...settled.errors])
  if (tally.warnings.length < listed)
    tally.warnings = [...tally.warnings, ...settled.warnings].slice(0, listed)
}

export function acceptedEvent({ index, event, partition, offset }: PublishedEvent): AcceptedEvent {
  return { index, event_id: event.event_id, status: 'accepted', partition, offset }
}

/** Of a short stream every refused line is told of, of a long one the first. */
function firstOf(errors: ItemError[]): ItemError[] {
  const refused = [...new Set(errors.map(({ index }) => index))]
  const end = refused[LIMITS.errorsListedMax] ?? Number.POSITIVE_INFINITY
  return truncateErrors(errors.filter(({ index }) => index < end))
}

/** As members of an answer, or of a problem. */
export function tallyMembers(tally: Tally) {
  const { lines, accepted, rejected, events, errors, warnings } = tally
  const omitted = {
    events: accepted - events.length,
    errors: tally.errorsCount - errors.length,
    warnings: tally.warningsCount - warnings.length,
  }
  return {
    accepted,
    rejected,
    lines,
    events,
    ...(omitted.events > 0 && { events_omitted: omitted.events }),
    errors,
    ...(omitted.errors > 0 && { errors_omitted: omitted.errors }),
    ...(warnings.length > 0 && { warnings }),
    ...(omitted.warnings > 0 && { warnings_omitted: omitted.warnings }),
  }
}
