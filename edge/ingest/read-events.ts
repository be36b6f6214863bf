import type { ItemErrorCode } from '../../contract/errors.ts'
import type { IncomingBatch, IngestFormat, RequestBody } from '../formats/ingest-format.ts'
import type { ByteBudget } from '../http/byte-budget.ts'
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
  budget: ByteBudget
  now: () => number
}

/**
 * Reads the body and gives its events to `next`. The body counts in the byte budget until `next` has
 * given the response.
 * @param formats of the path; the first that accepts the request reads it
 */
export async function readEvents(
  request: Request,
  formats: readonly IngestFormat[],
  { budget, now }: ReadDeps,
  next: (read: ReadRequest) => Promise<Response>,
): Promise<Response> {
  const format = chooseFormat(formats, request)
  const sent = await readBody(request)
  const bytes = format.unwrap ? await format.unwrap(sent, request) : sent
  const release = budget.acquire(bytes.byteLength)
  try {
    const receivedMs = now()
    const text = () => decode(bytes)
    const batch = await readBatch(format, { bytes, request, receivedMs, text })
    return await next({ format, batch, bytes, receivedMs })
  } finally {
    release()
  }
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
