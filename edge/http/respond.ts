import { LIMITS } from '../../contract/limits.ts'
import type { Bytes } from '../formats/ingest-format.ts'
import type { EdgeContext, Middleware } from './context.ts'
import { ANY_ORIGIN } from './cors.ts'

/** No quotes, brackets or spaces: an id can be pasted into any log search as it is. */
const SANE_ID = new RegExp(`^[A-Za-z0-9._:/+=@-]{1,${LIMITS.requestIdCharsMax}}$`)
const EXPOSED_HEADERS =
  'idempotency-replayed, ratelimit, ratelimit-policy, retry-after, sluice-degraded, x-request-id'

/**
 * Begins the answer: what every response carries, whatever becomes of the request.
 *
 * The client's own X-Request-Id is kept, so that both sides' logs agree on it. Any page may read any
 * answer, errors included: keys travel in headers, never in cookies, so there is nothing to borrow;
 * where a key may be used from is checked when it is known (`checkOrigin`).
 *
 * The headers are a plain object with lower-case names until the Response is made: in workerd one
 * `Headers.set` costs as much as parsing a small event.
 */
export function begin(): Middleware {
  return (c, next) => {
    const sent = c.req.raw.headers
    const id = sent.get('x-request-id')
    const requestId = id !== null && SANE_ID.test(id) ? id : crypto.randomUUID()
    const headers: Record<string, string> = { ...ANY_ORIGIN, 'x-request-id': requestId }
    if (sent.get('origin')) headers['access-control-expose-headers'] = EXPOSED_HEADERS
    c.set('requestId', requestId)
    c.set('headers', headers)
    return next()
  }
}

export interface ResponseParts {
  status: number
  /** null: none, and no Content-Type. */
  body: string | Bytes | null
  /** application/json without it. */
  type?: string
}

/** Ends it. Nothing else makes a Response. */
export function respond(c: EdgeContext, { status, body, type }: ResponseParts): Response {
  const headers = c.get('headers')
  if (body !== null) headers['content-type'] = type ?? 'application/json'
  return new Response(body, { status, headers })
}
