import type { MiddlewareHandler } from 'hono'
import { sendProblem } from './problem.ts'

const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\]|[a-z0-9-]+\.localhost)(:\d+)?$/i

/**
 * Only names that are ours: a page elsewhere that points its own name at this address (DNS rebinding)
 * would otherwise be of the same origin.
 */
export function knownHosts(publicUrl: string | undefined): MiddlewareHandler {
  const ours = publicUrl === undefined ? undefined : new URL(publicUrl).host.toLowerCase()
  return async (c, next) => {
    const host = c.req.header('host') ?? new URL(c.req.url).host
    if (!LOOPBACK.test(host) && host.toLowerCase() !== ours)
      return sendProblem(c, 'HOST_NOT_ALLOWED')
    return next()
  }
}

/** No script but our own files; styles may stand in attributes, which charts and layouts set. */
const CSP = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self' data:",
  "connect-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ')

/** @param csp false where a page brings scripts from elsewhere (GraphiQL, when it was asked for) */
export function securityHeaders(csp: (path: string) => boolean): MiddlewareHandler {
  return async (c, next) => {
    await next()
    const { headers } = c.res
    if (csp(c.req.path)) headers.set('Content-Security-Policy', CSP)
    // What is not a file of the dashboard is somebody's answer, not for a cache in between.
    if (!headers.has('Cache-Control')) headers.set('Cache-Control', 'no-store')
    headers.set('X-Content-Type-Options', 'nosniff')
    headers.set('X-Frame-Options', 'DENY')
    // A sign-in link must not be told to anybody.
    headers.set('Referrer-Policy', 'no-referrer')
    headers.set('Cross-Origin-Opener-Policy', 'same-origin')
    headers.set('Cross-Origin-Resource-Policy', 'same-origin')
  }
}
