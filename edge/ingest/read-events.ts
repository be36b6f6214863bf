import type { ItemErrorCode } from '../../contract/errors.ts'
import type { Body, Bytes, Incoming, Way } from '../formats/ingest-format.ts'
import type { Room } from '../http/byte-budget.ts'
import type { Step } from '../http/context.ts'
import { Refused } from '../http/http-problem.ts'
import { mediaTypeOf, readBody } from '../http/read-body.ts'
import { base64 } from '../lib/bytes.ts'

// A byte order mark is skipped, anything that is not UTF-8 throws.
const utf8 = new TextDecoder('utf-8', { fatal: true })

/**
 * Are these events? What each of them holds is looked at later, one by one.
 * @param ways that a path knows; the first that takes the request reads it
 */
export function readEvents(ways: readonly Way[], room: Room, now: () => number): Step {
  return async (c, next) => {
    const request = c.req.raw
    const way = chooseWay(ways, request)
    const sent = await readBody(request)
    const bytes = way.unwrap ? await way.unwrap(sent, request) : sent
    const leave = room.enter(bytes.byteLength)
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

function chooseWay(ways: readonly Way[], request: Request): Way {
  const mediaType = mediaTypeOf(request.headers)
  for (const way of ways)
    if (way.takes ? way.takes(mediaType, request) : isJson(mediaType)) return way
  throw new Refused('MEDIA_TYPE_UNSUPPORTED', { headers: { 'accept-post': 'application/json' } })
}

/** text/plain and no type at all are taken as JSON too, because a beacon can send nothing else across origins. */
export function isJson(mediaType: string): boolean {
  return mediaType === 'application/json' || mediaType === 'text/plain' || mediaType === ''
}

async function read(way: Way, body: Body): Promise<Incoming> {
  if (way.told) return way.read(body)
  try {
    return await way.read(body)
  } catch (error) {
    // Whoever drops what gets a 4xx must not hear one: the body as it came is one dead letter.
    if (!(error instanceof Refused) || !isUnreadable(error.code)) throw error
    return unreadable(body.bytes, { code: error.code, detail: error.more.detail ?? error.message })
  }
}

const UNREADABLE = ['INVALID_JSON', 'INVALID_UTF8'] as const satisfies ItemErrorCode[]

function isUnreadable(code: string): code is (typeof UNREADABLE)[number] {
  return (UNREADABLE as readonly string[]).includes(code)
}

function unreadable(bytes: Bytes, broken: { code: ItemErrorCode; detail: string }): Incoming {
  const items = [{ raw: undefined, badNumbers: [], broken }]
  if (broken.code === 'INVALID_UTF8')
    return { single: true, items, original: () => base64(bytes), base64: true }
  return { single: true, items, original: () => utf8.decode(bytes) }
}

function decode(bytes: Bytes): string {
  try {
    return utf8.decode(bytes)
  } catch {
    throw new Refused('INVALID_UTF8')
  }
}
