import type { ItemError, ItemErrorCode, ProblemDetails } from '../../contract/errors.ts'
import type { TrackedEvent } from '../../contract/event/event.ts'
import type { BadNumber } from '../../contract/json/json.ts'
import type { DeadReason } from '../../contract/log/record.ts'
import type { Bytes } from '../lib/bytes.ts'

/** A body layout that the edge accepts: how to recognise it, read it, and answer its clients. */
export interface IngestFormat {
  /** Stands in every record and in dead letters; short, lower case. */
  route: string
  /**
   * What happens to an invalid event. `reject` for clients that handle a 4xx. `dead-letter` for
   * clients that drop on a 4xx: the response is 2xx, and the event becomes a dead letter.
   */
  onInvalid: 'reject' | 'dead-letter'
  /** The error of a batch that exceeds what the rate limit ever admits; BATCH_OVER_LIMIT without it. */
  overLimitCode?: 'BATCH_OVER_LIMIT' | 'BODY_TOO_LARGE' | 'RATE_LIMITED'
  /** Instead of RATE_LIMITED, for clients that drop on a 429. */
  rateLimitedCode?: 'OVERLOADED'
  /** By Content-Type (lower case, without parameters; '' when none was sent) or headers; without this JSON, text/plain and none. */
  accepts?(mediaType: string, request: Request): boolean
  /**
   * Undoes what the body itself is wrapped in (gzip without a header, base64, the address), within LIMITS.bodyBytesMax.
   * @param onInflated gets the length of every decompressed piece, and ends the work by throwing an HttpProblem
   * @throws HttpProblem
   */
  unwrap?(bytes: Bytes, request: Request, onInflated: OnInflated): Promise<Unwrapped>
  /** @throws HttpProblem when the body as a whole cannot be read */
  read(body: RequestBody): IncomingBatch | Promise<IncomingBatch>
  buildResponse(result: IngestResult): ResponseSpec
  /** With `reject`: `buildResponse` lists the errors even where no event is valid; without it that is EVENTS_INVALID. */
  listsAllInvalid?: true
  /** The body of an error, for clients that read more of it than the status; problem+json without it. */
  errorBody?(problem: ProblemDetails): unknown
}

export type OnInflated = (bytes: number) => void

export interface Unwrapped {
  bytes: Bytes
  /** The form that they were a field of. */
  form?: { verbose: string | null }
}

export interface RequestBody extends Unwrapped {
  /** Content-Encoding and `unwrap` undone. */
  bytes: Bytes
  /** @throws INVALID_UTF8 */
  text(): string
  request: Request
  /** Milliseconds since the epoch: when the request was received. */
  receivedMs: number
}

/** What a body holds, before any event is validated. */
export interface IncomingBatch extends RequestEnvelope {
  /** Whether the body was one bare event. */
  isSingleEvent: boolean
  items: readonly IncomingItem[]
  /** The event at `index` as it was sent, byte for byte where the format allows it. */
  original(index: number): string
  /** The text holds no `\\u`, so no string in it can be one that Postgres refuses. */
  hasNoEscapes?: boolean
  /** `original` gives base64, because the body is not valid UTF-8. */
  base64?: true
  /** When it was sent by the client's own clock, as the client wrote it. */
  sentAt?: unknown
  /** What of the events stands in headers instead of the body; the same body with other headers is another request. */
  fingerprintExtra?: string
  /** Name and version of the sending library; without it the User-Agent stands in. */
  client?: string
  /** Instead of the path's, where the body decides: two formats share a path, or the request chooses its response. */
  format?: IngestFormat
}

/** What a body may say about its request. */
export interface RequestEnvelope {
  /** Where the envelope itself carries the API key. */
  apiKey?: string
  /** Where the envelope has no place for a key: the domain or app id that SLUICE_SITE_KEYS has one for. */
  site?: string
  /** The envelope asks for a historical import; granted where the key may, else ignored. */
  historical?: boolean
}

export interface IncomingItem {
  /** What `normalise` reads. */
  raw: unknown
  /** Numbers that JSON.parse changed, with pointers from the event's own root. */
  badNumbers: readonly BadNumber[]
  /** Instead of the actor or the event id in the record's key. */
  partitionKey?: string
  /** A name that begins with `$` is one of this format's own, and is kept. */
  systemName?: boolean
  /** Its time was computed from the time of sending, so it differs when the event is sent again. */
  timeIsComputed?: boolean
  /** The pointer into the client's own event for a pointer into `raw`. */
  clientPointer?(pointer: string): string
  /** Why it could not be read at all; then `raw` is not looked at. */
  faults?: Fault | readonly Fault[]
}

export interface Fault {
  code: ItemErrorCode
  detail: string
  /** Into the client's own event; left out, all of it. */
  pointer?: string
}

/** The outcome of every event of a request, for the response. */
export interface IngestResult {
  requestId: string
  incoming: IncomingBatch
  /** In the log, in the order of the batch. */
  accepted: readonly PublishedEvent[]
  /** In the log as dead letters; only with `onInvalid: 'dead-letter'`. */
  deadLetters: readonly InvalidItem[]
  /** Rejected; only with `onInvalid: 'reject'`. */
  errors: readonly ItemError[]
  warnings: readonly Warning[]
}

/** An event with all that is wrong with it. */
export interface InvalidItem {
  index: number
  errors: readonly ItemError[]
}

export interface PublishedEvent {
  index: number
  event: TrackedEvent
  partition: number
  offset: number
}

/** The event is accepted, but the worker will make a dead letter of it: its client hears of it at once. */
export interface Warning {
  index: number
  code: Extract<DeadReason, 'OCCURRED_AT_IN_FUTURE' | 'OCCURRED_AT_TOO_OLD'>
  detail: string
}

export interface ResponseSpec {
  status: number
  body: string
  /** application/json without it. */
  type?: string
}
