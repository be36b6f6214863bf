import { useCSRFPrevention } from '@graphql-yoga/plugin-csrf-prevention'
import type { GraphQLError } from 'graphql'
import { createGraphQLError, createYoga, isAsyncIterable, type Plugin } from 'graphql-yoga'
import { fromDatabaseError, queryError } from '../../queries/errors.ts'
import { QUERY_LIMITS } from '../../queries/limits.ts'
import type { ResultCache } from '../result-cache/result-cache.ts'
import {
  type ContextDeps,
  createContexts,
  type RequestContext,
  type ResultInfo,
} from './context.ts'
import { createSchema } from './schema.ts'
import { useResultCache } from './use-result-cache.ts'

export interface GraphQLDeps extends ContextDeps {
  logger: { error(fields: object, message: string): void }
  /** Shows GraphiQL to browsers. */
  graphiql?: boolean
  /** Where answers are kept; each is worked out without it. */
  resultCache?: ResultCache
}

export interface GraphQLServer {
  fetch(request: Request): Promise<Response>
}

/** GraphQL at /graphql: POST, GET, and subscriptions over SSE. */
export function createGraphQL(deps: GraphQLDeps): GraphQLServer {
  const contextFor = createContexts(deps)
  const early = new WeakMap<object, RequestContext>()
  const yoga = createYoga<object, RequestContext>({
    schema: createSchema(),
    context: ({ request, params }) => early.get(params) ?? contextFor(request.headers),
    graphqlEndpoint: '/graphql',
    landingPage: false,
    graphiql: deps.graphiql ?? false,
    // The dashboard lives at the same origin; others send keys from their own servers.
    cors: false,
    multipart: false,
    // Node's own, which the HTTP server around us knows how to send and to cancel.
    fetchAPI: { Request, Response, Headers, ReadableStream, TransformStream },
    // Above our own limit, which answers 422.
    batching: { limit: Number.MAX_SAFE_INTEGER },
    maxRequestBodySize: QUERY_LIMITS.bodyBytesMax,
    maskedErrors: { maskError: (error) => mask(error) },
    logging: {
      debug() {},
      info() {},
      warn() {},
      error: (error: unknown) => deps.logger.error({ error: nameOf(error) }, 'a question failed'),
    },
    plugins: [
      // Headers that no page can send across origins without being asked first.
      useCSRFPrevention({ requestHeaders: ['x-graphql-yoga-csrf', 'authorization', 'x-api-key'] }),
      useBatchLimit(),
      useNotes(),
      ...(deps.resultCache ? [useResultCache(deps.resultCache, { contextFor, early })] : []),
    ],
  })
  return { fetch: async (request) => yoga.fetch(request) }
}

/** Only errors that were made for clients leave as they are. */
function mask(error: unknown): Error {
  if (!isGraphQLError(error)) return meaningOf(error)
  const { originalError: cause, nodes, source, positions, path } = error
  if (cause === undefined || isGraphQLError(cause)) return error
  const { message, extensions } = meaningOf(cause)
  return createGraphQLError(message, { nodes, source, positions, path, extensions })
}

function meaningOf(error: unknown): GraphQLError {
  return (
    fromDatabaseError(error) ??
    queryError('INTERNAL_SERVER_ERROR', 'Something failed on our side.', { unexpected: true })
  )
}

/** For the log: what failed, never what was asked. */
function nameOf(error: unknown): string {
  const cause = isGraphQLError(error) ? (error.originalError ?? error) : error
  const { code } = (cause ?? {}) as { code?: unknown }
  return code === undefined ? String(cause) : `${String(code)} ${String(cause)}`
}

/** By name: there may be two copies of graphql about, and instanceof would tell them apart. */
function isGraphQLError(error: unknown): error is GraphQLError {
  return error instanceof Error && error.name === 'GraphQLError'
}

function useBatchLimit(): Plugin {
  const { batchOperationsMax } = QUERY_LIMITS
  return {
    onRequestParse: () => ({
      onRequestParseDone({ requestParserResult }) {
        if (Array.isArray(requestParserResult) && requestParserResult.length > batchOperationsMax)
          throw queryError(
            'QUERY_TOO_LARGE',
            `A request takes at most ${batchOperationsMax} operations.`,
            { limit: 'batch' },
          )
      },
    }),
  }
}

/** Puts what resolvers noted about their answers into `extensions`. */
function useNotes(): Plugin<RequestContext> {
  return {
    onExecute: ({ args }) => ({
      onExecuteDone({ result, setResult }) {
        const { notes } = args.contextValue as RequestContext
        if (isAsyncIterable(result) || notes.size === 0) return
        const extensions = { source: together(notes), metrics: Object.fromEntries(notes) }
        setResult({ ...result, extensions: { ...result.extensions, ...extensions } })
      },
    }),
  }
}

function together(notes: Map<string, ResultInfo>): ResultInfo['source'] {
  const sources = new Set([...notes.values()].map(({ source }) => source))
  return sources.size === 1 ? ([...sources][0] as ResultInfo['source']) : 'rollup+raw'
}
