import type { Context, MiddlewareHandler } from 'hono'
import type { KafkaRestErrorBody } from '../../contract/log/kafka-rest.ts'
import type { KafkaRestError } from './kafka-rest-error.ts'
import { createAccessCheck, type GatewayUser } from './users.ts'

type Status = KafkaRestErrorBody['status'] | 401 | 405 | 503

/** A no in Upstash's form. */
export function sendError(
  c: Context,
  status: Status,
  error: string,
  headers: Record<string, string> = {},
): Response {
  return c.json({ error, status } satisfies KafkaRestErrorBody, status, headers)
}

/** Lets those pass who may do this. */
export type Authorize = (to: 'produce' | 'consume' | 'either') => MiddlewareHandler

export function createAuthorize(users: readonly GatewayUser[]): Authorize {
  const admit = createAccessCheck(users)
  return (to) => async (c, next) => {
    const admitted = admit(c.req.header('authorization'), to)
    if (admitted === 'yes') return next()
    return admitted === 'unknown'
      ? sendError(c, 401, 'Unauthorized', { 'WWW-Authenticate': 'Basic realm="gateway"' })
      : sendError(c, 403, `SCOPE_MISSING: this user may not ${to}`)
  }
}
