import type { ItemError } from '../../contract/errors.ts'
import { HttpProblem } from '../http/http-problem.ts'
import type { IngestResult, Warning } from './ingest-format.ts'

/** The body of a 202. */
export interface AcceptedResponse {
  request_id: string
  /** Events in the log. */
  accepted: number
  /** Events in `errors`. */
  rejected: number
  events: AcceptedEvent[]
  errors: ItemError[]
  /** Only when there are any. */
  warnings?: Warning[]
  /** These two for a body of one bare event. Whether it is a duplicate, only the worker will know. */
  event_id?: string
  status?: 'accepted'
}

export interface AcceptedEvent {
  /** Index in the batch; not for a body of one bare event. */
  index?: number
  event_id: string
  status: 'accepted'
  partition: number
  offset: number
}

export function acceptedResponse({
  requestId,
  incoming,
  accepted,
  errors,
  warnings,
}: IngestResult): AcceptedResponse {
  const { isSingleEvent, items } = incoming
  const events = accepted.map(
    ({ index, event, partition, offset }): AcceptedEvent => ({
      ...(isSingleEvent ? {} : { index }),
      event_id: event.event_id,
      status: 'accepted',
      partition,
      offset,
    }),
  )
  const [only] = events
  return {
    request_id: requestId,
    ...(isSingleEvent && only && { event_id: only.event_id, status: only.status }),
    accepted: events.length,
    rejected: items.length - events.length,
    events,
    errors: [...errors],
    ...(warnings.length > 0 && { warnings: [...warnings] }),
  }
}

/** No event is valid. An event whose only error is its size gets the status for that. */
export function allInvalidProblem(isSingleEvent: boolean, errors: ItemError[]): HttpProblem {
  const tooLarge = isSingleEvent && errors.length === 1 && errors[0]?.code === 'EVENT_TOO_LARGE'
  return new HttpProblem(tooLarge ? 'EVENT_TOO_LARGE' : 'EVENTS_INVALID', { errors })
}
