import { SYNONYMS } from '../../contract/event/event.ts'
import { type BadNumber, parseJson } from '../../contract/json/json.ts'
import type { Middleware } from '../http/context.ts'
import { respond } from '../http/respond.ts'
import type { IncomingBatch, IncomingItem, IngestFormat, RequestBody } from './ingest-format.ts'

/** One transparent pixel. */
const GIF = Uint8Array.from(
  atob('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAICRAEAOw=='),
  (character) => character.charCodeAt(0),
)

const FIELDS = new Set<string>(Object.values(SYNONYMS).flat())
const TIMES = new Set<string>(SYNONYMS.occurred_at)

/**
 * An event as an image: `GET /v1/pixel.gif?key=…&name=page_view&…`, for e-mails and noscript. The
 * parameters are the event's fields; the others become properties, all of them strings.
 */
export const pixelFormat: IngestFormat = {
  route: 'pixel',
  onInvalid: 'dead-letter',
  accepts: () => true,
  read,
  // `sendPixel` replaces the body.
  buildResponse: () => ({ status: 200, body: '' }),
}

/**
 * Responds with the image in any case, with the status of the event: a page shows only the image, but the
 * status is visible in the address bar and in network logs.
 */
export function sendPixel(): Middleware {
  return async (c, next) => {
    await next()
    const { status } = c.res
    Object.assign(c.get('headers'), {
      'cache-control': 'no-store',
      'cross-origin-resource-policy': 'cross-origin',
    })
    // Without this the headers of both would be merged.
    c.res = undefined
    c.res = respond(c, { status, type: 'image/gif', body: GIF })
  }
}

function read({ request }: RequestBody): IncomingBatch {
  const mark = request.url.indexOf('?')
  const pairs = (mark < 0 ? [] : request.url.slice(mark + 1).split('&')).filter(
    (pair) => pair !== '' && !isRequestParameter(pair),
  )
  return { isSingleEvent: true, items: [itemFrom(pairs)], original: () => pairs.join('&') }
}

function itemFrom(pairs: readonly string[]): IncomingItem {
  const found = new Map<string, unknown>()
  const badNumbers: BadNumber[] = []
  /** A repeated parameter becomes an array, in order; no field accepts one. */
  const put = (name: string, value: unknown) =>
    found.set(name, found.has(name) ? [found.get(name), value].flat() : value)
  try {
    for (const pair of pairs) {
      const name = decode(nameIn(pair))
      const text = decode(pair.slice(nameIn(pair).length + 1))
      if (!FIELDS.has(name)) put(name, text)
      // E-mail templates leave unknown values empty: in a query that means null.
      else if (text !== '') {
        const { value, bad } = readField(name, text)
        for (const { written } of bad) badNumbers.push({ pointer: `/${name}`, written })
        put(name, value)
      }
    }
  } catch {
    const detail = 'The query is not valid UTF-8 after percent-decoding.'
    return { raw: undefined, badNumbers: [], faults: { code: 'INVALID_UTF8', detail } }
  }
  return { raw: Object.fromEntries(found), badNumbers }
}

/** A number where the field is a number; everything else stays a string. */
function readField(name: string, text: string): { value: unknown; bad: readonly BadNumber[] } {
  if (name === 'value' || (TIMES.has(name) && /^-?[\d.]+$/.test(text))) {
    const parsed = parseJson(text)
    if (parsed.ok && typeof parsed.value === 'number')
      return { value: parsed.value, bad: parsed.badNumbers }
  }
  // The unescaped plus of an offset.
  return { value: TIMES.has(name) ? text.replace(/ (\d\d:\d\d)$/, '+$1') : text, bad: [] }
}

/** Not part of the event; the key least of all, however its name is encoded. */
function isRequestParameter(pair: string): boolean {
  return new URLSearchParams(pair).has('key') || nameIn(pair) === 'historical'
}

function nameIn(pair: string): string {
  return pair.split('=', 1)[0] as string
}

/** @throws URIError where URLSearchParams would silently insert a replacement character */
function decode(text: string): string {
  return decodeURIComponent(text.replaceAll('+', ' '))
}
