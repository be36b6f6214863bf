import type { Context, MiddlewareHandler } from 'hono'
import { sendProblem } from './problem.ts'

const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\]|[a-z0-9-]+\.localhost)(:\d+)?$/i

/** Whether the Host header is a loopback name or the public one. */
export function isKnownHost(c: Context, publicUrl: string | undefined): boolean {
  return isKnownHostName(c.req.header('host') ?? new URL(c.req.url).host, publicUrl)
}

/** A name or address of this machine, with or without a port. */
export function isLoopbackHost(host: string): boolean {
  return LOOPBACK.test(host)
}

export function isKnownHostName(host: string, publicUrl: string | undefined): boolean {
  const publicHost = publicUrl === undefined ? undefined : new URL(publicUrl).host.toLowerCase()
  return isLoopbackHost(host) || host.toLowerCase() === publicHost
}

/**
 * Serves the configured host names only: a foreign page whose name resolves to this address (DNS rebinding)
 * would otherwise have the same origin.
 */
export function knownHosts(publicUrl: string | undefined): MiddlewareHandler {
  return async (c, next) => {
    if (!isKnownHost(c, publicUrl)) return sendProblem(c, 'HOST_NOT_ALLOWED')
    return next()
  }
}

/**
 * By Sec-Fetch-Site, which only browsers send, and Origin where there is no such header: a browser sends one of the two
 * with every POST.
 */
export function isSameOrigin(c: Context): boolean {
  return hasSameOrigin(c.req.raw.headers)
}

export function hasSameOrigin(headers: Headers): boolean {
  const site = headers.get('sec-fetch-site')
  if (site !== null) return site === 'same-origin' || site === 'none'
  const origin = headers.get('origin')
  if (origin === null) return true
  return URL.canParse(origin) && new URL(origin).host === headers.get('host')
}

/** No scripts but our own files; inline styles are allowed, because charts and layouts set them. */
const cspOf = (edgeUrl: string | undefined) =>
  [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "font-src 'self' data:",
    // The page of API keys sends a test event, as a website would.
    ["connect-src 'self'", ...(edgeUrl ? [new URL(edgeUrl).origin] : [])].join(' '),
    "manifest-src 'self'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    'report-uri /csp-report',
    'report-to csp',
  ].join('; ')

/** What no page of ours uses. */
const PERMISSIONS = ['camera', 'geolocation', 'microphone', 'payment', 'usb']
  .map((feature) => `${feature}=()`)
  .join(', ')

const HSTS = `max-age=${365 * 86_400}; includeSubDomains`
/** Of what is no page: nothing of it runs, is loaded or framed, whatever a browser takes it for. */
const CSP_OF_DATA = "default-src 'none'; frame-ancestors 'none'"

/** For machines and browsers alike. @param secure whether clients use HTTPS */
export function commonHeaders(secure: boolean): MiddlewareHandler {
  return async (c, next) => {
    await next()
    const { headers } = c.res
    // Whatever is not a file of the dashboard belongs to one client and must not be cached on the way.
    if (!headers.has('Cache-Control')) headers.set('Cache-Control', 'no-store')
    headers.set('X-Content-Type-Options', 'nosniff')
    if (!headers.has('Content-Security-Policy')) headers.set('Content-Security-Policy', CSP_OF_DATA)
    if (secure) headers.set('Strict-Transport-Security', HSTS)
  }
}

/** What protects browsers. @param edgeUrl the one other address that the dashboard may send to, if core knows it */
export function browserHeaders(
  edgeUrl: () => string | undefined = () => undefined,
): MiddlewareHandler {
  return async (c, next) => {
    await next()
    const { headers } = c.res
    headers.set('Content-Security-Policy', cspOf(edgeUrl()))
    headers.set('Reporting-Endpoints', 'csp="/csp-report"')
    headers.set('Permissions-Policy', PERMISSIONS)
    headers.set('X-Frame-Options', 'DENY')
    // A path may name a tenant; no other site learns it from a Referer header.
    headers.set('Referrer-Policy', 'no-referrer')
    headers.set('Cross-Origin-Opener-Policy', 'same-origin')
    headers.set('Cross-Origin-Resource-Policy', 'same-origin')
  }
}
