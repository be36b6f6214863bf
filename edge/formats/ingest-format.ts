import type { ItemError, ItemErrorCode } from '../../contract/errors.ts'
import type { TrackedEvent } from '../../contract/event/event.ts'
import type { BadNumber } from '../../contract/json/json.ts'
import type { Warning } from '../ingest/validate-events.ts'

/** One way in: what its bodies look like, who sends them, and what they want to hear. */
export interface IngestFormat {
  /** Stands in every record and in dead letters; short, lower case. */
  route: string
  /**
   * Whether its clients can be told that an event is no good. Those that drop whatever gets a 4xx
   * cannot: their invalid events become dead letters, and the answer is 2xx.
   */
  onInvalid: 'reject' | 'dead-letter'
  /** Where the envelope itself may carry the API key; then the body is read before anyone knows whose it is. */
  keyInBody?: true
  /** What a batch hears that is larger than the rate limit ever admits; BATCH_OVER_LIMIT without it. */
  overLimitCode?: 'BATCH_OVER_LIMIT' | 'BODY_TOO_LARGE' | 'RATE_LIMITED'
  /** What a client hears that has to wait, when it drops whatever gets a 429; RATE_LIMITED without it. */
  rateLimitedCode?: 'OVERLOADED'
  /** By Content-Type (lower case, without parameters; '' when none was sent) or headers; without this JSON, text/plain and none. */
  accepts?(mediaType: string, request: Request): boolean
  /** Undoes what the body itself is wrapped in (gzip without a header, base64), within LIMITS.bodyBytesMax. @throws Refused */
  unwrap?(bytes: Bytes, request: Request): Promise<Bytes>
  /** @throws Refused when the body as a whole is no good */
  read(body: RequestBody): IncomingBatch | Promise<IncomingBatch>
  buildResponse(outcome: IngestResult): ResponseSpec
}

export type Bytes = Uint8Array<ArrayBuffer>

export interface RequestBody {
  /** Content-Encoding and `unwrap` undone. */
  bytes: Bytes
  /** @throws INVALID_UTF8 */
  text(): string
  request: Request
  /** Milliseconds since the epoch: when the request came in. */
  receivedMs: number
}

/** What a body holds, before any event has been judged. */
export interface IncomingBatch {
  /** Whether the body was one bare event. */
  isSingleEvent: boolean
  items: readonly IncomingItem[]
  /** The event at `index` as it was sent, byte for byte where that can be said. */
  original(index: number): string
  /** The text holds no `\\u`, so no string in it can be one that Postgres refuses. */
  hasNoEscapes?: boolean
  /** `original` gives base64, because the body is no UTF-8. */
  base64?: true
  /** When it was sent by the client's own clock, as the client wrote it. */
  sentAt?: unknown
  /** What of the events stands in headers instead of the body; the same body with another one is another request. */
  fingerprintExtra?: string
  /** Where the envelope itself carries the API key. */
  apiKey?: string
  /** The envelope itself asks for the historical lane; granted where the key may, else not heard. */
  historical?: boolean
  /** Name and version of the sending library; without it the User-Agent stands in. */
  client?: string
}

export interface IncomingItem {
  /** What `normalise` reads. */
  raw: unknown
  /** Numbers that JSON.parse changed, with pointers from the event's own root. */
  badNumbers: readonly BadNumber[]
  /** Instead of the actor or the event id in the record's key. */
  partitionKey?: string
  /** A name that begins with `$` is one of this way's own, and is kept. */
  systemName?: boolean
  /** Where the client finds in its own event what stands at this pointer in `raw`. */
  clientPointer?(pointer: string): string
  /** It could not be read at all; then `raw` is not looked at. */
  faults?: Fault | readonly Fault[]
}

export interface Fault {
  code: ItemErrorCode
  detail: string
  /** Into the client's own event; left out, all of it. */
  pointer?: string
}

/** What became of every event. */
export interface IngestResult {
  requestId: string
  incoming: IncomingBatch
  /** In the log, in the order of the batch. */
  accepted: readonly PublishedEvent[]
  /** In the log as dead letters; only where the client cannot be told. */
  deadLetters: readonly { index: number; errors: readonly ItemError[] }[]
  /** Refused; only where the client can be told. */
  errors: readonly ItemError[]
  warnings: readonly Warning[]
}

export interface PublishedEvent {
  index: number
  event: TrackedEvent
  partition: number
  offset: number
}

export interface ResponseSpec {
  status: number
  body: string
  /** application/json without it. */
  type?: string
}
