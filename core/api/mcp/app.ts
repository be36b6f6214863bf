import { type Context, Hono } from 'hono'
import { scopeOf } from '../../identity/viewer.ts'
import { ApiError } from '../../lib/api-error.ts'
import type { Logger } from '../../lib/logger.ts'
import type { Sender } from '../graphql/context.ts'
import type { GraphQLServer } from '../graphql/server.ts'
import { type AddressOf, clientOf } from '../http/client.ts'
import { allowOnly, sendProblem } from '../http/problem.ts'
import { isSameOrigin } from '../http/security.ts'
import type { ResultBudget } from '../operations/result-budget.ts'
import { createRunOperation } from '../operations/run-operation.ts'
import { createInProgress } from './in-progress.ts'
import { MCP_LIMITS } from './limits.ts'
import type { ServeMcp } from './server.ts'

export interface McpAppDeps {
  graphql: Pick<GraphQLServer, 'admit' | 'execute'>
  budget: ResultBudget
  secure: boolean
  /** How browsers reach the dashboard, where it is not as this request did. */
  publicUrl?: string | undefined
  addressOf?: AddressOf | undefined
  logger: Pick<Logger, 'error'>
}

/** /mcp, for agents: the same numbers as GraphQL and REST, as tools of the Model Context Protocol. */
export function createMcpApp(deps: McpAppDeps): Hono {
  const { budget, publicUrl } = deps
  const inProgress = createInProgress()
  const runOperation = createRunOperation(deps.graphql, budget)
  let serve: Promise<ServeMcp> | undefined
  const app = new Hono()
  app.onError((error, c) => {
    if (!(error instanceof ApiError)) throw error
    return sendApiError(c, error)
  })
  app.post('/mcp', async (c) => {
    const sender = await admit(c, deps)
    const scope = scopeOf(sender.viewer)
    budget.check(scope)
    const leave = inProgress.enter(scope)
    try {
      budget.charge(scope, MCP_LIMITS.charsPerRequest)
      // Loaded for the first request: most cores serve none, and the SDK takes 20 MB.
      serve ??= import('./server.ts').then(({ createMcp }) =>
        createMcp({ runOperation, logger: deps.logger, version: '1' }),
      )
      const dashboardUrl = publicUrl ?? new URL(c.req.url).origin
      const response = await (await serve)(c.req.raw, { sender, dashboardUrl })
      return whenEnded(response, leave)
    } catch (error) {
      leave()
      throw error
    }
  })
  app.all('/mcp', allowOnly('POST'))
  return app
}

/**
 * A key alone: agents have no sessions, and a page that could borrow one would ask in its owner's name.
 * @throws UNAUTHENTICATED, FORBIDDEN, TOO_MANY_ATTEMPTS, CROSS_SITE_REFUSED
 */
async function admit(c: Context, { graphql, secure, addressOf }: McpAppDeps): Promise<Sender> {
  // Also with a key: no page of another site, whatever name it was loaded by, reaches this server.
  if (!isSameOrigin(c)) throw new ApiError('CROSS_SITE_REFUSED')
  const { address } = clientOf(c, addressOf)
  const requestId = c.get('requestId' as never) as string | undefined
  const headers = new Headers(c.req.raw.headers)
  headers.delete('cookie')
  return graphql.admit(headers, { address, secure, requestId })
}

/** Calls `leave` once, when all of the response was sent or its client left. */
function whenEnded(response: Response, leave: () => void): Response {
  if (!response.body) {
    leave()
    return response
  }
  const reader = response.body.getReader()
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read()
        if (value) controller.enqueue(value)
        if (!done) return
        controller.close()
        leave()
      } catch (error) {
        leave()
        controller.error(error)
      }
    },
    async cancel(reason) {
      leave()
      await reader.cancel(reason)
    },
  })
  return new Response(body, response)
}

function sendApiError(c: Context, { code, message }: ApiError): Response {
  const headers: Record<string, string> = {}
  const sentKey = c.req.header('authorization') ?? c.req.header('x-api-key')
  if (code === 'UNAUTHENTICATED')
    headers['WWW-Authenticate'] =
      `Bearer realm="sluice", ${sentKey === undefined ? '' : 'error="invalid_token", '}scope="read"`
  if (code === 'FORBIDDEN')
    headers['WWW-Authenticate'] = 'Bearer realm="sluice", error="insufficient_scope", scope="read"'
  if (code === 'TOO_MANY_ATTEMPTS' || code === 'OVERLOADED') headers['Retry-After'] = '1'
  return sendProblem(c, code, headers, message)
}
