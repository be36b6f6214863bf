import type { EdgeContext, Step } from './context.ts'

const ALLOWED_HEADERS =
  'Authorization, Content-Encoding, Content-Type, Idempotency-Key, X-API-Key, X-Request-Id'
const EXPOSED_HEADERS =
  'Idempotency-Replayed, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id'

/**
 * Any page may read any answer, errors included: keys travel in headers, never in cookies, so there
 * is nothing to borrow. Where a key may be used from is checked when it is known (`authenticate`).
 */
export function cors(): Step {
  return (c, next) => {
    c.header('Access-Control-Allow-Origin', '*')
    c.header('Access-Control-Expose-Headers', EXPOSED_HEADERS)
    return next()
  }
}

/** @param allowed the path's methods, as Allow lists them */
export function preflight(allowed: string) {
  return (c: EdgeContext) => {
    c.header('Allow', allowed)
    c.header('Access-Control-Allow-Methods', allowed)
    c.header('Access-Control-Allow-Headers', ALLOWED_HEADERS)
    // Chromium remembers a preflight for two hours at most.
    c.header('Access-Control-Max-Age', '7200')
    return c.body(null, 204)
  }
}
