import { useCSRFPrevention } from '@graphql-yoga/plugin-csrf-prevention'
import { createYoga, isAsyncIterable, type Plugin } from 'graphql-yoga'
import { ApiError } from '../../lib/api-error.ts'
import type { Logger } from '../../lib/logger.ts'
import { QUERY_LIMITS } from '../../queries/limits.ts'
import type { ResultInfo, Source } from '../../queries/query-result.ts'
import type { ResultCache } from '../result-cache/result-cache.ts'
import { type ContextDeps, createContextFactory, type RequestContext } from './context.ts'
import { causeOf, maskError, toGraphQLError } from './graphql-error.ts'
import type { OperationContext } from './operation-context.ts'
import { createSchema } from './schema.ts'
import { useResultCache } from './use-result-cache.ts'

export interface GraphQLDeps extends ContextDeps {
  logger: Pick<Logger, 'error'>
  /** Shows GraphiQL to browsers. */
  graphiql?: boolean
  /** Without it every query is executed. */
  resultCache?: ResultCache
}

export interface GraphQLServer {
  fetch(request: Request): Promise<Response>
}

/** GraphQL at /graphql: POST, GET, and subscriptions over SSE. */
export function createGraphQL(deps: GraphQLDeps): GraphQLServer {
  const yoga = createYoga<OperationContext, RequestContext>({
    schema: createSchema(),
    context: ({ operation }) => operation as RequestContext,
    graphqlEndpoint: '/graphql',
    landingPage: false,
    graphiql: deps.graphiql ?? false,
    // The dashboard has the same origin; other clients send keys from their own servers.
    cors: false,
    multipart: false,
    // Node's own, which the HTTP server around us knows how to send and to cancel.
    fetchAPI: { Request, Response, Headers, ReadableStream, TransformStream },
    // Above our own limit, which responds with 422.
    batching: { limit: Number.MAX_SAFE_INTEGER },
    maxRequestBodySize: QUERY_LIMITS.bodyBytesMax,
    maskedErrors: { maskError: (error) => maskError(error) },
    logging: {
      debug() {},
      info() {},
      warn() {},
      error: (error: unknown) => logFailure(deps.logger, error),
    },
    plugins: [
      // Headers that no page can send across origins without a preflight.
      useCSRFPrevention({ requestHeaders: ['x-graphql-yoga-csrf', 'authorization', 'x-api-key'] }),
      useBatchLimit(),
      useOperationContext(createContextFactory(deps)),
      useResultInfo(),
      ...(deps.resultCache ? [useResultCache(deps.resultCache)] : []),
    ],
  })
  return { fetch: async (request) => yoga.fetch(request, {}) }
}

/** What failed, never what the query was; errors that clients made are theirs alone. */
function logFailure(logger: GraphQLDeps['logger'], error: unknown): void {
  const cause = causeOf(error)
  if (cause instanceof ApiError) return
  const { code } = (cause ?? {}) as { code?: unknown }
  const text = code === undefined ? String(cause) : `${String(code)} ${String(cause)}`
  logger.error({ error: text }, 'query failed')
}

function useBatchLimit(): Plugin {
  const { batchOperationsMax } = QUERY_LIMITS
  return {
    onRequestParse: () => ({
      onRequestParseDone({ requestParserResult }) {
        if (!Array.isArray(requestParserResult)) return
        if (requestParserResult.length <= batchOperationsMax) return
        const message = `A request takes at most ${batchOperationsMax} operations.`
        throw toGraphQLError(new ApiError('QUERY_TOO_LARGE', message, { limit: 'batch' }))
      },
    }),
  }
}

/** Creates the context of each operation before anything else needs it; a request may hold several operations. */
function useOperationContext(
  createContext: (headers: Headers) => RequestContext,
): Plugin<RequestContext, OperationContext> {
  return {
    onParams({ context, request }) {
      context.operation = createContext(request.headers)
    },
  }
}

/** Puts what the operation reports of its results into `extensions`. */
function useResultInfo(): Plugin<RequestContext, OperationContext> {
  return {
    onExecute: ({ args }) => ({
      onExecuteDone({ result, setResult }) {
        const { info } = (args.contextValue as RequestContext).report
        if (isAsyncIterable(result) || info.size === 0) return
        const extensions = { source: combinedSource(info), metrics: Object.fromEntries(info) }
        setResult({ ...result, extensions: { ...result.extensions, ...extensions } })
      },
    }),
  }
}

function combinedSource(info: ReadonlyMap<string, ResultInfo>): Source {
  const sources = new Set([...info.values()].map(({ source }) => source))
  return sources.size === 1 ? ([...sources][0] as Source) : 'rollup+raw'
}
