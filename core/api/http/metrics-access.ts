import { createHash, timingSafeEqual } from 'node:crypto'
import type { MiddlewareHandler } from 'hono'
import { clientOf, isLoopback } from './client.ts'
import { sendProblem } from './problem.ts'
import { isKnownHost } from './security.ts'

/**
 * Metrics tell how much all tenants send. With a token, whoever has it reads them; without one, only processes on this
 * machine, which no proxy and no page with another host name can pretend to be.
 */
export function metricsAccess(
  token: string | undefined,
  publicUrl: string | undefined,
): MiddlewareHandler {
  return async (c, next) => {
    if (token !== undefined) {
      if (isSame(c.req.header('authorization'), `Bearer ${token}`)) return next()
      return sendProblem(c, 'METRICS_UNAUTHENTICATED', { 'WWW-Authenticate': 'Bearer' })
    }
    if (!isKnownHost(c, publicUrl)) return sendProblem(c, 'HOST_NOT_ALLOWED')
    const { peer, isForwarded } = clientOf(c)
    if (!isLoopback(peer) || isForwarded) return sendProblem(c, 'METRICS_NOT_ALLOWED')
    return next()
  }
}

/** In a time that tells nothing of how much of it was right. */
function isSame(sent: string | undefined, expected: string): boolean {
  const hash = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(hash(sent ?? ''), hash(expected))
}
