import { LIMITS } from './limits.ts'

/**
 * Every error of the HTTP API, in one table. Clients branch on `code` and `retryable`, never on the message.
 * Over HTTP each becomes RFC 9457 problem+json (see `problemDetails`).
 */
export interface ErrorSpec {
  status: number
  /** Whether the same request may succeed later. */
  retryable: boolean
  /** One sentence: what is wrong, and what to do about it. */
  message: string
}

export const ERRORS = {
  INVALID_JSON: { status: 400, retryable: false, message: 'The body is not valid JSON.' },
  INVALID_UTF8: { status: 400, retryable: false, message: 'The body is not valid UTF-8.' },
  INVALID_ENCODING: {
    status: 400,
    retryable: false,
    message: 'The body cannot be decoded as its Content-Encoding declares.',
  },
  BODY_INCOMPLETE: {
    status: 400,
    retryable: true,
    message: 'The connection ended before the whole body arrived; send the request again.',
  },
  INVALID_QUERY: {
    status: 400,
    retryable: false,
    message: 'A query parameter is not valid.',
  },
  IDEMPOTENCY_KEY_INVALID: {
    status: 400,
    retryable: false,
    message: 'Idempotency-Key must have 1 to 255 visible ASCII characters.',
  },
  KEY_MISSING: {
    status: 401,
    retryable: false,
    message: 'Send an API key as "Authorization: Bearer slc_…" or "X-API-Key".',
  },
  KEY_UNKNOWN: {
    status: 401,
    retryable: false,
    message: 'No such API key, or it was revoked or has expired.',
  },
  SCOPE_MISSING: {
    status: 403,
    retryable: false,
    message: 'This API key does not have the scope that the request needs.',
  },
  ORIGIN_NOT_ALLOWED: {
    status: 403,
    retryable: false,
    message: 'This API key may not be used from this origin.',
  },
  HISTORICAL_NOT_ALLOWED: {
    status: 403,
    retryable: false,
    message: 'This API key may not import historical events; create one with --history.',
  },
  NOT_FOUND: { status: 404, retryable: false, message: 'There is nothing at this path.' },
  METHOD_NOT_ALLOWED: {
    status: 405,
    retryable: false,
    message: 'This path does not take that method; see Allow.',
  },
  BODY_TOO_SLOW: { status: 408, retryable: true, message: 'The body did not arrive in time.' },
  STREAM_TOO_LONG: {
    status: 408,
    retryable: true,
    message: 'The stream was open for an hour; send the remaining lines as a new request.',
  },
  IDEMPOTENCY_IN_FLIGHT: {
    status: 409,
    retryable: true,
    message: 'A request with this Idempotency-Key is still in progress; send again later.',
  },
  BODY_TOO_LARGE: {
    status: 413,
    retryable: false,
    message: 'The body is larger than 1 MiB; split the batch.',
  },
  EVENT_TOO_LARGE: { status: 413, retryable: false, message: 'The event is larger than 64 KiB.' },
  MEDIA_TYPE_UNSUPPORTED: { status: 415, retryable: false, message: 'Send application/json.' },
  ENCODING_UNSUPPORTED: {
    status: 415,
    retryable: false,
    message: 'Send the body plain, or with Content-Encoding gzip or deflate.',
  },
  EVENTS_INVALID: {
    status: 422,
    retryable: false,
    message: "No event could be accepted; each one's reason is listed.",
  },
  SENT_AT_INVALID: {
    status: 422,
    retryable: false,
    message: 'sent_at is not a time; leave it out, or send RFC 3339 or a number since 1970.',
  },
  BATCH_EMPTY: { status: 422, retryable: false, message: 'The batch contains no events.' },
  BATCH_TOO_LARGE: {
    status: 422,
    retryable: false,
    message: 'A batch takes at most 1,000 events; split it.',
  },
  BATCH_OVER_LIMIT: {
    status: 422,
    retryable: false,
    message: 'The batch has more events than the rate limit ever admits at once; split it.',
  },
  IDEMPOTENCY_KEY_REUSED: {
    status: 422,
    retryable: false,
    message: 'This Idempotency-Key was used before with another body; use a new key.',
  },
  RATE_LIMITED: {
    status: 429,
    retryable: true,
    message: 'Too many events; send again after Retry-After seconds.',
  },
  TOO_MANY_STREAMS: {
    status: 429,
    retryable: true,
    message: `This API key has ${LIMITS.ndjsonStreamsPerKeyMax} streams open; end one of them, or send again after Retry-After seconds.`,
  },
  INTERNAL: {
    status: 500,
    retryable: true,
    message: 'Something failed on our side; the request id helps to find it.',
  },
  OVERLOADED: {
    status: 503,
    retryable: true,
    message: 'Too many requests are in progress; send again after Retry-After seconds.',
  },
  LOG_UNAVAILABLE: {
    status: 503,
    retryable: true,
    message:
      'The log did not confirm in time; send the same request again after Retry-After seconds (event ids prevent duplicates).',
  },
  KEYS_UNAVAILABLE: {
    status: 503,
    retryable: true,
    message: 'API keys cannot be verified right now; send again after Retry-After seconds.',
  },
  LIMITER_UNAVAILABLE: {
    status: 503,
    retryable: true,
    message: 'The rate limiter is unavailable right now; send again after Retry-After seconds.',
  },
} as const satisfies Record<string, ErrorSpec>

