import type { MiddlewareHandler } from 'hono'
import type { Permission } from '../../identity/roles.ts'
import { isBrowserSession, scopeOf } from '../../identity/viewer.ts'
import { ApiError } from '../../lib/api-error.ts'
import type { Sender } from '../graphql/context.ts'
import type { GraphQLServer } from '../graphql/server.ts'
import { type AddressOf, clientOf } from '../http/client.ts'
import { isSameOrigin } from '../http/security.ts'
import type { ResultBudget } from '../operations/result-budget.ts'

export interface AdmitDeps {
  graphql: Pick<GraphQLServer, 'admit'>
  budget: Pick<ResultBudget, 'check'>
  secure: boolean
  addressOf?: AddressOf | undefined
  /** What the path needs, in any tenant; the GraphQL document behind it decides for its own. */
  permission: Permission
}

export interface RestEnv {
  Variables: { sender: Sender }
}

/**
 * Identifies the sender before anything of the request is parsed. A session counts in requests of our own pages only:
 * what costs GraphQL a header that no other site can send costs REST the browser's own word.
 */
export function admitSender({
  graphql,
  budget,
  secure,
  addressOf,
  permission,
}: AdmitDeps): MiddlewareHandler<RestEnv> {
  return async (c, next) => {
    const { address } = clientOf(c, addressOf)
    const requestId = c.get('requestId' as never) as string | undefined
    const from = { address, secure, requestId, origin: new URL(c.req.url).origin }
    const sender = await graphql.admit(c.req.raw.headers, from, permission)
    if (isBrowserSession(sender.viewer) && !isSameOrigin(c))
      throw new ApiError('CROSS_SITE_REFUSED')
    budget.check(scopeOf(sender.viewer))
    c.set('sender', sender)
    return next()
  }
}
