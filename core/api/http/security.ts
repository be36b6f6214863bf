import type { MiddlewareHandler } from 'hono'
import { sendProblem } from './problem.ts'

const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\]|[a-z0-9-]+\.localhost)(:\d+)?$/i

/**
 * Serves the configured host names only: a foreign page whose name resolves to this address (DNS rebinding)
 * would otherwise have the same origin.
 */
export function knownHosts(publicUrl: string | undefined): MiddlewareHandler {
  const publicHost = publicUrl === undefined ? undefined : new URL(publicUrl).host.toLowerCase()
  return async (c, next) => {
    const host = c.req.header('host') ?? new URL(c.req.url).host
    if (!LOOPBACK.test(host) && host.toLowerCase() !== publicHost)
      return sendProblem(c, 'HOST_NOT_ALLOWED')
    return next()
  }
}

/** No scripts but our own files; inline styles are allowed, because charts and layouts set them. */
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

/** @param csp false for a page that loads scripts from elsewhere (GraphiQL, if enabled) */
export function securityHeaders(csp: (path: string) => boolean): MiddlewareHandler {
  return async (c, next) => {
    await next()
    const { headers } = c.res
    if (csp(c.req.path)) headers.set('Content-Security-Policy', CSP)
    // Whatever is not a file of the dashboard belongs to one client and must not be cached on the way.
    if (!headers.has('Cache-Control')) headers.set('Cache-Control', 'no-store')
    headers.set('X-Content-Type-Options', 'nosniff')
    headers.set('X-Frame-Options', 'DENY')
    // A sign-in link must not leave the browser in a Referer header.
    headers.set('Referrer-Policy', 'no-referrer')
    headers.set('Cross-Origin-Opener-Policy', 'same-origin')
    headers.set('Cross-Origin-Resource-Policy', 'same-origin')
  }
}
