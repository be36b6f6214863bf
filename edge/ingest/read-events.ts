import type { KeyRecord } from '../../contract/api-key.ts'
import type { ItemErrorCode } from '../../contract/errors.ts'
import type {
  IncomingBatch,
  IngestFormat,
  RequestBody,
  Unwrapped,
} from '../formats/ingest-format.ts'
import { countOfKey, countOfStranger, type HeldCount } from '../http/body-count.ts'
import { type Budgets, sharesOfAddress, sharesOfKey } from '../http/budgets.ts'
import { HttpProblem } from '../http/http-problem.ts'
import { mediaTypeOf, readBody } from '../http/read-body.ts'
import { type Bytes, base64 } from '../lib/bytes.ts'

// A byte order mark is skipped, anything that is not UTF-8 throws.
const utf8 = new TextDecoder('utf-8', { fatal: true })

/** A request's events as they were sent; none of them is validated yet. */
export interface ReadRequest {
  format: IngestFormat
  batch: IncomingBatch
  /** The decoded body, for the fingerprint of an idempotent request. */
  bytes: Bytes
  /** When the body was there, in milliseconds since the epoch. */
  receivedMs: number
}

export interface ReadDeps {
  budgets: Budgets
  now: () => number
}

/** Where the bytes of a body count whose key stands in it. */
export interface BodyReservation {
  /** While the key is looked up, because it is not in the cache. @throws OVERLOADED */
  duringLookup(): void
  /** From then on, when the key is known. @throws OVERLOADED */
  forKey(key: KeyRecord): void
}

/**
 * Reads the body of a known key and gives its events to `next`. The body counts in the key's share of the byte
 * budget until `next` has given the response.
 * @param formats of the path; the first that accepts the request reads it
 */
export async function readEvents(
  request: Request,
  formats: readonly IngestFormat[],
  deps: ReadDeps,
  key: KeyRecord,
  next: (read: ReadRequest) => Promise<Response>,
): Promise<Response> {
  const format = chooseFormat(formats, request)
  const body = await readUnwrapped(request, format, countOfKey(deps.budgets, key))
  const release = deps.budgets.ingest.acquire(body.bytes.byteLength, sharesOfKey(key))
  try {
    return await next(await parse(format, body, request, deps))
  } finally {
    release()
  }
}

/**
 * The same for a body that may carry the key itself. Until the key is known its bytes count for the address.
 * @param address group of addresses; '' where the runtime knows none
 */
export async function readEventsWithKey(
  request: Request,
  format: IngestFormat,
  deps: ReadDeps,
  address: string,
  next: (read: ReadRequest, reservation: BodyReservation) => Promise<Response>,
): Promise<Response> {
  const count = countOfStranger(deps.budgets, address)
  const body = await readUnwrapped(request, chooseFormat([format], request), count)
  let release = () => {}
  const hold = (acquire: () => () => void) => {
    release()
    release = () => {}
    release = acquire()
  }
  const { unauthenticated, ingest } = deps.budgets
  const size = body.bytes.byteLength
  try {
    return await next(await parse(format, body, request, deps), {
      duringLookup: () => hold(() => unauthenticated.acquire(size, sharesOfAddress(address))),
      forKey: (key) => hold(() => ingest.acquire(size, sharesOfKey(key))),
    })
  } finally {
    release()
  }
}

/** The decoded body, counted while it arrives and while it is decompressed. */
async function readUnwrapped(
  request: Request,
  format: IngestFormat,
  count: HeldCount,
): Promise<Unwrapped> {
  let isWrapped = true
  try {
    const bytes = await readBody(request, count)
    if (!format.unwrap) return { bytes }
    return await format.unwrap(bytes, request, (inflated) => {
      // As with Content-Encoding, what it decompresses to counts instead.
      if (isWrapped) count.release()
      isWrapped = false
      count.arrived(inflated)
    })
  } finally {
    count.release()
  }
}

async function parse(
  format: IngestFormat,
  body: Unwrapped,
  request: Request,
  { now }: ReadDeps,
): Promise<ReadRequest> {
  const { bytes } = body
  const receivedMs = now()
  const text = () => decode(bytes)
  const batch = await readBatch(format, { ...body, request, receivedMs, text })
  return { format: batch.format ?? format, batch, bytes, receivedMs }
}

function chooseFormat(formats: readonly IngestFormat[], request: Request): IngestFormat {
  const mediaType = mediaTypeOf(request.headers)
  for (const format of formats)
    if (format.accepts ? format.accepts(mediaType, request) : isJson(mediaType)) return format
  throw new HttpProblem('MEDIA_TYPE_UNSUPPORTED', {
    headers: { 'accept-post': 'application/json' },
  })
}

/** text/plain and no type at all are read as JSON too, because a beacon can send nothing else across origins. */
function isJson(mediaType: string): boolean {
  return mediaType === 'application/json' || mediaType === 'text/plain' || mediaType === ''
}

async function readBatch(format: IngestFormat, body: RequestBody): Promise<IncomingBatch> {
  if (format.onInvalid === 'reject') return format.read(body)
  try {
    return await format.read(body)
  } catch (error) {
    // These clients drop on a 4xx, so the body as it was sent becomes one dead letter.
    if (!(error instanceof HttpProblem) || !isUnreadable(error.code)) throw error
    return unreadable(body.bytes, {
      code: error.code,
      detail: error.options.detail ?? error.message,
    })
  }
}

const UNREADABLE = ['INVALID_JSON', 'INVALID_UTF8'] as const satisfies ItemErrorCode[]

function isUnreadable(code: string): code is (typeof UNREADABLE)[number] {
  return (UNREADABLE as readonly string[]).includes(code)
}

function unreadable(bytes: Bytes, faults: { code: ItemErrorCode; detail: string }): IncomingBatch {
  const items = [{ raw: undefined, badNumbers: [], faults }]
  if (faults.code === 'INVALID_UTF8')
    return { isSingleEvent: true, items, original: () => base64(bytes), base64: true }
  return { isSingleEvent: true, items, original: () => utf8.decode(bytes) }
}

function decode(bytes: Bytes): string {
  try {
    return utf8.decode(bytes)
  } catch {
    throw new HttpProblem('INVALID_UTF8')
  }
}
