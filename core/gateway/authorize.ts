import type { MiddlewareHandler } from 'hono'
import { sendErrorCode } from './send-error.ts'
import { createAccessCheck, type GatewayUser } from './users.ts'

/** Lets requests pass whose user has this right. */
export type Authorize = (to: 'produce' | 'consume' | 'either') => MiddlewareHandler

export function createAuthorize(users: readonly GatewayUser[]): Authorize {
  const checkAccess = createAccessCheck(users)
  return (to) => async (c, next) => {
    const access = checkAccess(c.req.header('authorization'), to)
    if (access === 'granted') return next()
    return access === 'unknown'
      ? sendErrorCode(c, 'CREDENTIALS_UNKNOWN', 'Unauthorized', {
          'WWW-Authenticate': 'Basic realm="gateway"',
        })
      : sendErrorCode(c, 'SCOPE_MISSING', `this user may not ${to}`)
  }
}
