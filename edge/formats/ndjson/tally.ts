import type { ItemError } from '../../../contract/errors.ts'
import { LIMITS } from '../../../contract/limits.ts'
import { truncateErrors } from '../../ingest/validate-events.ts'
import type { PublishedEvent, Warning } from '../ingest-format.ts'
import type { AcceptedEvent } from '../json-response.ts'

/** The outcome of consecutive lines. Every index counts lines from the first of the stream. */
export interface LineResults {
  /** How many lines these are. */
  lines: number
  accepted: readonly PublishedEvent[]
  errors: readonly ItemError[]
  warnings: readonly Warning[]
}

/** How far a stream came: every event of a short one; counts and the first errors of a long one. */
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

export function addTo(tally: Tally, results: LineResults): void {
  const listed = LIMITS.errorsListedMax
  tally.lines += results.lines
  tally.accepted += results.accepted.length
  // Every other line has at least one error.
  tally.rejected += results.lines - results.accepted.length
  tally.errorsCount += results.errors.length
  tally.warningsCount += results.warnings.length
  if (tally.lines > LIMITS.batchEventsMax) tally.events = []
  else tally.events.push(...results.accepted.map(acceptedEvent))
  if (tally.errors.length < listed) tally.errors = firstOf([...tally.errors, ...results.errors])
  if (tally.warnings.length < listed)
    tally.warnings = [...tally.warnings, ...results.warnings].slice(0, listed)
}

export function acceptedEvent({ index, event, partition, offset }: PublishedEvent): AcceptedEvent {
  return { index, event_id: event.event_id, status: 'accepted', partition, offset }
}

/** Of a short stream every rejected line is listed, of a long one the first. */
function firstOf(errors: ItemError[]): ItemError[] {
  const rejected = [...new Set(errors.map(({ index }) => index))]
  const end = rejected[LIMITS.errorsListedMax] ?? Number.POSITIVE_INFINITY
  return truncateErrors(errors.filter(({ index }) => index < end))
}

/** As members of a response, or of a problem. */
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