export type ErrorCode = keyof typeof ERRORS

/** An error in one event: its index in the batch, and a JSON pointer (RFC 6901) into that event. */
export interface ItemError {
  index: number
  pointer: string
  code: ItemErrorCode
  detail: string
}

/** What can be wrong with one event, and a message for people. */
export const ITEM_ERRORS = {
  INVALID_JSON: 'A line is not valid JSON.',
  INVALID_UTF8: 'A line is not valid UTF-8.',
  EVENT_NOT_OBJECT: 'The event is not a JSON object.',
  ATTRIBUTE_MISSING: 'A CloudEvent lacks a required attribute.',
  ATTRIBUTE_INVALID: 'An attribute of a CloudEvent or a log record violates its specification.',
  NAME_MISSING: 'The event has no name.',
  NAME_INVALID: `The name is not one line of 1 to ${LIMITS.eventNameCharsMax} characters that can be seen.`,
  NAME_RESERVED: 'Names that start with $ are reserved, and so are * and (other).',
  EVENT_ID_INVALID: `The event id is not 1 to ${LIMITS.eventIdCharsMax} visible ASCII characters.`,
  OCCURRED_AT_INVALID:
    'The time is not valid: send RFC 3339 with an offset, or a number since 1970.',
  ACTOR_INVALID: `The actor is not 1 to ${LIMITS.labelCharsMax} characters.`,
  SESSION_INVALID: `The session is not 1 to ${LIMITS.labelCharsMax} characters.`,
  SOURCE_INVALID: `The source is not 1 to ${LIMITS.labelCharsMax} characters.`,
  VALUE_INVALID: 'The value is not a number, or one that cannot be summed.',
  SCHEMA_VERSION_INVALID: `The version is not 1 to ${LIMITS.schemaVersionCharsMax} visible ASCII characters.`,
  SCHEMA_VERSION_NOT_ALLOWED: 'The tenant does not accept this version.',
  EVENT_NOT_ALLOWED: 'This API key may not send events of this name.',
  PROPERTY_NOT_ALLOWED: 'Events of this API key may not have this property.',
  SCHEMA_VIOLATION: 'The properties are not as the schema that is pinned for events of this name.',
  PROPERTIES_INVALID: 'The properties are not a JSON object.',
  CONTEXT_INVALID: 'The context is not a JSON object.',
  PROPERTY_CONFLICT: 'A property is sent twice with different values.',
  KEY_RESERVED: 'The key __proto__ is reserved.',
  KEY_TOO_LONG: `A key has more than ${LIMITS.propertyKeyCharsMax} characters.`,
  TOO_MANY_KEYS: `The event has more than ${LIMITS.propertiesKeysMax.toLocaleString('en')} keys.`,
  TOO_DEEP: `The event is nested deeper than ${LIMITS.propertiesDepthMax} levels.`,
  STRING_UNSTORABLE: 'A string contains NUL or half of a surrogate pair.',
  NUMBER_UNREPRESENTABLE: 'A number does not fit a double; send it as a string.',
  EVENT_TOO_LARGE: `The event is larger than ${LIMITS.eventBytesMax / 1024} KiB.`,
} as const

export type ItemErrorCode = keyof typeof ITEM_ERRORS

/** RFC 9457 with the extensions `code`, `request_id` and `errors` (at most LIMITS.errorsListedMax of them). */
export interface ProblemDetails {
  type: string
  title: string
  status: number
  detail: string
  instance: string
  code: ErrorCode
  request_id: string
  errors?: ItemError[]
}

/** `detail` replaces the table's message where something more specific is known. */
export function problemDetails(
  code: ErrorCode,
  request: { instance: string; requestId: string; detail?: string; errors?: ItemError[] },
): ProblemDetails {
  const { status, message } = ERRORS[code]
  return {
    type: `urn:sluice:problem:${code.toLowerCase().replaceAll('_', '-')}`,
    title: message,
    status,
    detail: request.detail ?? message,
    instance: request.instance,
    code,
    request_id: request.requestId,
    ...(request.errors && { errors: request.errors }),
  }
}

export { API_ERRORS, type ApiErrorCode } from './api-errors.ts'
