import { isAsyncIterable, type Plugin } from 'graphql-yoga'
import { ApiError } from '../../lib/api-error.ts'
import type { Logger } from '../../lib/logger.ts'
import type { SecurityEventName, SecurityLog } from '../../lib/security-log.ts'
import type { RequestContext, Sender } from './context.ts'
import { causeOf } from './graphql-error.ts'
import type { OperationContext } from './operation-context.ts'

/** Logs an error that clients get masked, once, however many layers report it. */
export type LogError = (error: unknown, requestId: string | undefined) => void

/** What failed and where, never what the query or an event was: messages of databases quote both. */
export function createErrorLog(logger: Pick<Logger, 'error'>): LogError {
  const logged = new WeakSet<object>()
  return (error, requestId) => {
    const cause = causeOf(error)
    if (cause instanceof ApiError || isMadeForClients(cause)) return
    if (typeof cause === 'object' && cause !== null) {
      if (logged.has(cause)) return
      logged.add(cause)
    }
    const { name, code, stack } = (cause ?? {}) as Partial<Error> & { code?: unknown }
    logger.error(
      { request_id: requestId, error: name ?? typeof cause, code, stack: framesOf(stack) },
      'query failed',
    )
  }
}

/** The lines of a stack without its message. */
function framesOf(stack: string | undefined): string | undefined {
  const frames = stack?.split('\n').filter((line) => /^\s+at /.test(line))
  return frames?.slice(0, 12).join('\n')
}

/** Syntax errors, unknown fields, invalid variables: GraphQL's own, without a cause. */
function isMadeForClients(error: unknown): boolean {
  return error instanceof Error && error.name === 'GraphQLError'
}

/** With the id of the request, which the other layers do not know. */
export function useErrorLog(logError: LogError): Plugin<RequestContext, OperationContext> {
  return {
    onExecute: ({ args }) => ({
      onExecuteDone({ result }) {
        if (isAsyncIterable(result)) return
        const { requestId } = (args.contextValue as RequestContext).sender
        for (const error of result.errors ?? []) logError(error, requestId)
      },
    }),
  }
}

const SECURITY_EVENTS: Readonly<Record<string, SecurityEventName>> = {
  UNAUTHENTICATED: 'credentials-refused',
  TOO_MANY_ATTEMPTS: 'limit-exceeded',
  FORBIDDEN: 'access-denied',
  QUERY_TOO_LARGE: 'limit-exceeded',
  OVERLOADED: 'limit-exceeded',
  CROSS_SITE_REFUSED: 'cross-site-refused',
}

export interface Denied {
  requestId?: string | undefined
  address?: string | undefined
  credential?: string | undefined
  /** Of the key, or where a person was denied. */
  tenant?: string | undefined
}

/** @param tenant where it was denied, if known */
export function deniedOf(
  { requestId, address, credential, viewer }: Sender,
  tenant?: string,
): Denied {
  switch (viewer.kind) {
    case 'KEY':
      return { requestId, address, credential, tenant: viewer.own.tenant }
    case 'PERSON': {
      const [first, second] = viewer.memberships.keys()
      const only = second === undefined ? first : undefined
      const actor = `person ${viewer.personId}`
      return { requestId, address, credential: actor, tenant: tenant ?? only }
    }
    case 'SESSION':
      return { requestId, address, credential, tenant }
  }
}

/** Records what was denied, by the code that the client gets. */
export function recordDenial(
  securityLog: SecurityLog,
  code: unknown,
  { requestId, address, credential, tenant }: Denied,
): void {
  const name = SECURITY_EVENTS[String(code)]
  if (name === undefined) return
  securityLog.record({
    name,
    outcome: 'denied',
    detail: String(code),
    ...(credential !== undefined && { actor: credential }),
    ...(tenant !== undefined && { tenant }),
    ...(address !== undefined && { address }),
    ...(requestId !== undefined && { requestId }),
  })
}

export function useSecurityLog(securityLog: SecurityLog): Plugin<RequestContext, OperationContext> {
  return {
    onResultProcess({ result, serverContext }) {
      if (!result || isAsyncIterable(result) || Array.isArray(result)) return
      // One line is enough for a request, whatever its fields.
      const codes = new Set((result.errors ?? []).map(({ extensions }) => extensions?.code))
      const denied = deniedOf(serverContext.sender, serverContext.operation?.denial.tenant)
      for (const code of codes) recordDenial(securityLog, code, denied)
    },
  }
}
