import type { Context, MiddlewareHandler } from 'hono'
import { LIMITS } from '../../contract/limits.ts'
import { readBasic } from '../identity/credentials.ts'
import type { SecurityLog } from '../lib/security-log.ts'
import { createTokenBuckets } from '../lib/token-buckets.ts'
import { KafkaRestError } from './kafka-rest-error.ts'
import { sendErrorCode } from './send-error.ts'
import {
  createUserLookup,
  type GatewayAction,
  type GatewayUser,
  mayDo,
  mayUseGroup,
  mayUseTopic,
} from './users.ts'

/** What requests of the gateway carry once they are authorized. */
export interface GatewayEnv {
  Variables: { user: GatewayUser }
}

export interface AuthorizeDeps {
  users: readonly GatewayUser[]
  /** Without it, denials are not logged. */
  securityLog?: Pick<SecurityLog, 'record'> | undefined
  /** The client's address; that of the connection unless given. */
  addressOf?: ((c: Context) => string | undefined) | undefined
}

export interface Authorize {
  /** Lets requests pass whose user has this right. */
  (to: GatewayAction): MiddlewareHandler<GatewayEnv>
  /** Counts wrong credentials and refuses an address with too many; whether they are right, the next handler checks. */
  limit(to: GatewayAction): MiddlewareHandler<GatewayEnv>
}

/**
 * Right credentials always pass, whatever else comes from their address: behind a proxy, an edge and an attacker may
 * share one. Wrong ones are limited by address, which bounds what is logged; guessing a password of
 * LIMITS.gatewayPasswordCharsMin characters is hopeless at any rate.
 */
export function createAuthorize(deps: AuthorizeDeps): Authorize {
  const { users, securityLog, addressOf = peerOf } = deps
  const findUser = createUserLookup(users)
  const names = new Set(users.map(({ name }) => name))
  const failures = createTokenBuckets({ perMinute: LIMITS.gatewayWrongPasswordsPerMinute })

  function refuse(c: Context, address: string, to: GatewayAction): Response | undefined {
    const authorization = c.req.header('authorization')
    const user = findUser(authorization)
    if (user) {
      c.set('user', user)
      if (mayDo(user, to)) return undefined
      record(c, address, 'access-denied', 'SCOPE_MISSING')
      return sendErrorCode(c, 'SCOPE_MISSING', `this user may not ${to}`)
    }
    if (!failures.take(address)) {
      record(c, address, 'limit-exceeded', 'TOO_MANY_FAILURES')
      return tooMany(c)
    }
    record(c, address, 'credentials-refused', 'CREDENTIALS_UNKNOWN')
    return sendErrorCode(c, 'CREDENTIALS_UNKNOWN', 'Unauthorized', {
      'WWW-Authenticate': 'Basic realm="gateway"',
    })
  }

  function record(
    c: Context,
    address: string,
    name: 'limit-exceeded' | 'access-denied' | 'credentials-refused',
    detail: string,
  ): void {
    // A name that is not in the list may be anything, a password too.
    const user = readBasic(c.req.header('authorization') ?? null)?.user
    const requestId = c.req.header('x-request-id')
    securityLog?.record({
      name,
      outcome: 'denied',
      ...(user !== undefined && names.has(user) && { actor: user }),
      ...(address !== '' && { address }),
      ...(requestId && /^[\w=-]{1,128}$/.test(requestId) && { requestId }),
      detail,
    })
  }

  const authorize = (to: GatewayAction): MiddlewareHandler<GatewayEnv> => {
    return async (c, next) => refuse(c, addressOf(c) ?? '', to) ?? next()
  }
  return Object.assign(authorize, {
    limit(to: GatewayAction): MiddlewareHandler<GatewayEnv> {
      return async (c, next) => {
        const refused = refuse(c, addressOf(c) ?? '', to)
        return refused?.status === 429 ? refused : next()
      }
    },
  })
}

/** @throws KafkaRestError SCOPE_MISSING for a topic that is not among the user's */
export function checkTopics(
  c: Context<GatewayEnv>,
  topics: Iterable<string | { topic: string }>,
): void {
  for (const each of topics) {
    const topic = typeof each === 'string' ? each : each.topic
    if (!mayUseTopic(c.get('user'), topic))
      throw new KafkaRestError('SCOPE_MISSING', `this user may not use the topic ${topic}`)
  }
}

/** @throws KafkaRestError SCOPE_MISSING for a group whose name does not begin with the user's prefix */
export function checkGroup(c: Context<GatewayEnv>, group: string): void {
  const user = c.get('user')
  if (!mayUseGroup(user, group))
    throw new KafkaRestError(
      'SCOPE_MISSING',
      `the names of this user's consumer groups begin with ${user.groupPrefix}`,
    )
}

function tooMany(c: Context): Response {
  return sendErrorCode(c, 'TOO_MANY_FAILURES', 'too many wrong credentials from this address')
}

/** Of the connection. */
function peerOf(c: Context): string | undefined {
  const { incoming } = (c.env ?? {}) as { incoming?: { socket?: { remoteAddress?: string } } }
  return incoming?.socket?.remoteAddress
}
