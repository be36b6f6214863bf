import { uuidV7 } from '../../contract/event/uuid.ts'
import { LIMITS } from '../../contract/limits.ts'
import type { Bytes } from '../lib/bytes.ts'
import type { EdgeContext, Middleware } from './context.ts'

/** No quotes, brackets or spaces: an id can be pasted into any log search as it is. */
const VALID_ID = new RegExp(`^[A-Za-z0-9._:/+=@-]{1,${LIMITS.requestIdCharsMax}}$`)
/** Sent with every response, unless the key has a list of origins (`checkOrigin`). */
const ANY_ORIGIN = { 'access-control-allow-origin': '*' }
/**
 * No browser guesses another type for a response, runs or frames it, and nobody keeps one: the few that may be kept, and
 * the page of the documentation, have their own.
 * HSTS only over TLS, since browsers ignore it elsewhere.
 */
const ALWAYS = {
  ...ANY_ORIGIN,
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
}
const HSTS = 'max-age=31536000; includeSubDomains'
const EXPOSED_HEADERS =
  'idempotency-replayed, ratelimit, ratelimit-policy, retry-after, sluice-degraded, x-request-id'

/**
 * Sets what every response carries, whatever becomes of the request.
 *
 * The client's own X-Request-Id is kept, so that both sides' logs agree on it. Any page may read any
 * response, errors included: keys travel in headers, never in cookies, so there is nothing to borrow;
 * where a key may be used from is checked when it is known (`checkOrigin`).
 *
 * The headers are a plain object with lower-case names until the Response is made: in workerd one
 * `Headers.set` costs as much as parsing a small event.
 */
/** @param isHttps whether the client's own connection has TLS */
export function beginResponse(
  isHttps: (request: Request, env: unknown) => boolean = hasHttpsUrl,
): Middleware {
  return (c, next) => {
    const sent = c.req.raw.headers
    const id = sent.get('x-request-id')
    // Core finds what came with a request by the time in its id.
    const requestId = id !== null && VALID_ID.test(id) ? id : uuidV7(Date.now())
    const headers: Record<string, string> = { ...ALWAYS, 'x-request-id': requestId }
    if (isHttps(c.req.raw, c.env)) headers['strict-transport-security'] = HSTS
    if (sent.get('origin')) headers['access-control-expose-headers'] = EXPOSED_HEADERS
    c.set('requestId', requestId)
    c.set('headers', headers)
    return next()
  }
}

function hasHttpsUrl(request: Request): boolean {
  return request.url.startsWith('https:')
}

export interface ResponseParts {
  status: number
  /** null: no body and no Content-Type. */
  body: string | Bytes | null
  /** application/json without it. */
  type?: string
}

/** Builds the Response from its parts and the headers that the steps have set. */
export function respond(c: EdgeContext, { status, body: sent, type }: ResponseParts): Response {
  // Runtimes refuse a body with this status, even an empty one.
  const body = status === 204 ? null : sent
  const headers = c.get('headers')
  if (body !== null) headers['content-type'] = type ?? 'application/json'
  const create = c.env?.createResponse
  return create ? create(body, { status, headers }) : new Response(body, { status, headers })
}
