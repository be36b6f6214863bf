import type { Context, MiddlewareHandler } from 'hono'
import type { KafkaRestError } from '../../contract/log/kafka-rest.ts'
import type { RefusedError } from './kafka-rest-error.ts'
import { createAdmission, type GatewayUser } from './users.ts'

type Status = RefusedError['status'] | 401 | 405 | 503

/** A no in Upstash's form. */
export function say(
  c: Context,
  status: Status,
  error: string,
  headers: Record<string, string> = {},
): Response {
  return c.json({ error, status } satisfies KafkaRestError, status, headers)
}

/** Lets those pass who may do this. */
export type May = (to: 'produce' | 'consume' | 'either') => MiddlewareHandler

export function guard(users: readonly GatewayUser[]): May {
  const admit = createAdmission(users)
  return (to) => async (c, next) => {
    const admitted = admit(c.req.header('authorization'), to)
    if (admitted === 'yes') return next()
    return admitted === 'unknown'
      ? say(c, 401, 'Unauthorized', { 'WWW-Authenticate': 'Basic realm="gateway"' })
      : say(c, 403, `SCOPE_MISSING: this user may not ${to}`)
  }
}
