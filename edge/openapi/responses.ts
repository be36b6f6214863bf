import type { ErrorCode } from '../../contract/errors.ts'
import { RATE_LIMIT_HEADERS } from './components.ts'
import type { Example, ResponseDoc, SecurityName } from './operation.ts'
import { ref } from './schema-helpers.ts'

const KEY: readonly ErrorCode[] = [
  'KEY_MISSING',
  'KEY_UNKNOWN',
  'SCOPE_MISSING',
  'ORIGIN_NOT_ALLOWED',
  'INVALID_QUERY',
  'HISTORICAL_NOT_ALLOWED',
  'KEYS_UNAVAILABLE',
]
/** Of reading any body. */
export const BODY_ERRORS: readonly ErrorCode[] = [
  'INVALID_ENCODING',
  'BODY_INCOMPLETE',
  'BODY_TOO_SLOW',
  'BODY_TOO_LARGE',
  'ENCODING_UNSUPPORTED',
  'OVERLOADED',
]
const BODY: readonly ErrorCode[] = [...BODY_ERRORS, 'MEDIA_TYPE_UNSUPPORTED']
const RATES: readonly ErrorCode[] = ['RATE_LIMITED', 'LIMITER_UNAVAILABLE']
const IDEMPOTENCY: readonly ErrorCode[] = [
  'IDEMPOTENCY_KEY_INVALID',
  'IDEMPOTENCY_IN_FLIGHT',
  'IDEMPOTENCY_KEY_REUSED',
]
const LOG: readonly ErrorCode[] = ['LOG_UNAVAILABLE', 'INTERNAL']

/** Errors of a request as a whole: all that clients that drop on a 4xx ever get. */
export const REQUEST_ERRORS: readonly ErrorCode[] = [
  ...KEY,
  ...BODY,
  ...IDEMPOTENCY,
  ...RATES,
  ...LOG,
]

/** For clients that handle 4xx: those of the events as well. */
export const ALL_ERRORS: readonly ErrorCode[] = [
  ...REQUEST_ERRORS,
  'INVALID_JSON',
  'INVALID_UTF8',
  'EVENT_TOO_LARGE',
  'EVENTS_INVALID',
  'BATCH_EMPTY',
  'BATCH_TOO_LARGE',
  'BATCH_OVER_LIMIT',
]

/** Of NDJSON streams alone. */
export const STREAM_ERRORS: readonly ErrorCode[] = ['STREAM_TOO_LONG', 'TOO_MANY_STREAMS']

export const KEY_ANYWHERE: readonly SecurityName[] = ['bearer', 'header', 'basic', 'query']

/** In the envelope as well, where a family of clients writes it there. */
export const KEY_IN_BODY: readonly SecurityName[] = [...KEY_ANYWHERE, 'body']

export const BEARER = { Authorization: 'Bearer $KEY' }
export const JSON_TYPE = { 'Content-Type': 'application/json' }

/** Ids and offsets for examples; the tests know that real ones differ each time. */
export const REQUEST_ID = '6f1a2c94-0b7e-4d53-9c1e-5a8d27f3b604'
export const GENERATED_ID = '019aa5c8-3f5b-7c1e-8a54-2f7d3c9b6e10'

export const acceptedResponse: ResponseDoc = {
  description: 'The log has acknowledged the events in `events`; they will not be lost.',
  type: 'application/json',
  schema: ref('Accepted'),
  headers: [...RATE_LIMIT_HEADERS, 'Idempotency-Replayed'],
}

/** The response to events that were all accepted. @param ids of the batch; one bare event with `single` */
export function acceptedExample(ids: readonly string[], single = false): Example['response'] {
  return {
    request_id: REQUEST_ID,
    ...(single && { event_id: ids[0], status: 'accepted' }),
    accepted: ids.length,
    rejected: 0,
    events: ids.map((event_id, index) => ({
      ...(!single && { index }),
      event_id,
      status: 'accepted',
      partition: 2,
      offset: 1042 + index,
    })),
    errors: [],
  }
}
