import type { ItemErrorCode } from '../../contract/errors.ts'
import type { Bytes, IncomingBatch, IngestFormat, RequestBody } from '../formats/ingest-format.ts'
import type { ByteBudget } from '../http/byte-budget.ts'
import type { Middleware } from '../http/context.ts'
import { HttpProblem } from '../http/http-problem.ts'
import { mediaTypeOf, readBody } from '../http/read-body.ts'
import { base64 } from '../lib/bytes.ts'

// A byte order mark is skipped, anything that is not UTF-8 throws.
const utf8 = new TextDecoder('utf-8', { fatal: true })

/**
 * Are these events? What each of them holds is looked at later, one by one.
 * @param ways that a path knows; the first that takes the request reads it
 */
export function readEvents(
  ways: readonly IngestFormat[],
  room: ByteBudget,
  now: () => number,
): Middleware {
  return async (c, next) => {
    const request = c.req.raw
    const way = chooseWay(ways, request)
    const sent = await readBody(request)
    const bytes = way.unwrap ? await way.unwrap(sent, request) : sent
    const leave = room.acquire(bytes.byteLength)
    try {
      const receivedMs = now()
      c.set('way', way)
      c.set('bytes', bytes)
      c.set('receivedMs', receivedMs)
      c.set('incoming', await read(way, { bytes, request, receivedMs, text: () => decode(bytes) }))
      return await next()
    } finally {
      leave()
    }
  }
}

function chooseWay(ways: readonly IngestFormat[], request: Request): IngestFormat {
  const mediaType = mediaTypeOf(request.headers)
  for (const way of ways)
    if (way.accepts ? way.accepts(mediaType, request) : isJson(mediaType)) return way
  throw new HttpProblem('MEDIA_TYPE_UNSUPPORTED', {
    headers: { 'accept-post': 'application/json' },
  })
}

/** text/plain and no type at all are taken as JSON too, because a beacon can send nothing else across origins. */
export function isJson(mediaType: string): boolean {
  return mediaType === 'application/json' || mediaType === 'text/plain' || mediaType === ''
}

async function read(way: IngestFormat, body: RequestBody): Promise<IncomingBatch> {
  if (way.onInvalid === 'reject') return way.read(body)
  try {
    return await way.read(body)
  } catch (error) {
    // Whoever drops what gets a 4xx must not hear one: the body as it came is one dead letter.
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

function unreadable(bytes: Bytes, broken: { code: ItemErrorCode; detail: string }): IncomingBatch {
  const items = [{ raw: undefined, badNumbers: [], broken }]
  if (broken.code === 'INVALID_UTF8')
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
