import type { EdgeContext } from './context.ts'
import { respond } from './respond.ts'
import { notFound } from './send-problem.ts'

/** For a preflight that names no headers. */
const KNOWN_HEADERS =
  'authorization, content-encoding, content-type, idempotency-key, x-api-key, x-request-id'

/** Names of headers with commas between them, as browsers write them; more than anyone sends. */
const NAMES = /^[a-z0-9-]{1,64}( ?, ?[a-z0-9-]{1,64}){0,63}$/i

/**
 * Answers a browser's preflight. SDKs add headers of their own (X-Amz-…, traceparent, sentry-trace), so
 * all requested headers are allowed: the request itself is checked when it comes.
 * @param allowed the path's methods, as Allow lists them
 */
export function preflight(allowed: string) {
  return (c: EdgeContext) => {
    c.get('headers').allow = allowed
    return permit(c, allowed)
  }
}

/** The path is unknown; but a page can read that 404 only if its preflight succeeds. */
export function preflightUnknownPath(c: EdgeContext): Response {
  if (!c.req.raw.headers.has('access-control-request-method')) return notFound(c)
  return permit(c, 'GET, HEAD, POST, OPTIONS')
}

function permit(c: EdgeContext, methods: string): Response {
  const requested = c.req.raw.headers.get('access-control-request-headers')?.trim()
  Object.assign(c.get('headers'), {
    'access-control-allow-methods': methods,
    'access-control-allow-headers': requested && NAMES.test(requested) ? requested : KNOWN_HEADERS,
    // A day; Chromium makes two hours of it.
    'access-control-max-age': '86400',
    vary: 'access-control-request-headers',
  })
  return respond(c, { status: 204, body: null })
}
