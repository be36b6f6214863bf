import { useCSRFPrevention } from '@graphql-yoga/plugin-csrf-prevention'
import { createYoga } from 'graphql-yoga'
import type { Database } from '../../db/database.ts'
import { createCredentialLookups } from '../../identity/credential-lookups.ts'
import { createKeyUseRecorder } from '../../identity/key-directory.ts'
import { requirePermission } from '../../identity/require-permission.ts'
import type { Permission } from '../../identity/roles.ts'
import { identify, type RequestOrigin } from '../../identity/viewer.ts'
import type { Logger } from '../../lib/logger.ts'
import { QUERY_LIMITS } from '../../queries/limits.ts'
import type { ResultCache } from '../result-cache/result-cache.ts'
import {
  type ContextDeps,
  createContextFactory,
  type RequestContext,
  type Sender,
} from './context.ts'
import { createDocuments } from './documents.ts'
import { checkRequest, recordEarlyDenial, respondEarly } from './early-response.ts'
import { maskError } from './graphql-error.ts'
import type { OperationContext } from './operation-context.ts'
import { createSchema } from './schema.ts'
import { useDocuments } from './use-documents.ts'
import { createErrorLog, useErrorLog, useSecurityLog } from './use-logs.ts'
import { useResultCache } from './use-result-cache.ts'
import {
  useOperationContext,
  useResponseLimit,
  useResultInfo,
  useSingleOperation,
} from './use-results.ts'

export interface GraphQLDeps extends ContextDeps {
  /** Looks up keys and sessions, so that no query keeps them waiting; `db` unless given. */
  identityDb?: Database
  logger: Pick<Logger, 'error'>
  /** Without it every query is executed. */
  resultCache?: ResultCache
}

/** Where a request came from, as the HTTP server knows it. */
export interface GraphQLRequest extends RequestOrigin {
  requestId?: string | undefined
  /** How it reached core, such as `http://127.0.0.1:8080`. */
  origin?: string | undefined
}

export interface GraphQLServer {
  fetch(request: Request, from?: GraphQLRequest): Promise<Response>
  /** Whether the request's sender may query. @throws UNAUTHENTICATED, FORBIDDEN, TOO_MANY_ATTEMPTS */
  identify(headers: Headers, from?: GraphQLRequest): Promise<Sender>
  /**
   * The same, where it is the request itself that is refused: that goes into the security log.
   * @param permission what the sender must be allowed to do, in any tenant
   */
  admit(headers: Headers, from?: GraphQLRequest, permission?: Permission): Promise<Sender>
  /** Executes a request of a sender who was admitted. */
  execute(request: Request, sender: Sender): Promise<Response>
}

/**
 * GraphQL at /graphql: POST, GET, and subscriptions over SSE. The sender is identified first: nothing of an
 * unauthenticated request is read, parsed or executed.
 */
export function createGraphQL(deps: GraphQLDeps): GraphQLServer {
  const yoga = createExecutor(deps)
  const viewerDeps = {
    db: deps.identityDb ?? deps.db,
    recordUse: createKeyUseRecorder(deps.identityDb ?? deps.db),
    lookups: createCredentialLookups(),
  }

  async function identifySender(headers: Headers, from: GraphQLRequest = {}): Promise<Sender> {
    const identity = await identify(viewerDeps, headers, from)
    return {
      ...identity,
      requestId: from.requestId,
      address: from.address,
      origin: from.origin,
      loadedAt: performance.now(),
      reload: () => identifySender(headers, { ...from, isRecheck: true }),
    }
  }

  const logError = createErrorLog(deps.logger)
  return {
    identify: identifySender,
    async admit(headers, from = {}, permission) {
      let sender: Sender | undefined
      try {
        sender = await identifySender(headers, from)
        if (permission) requirePermission(sender.viewer, undefined, permission)
        return sender
      } catch (error) {
        recordEarlyDenial(error, headers, from, { ...deps, logError, sender })
        throw error
      }
    },
    execute: async (request, sender) => yoga.fetch(request, { sender }),
    async fetch(request, from = {}) {
      let sender: Sender | undefined
      try {
        sender = await identifySender(request.headers, from)
        checkRequest(request, sender)
        return await yoga.fetch(request, { sender })
      } catch (error) {
        return respondEarly(error, request, from, { ...deps, logError, sender })
      }
    },
  }
}

function createExecutor(deps: GraphQLDeps) {
  const documents = createDocuments()
  const logError = createErrorLog(deps.logger)
  return createYoga<OperationContext, RequestContext>({
    schema: createSchema(),
    context: ({ operation }) => operation as RequestContext,
    graphqlEndpoint: '/graphql',
    landingPage: false,
    graphiql: false,
    // The dashboard has the same origin; other clients send keys from their own servers.
    cors: false,
    multipart: false,
    // Node's own, which the HTTP server around us knows how to send and to cancel.
    fetchAPI: { Request, Response, Headers, ReadableStream, TransformStream },
    // Refused by useSingleOperation, with an error that says so.
    batching: { limit: Number.MAX_SAFE_INTEGER },
    maxRequestBodySize: QUERY_LIMITS.bodyBytesMax,
    // It keeps a thousand documents of any size, refused ones too; useDocuments has limits in characters.
    parserAndValidationCache: false,
    maskedErrors: { maskError: (error) => maskError(error) },
    logging: {
      debug() {},
      info() {},
      warn() {},
      error: (error: unknown) => logError(error, undefined),
    },
    plugins: [
      // Headers that no page can send across origins without a preflight.
      useCSRFPrevention({ requestHeaders: ['x-graphql-yoga-csrf', 'authorization', 'x-api-key'] }),
      useSingleOperation(),
      useOperationContext(createContextFactory(deps)),
      useDocuments(documents),
      useResultInfo(),
      ...(deps.resultCache ? [useResultCache(deps.resultCache)] : []),
      useResponseLimit(),
      useErrorLog(logError),
      ...(deps.securityLog ? [useSecurityLog(deps.securityLog)] : []),
    ],
  })
}
