import { SYNONYMS } from '../../contract/event/event.ts'
import { type BadNumber, parseJson } from '../../contract/json/json.ts'
import type { Middleware } from '../http/context.ts'
import { respond } from '../http/respond.ts'
import type { IncomingBatch, IncomingItem, IngestFormat, RequestBody } from './ingest-format.ts'

/** One transparent point. */
const GIF = Uint8Array.from(
  atob('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAICRAEAOw=='),
  (character) => character.charCodeAt(0),
)

const FIELDS = new Set<string>(Object.values(SYNONYMS).flat())
const TIMES = new Set<string>(SYNONYMS.occurred_at)

/**
 * An event as an image: `GET /v1/pixel.gif?key=…&name=page_view&…`, for e-mails and noscript. The
 * parameters are the event's fields; those that no field claims become properties, all of them text.
 */
export const pixelFormat: IngestFormat = {
  route: 'pixel',
  onInvalid: 'dead-letter',
  accepts: () => true,
  read,
  // What is shown is a picture in any case: `asPixel`.
  buildResponse: () => ({ status: 200, body: '' }),
}

/**
 * Shows the picture whatever became of the request, with the true status: nobody reads what stands
 * behind an <img>, but whoever opens its address or a network log sees what is wrong.
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
    (pair) => pair !== '' && !isOfTheRequest(pair),
  )
  return { isSingleEvent: true, items: [itemFrom(pairs)], original: () => pairs.join('&') }
}

function itemFrom(pairs: readonly string[]): IncomingItem {
  const found = new Map<string, unknown>()
  const badNumbers: BadNumber[] = []
  /** What is sent more than once is all of them, in their order; no field takes that. */
  const put = (name: string, value: unknown) =>
    found.set(name, found.has(name) ? [found.get(name), value].flat() : value)
  try {
    for (const pair of pairs) {
      const name = decode(nameIn(pair))
      const text = decode(pair.slice(nameIn(pair).length + 1))
      if (!FIELDS.has(name)) put(name, text)
      // A mail's template leaves empty what it does not know; in a query that is how null is spelt.
      else if (text !== '') {
        const { value, bad } = readField(name, text)
        for (const { written } of bad) badNumbers.push({ pointer: `/${name}`, written })
        put(name, value)
      }
    }
  } catch {
    const detail = 'The query is not UTF-8 behind its percent signs.'
    return { raw: undefined, badNumbers: [], faults: { code: 'INVALID_UTF8', detail } }
  }
  return { raw: Object.fromEntries(found), badNumbers }
}

/** Numbers where the field has numbers; everything else stays the text that it is. */
function readField(name: string, text: string): { value: unknown; bad: readonly BadNumber[] } {
  if (name === 'value' || (TIMES.has(name) && /^-?[\d.]+$/.test(text))) {
    const parsed = parseJson(text)
    if (parsed.ok && typeof parsed.value === 'number')
      return { value: parsed.value, bad: parsed.badNumbers }
  }
  // The plus of an offset that nobody escaped.
  return { value: TIMES.has(name) ? text.replace(/ (\d\d:\d\d)$/, '+$1') : text, bad: [] }
}

/** Not about the event; the key least of all, however its name is spelt. */
function isOfTheRequest(pair: string): boolean {
  return new URLSearchParams(pair).has('key') || nameIn(pair) === 'historical'
}

function nameIn(pair: string): string {
  return pair.split('=', 1)[0] as string
}

/** @throws URIError where URLSearchParams would put a replacement character in silence */
function decode(text: string): string {
  return decodeURIComponent(text.replaceAll('+', ' '))
}
