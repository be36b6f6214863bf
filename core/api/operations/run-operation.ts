import { API_ERRORS, type ApiErrorCode, ERRORS } from '../../../contract/errors.ts'
import { parseExactly } from '../../../contract/json/exact-parse.ts'
import { scopeOf } from '../../identity/viewer.ts'
import { ApiError } from '../../lib/api-error.ts'
import type { ResultInfo } from '../../queries/query-result.ts'
import type { Sender } from '../graphql/context.ts'
import type { GraphQLServer } from '../graphql/server.ts'
import type { ResultBudget } from './result-budget.ts'

export interface OperationResult<Data> {
  data: Data
  extensions: Record<string, unknown>
  /** Length of the result as JSON. */
  chars: number
}

/** For whom a document is executed, and until when. */
export interface OperationCaller {
  sender: Sender
  /** Aborts once the client leaves: then statements are cancelled. */
  signal: AbortSignal
}

/** Executes a GraphQL document of ours. @throws ApiError, as GraphQL responds with it */
export type RunOperation = <Data>(
  caller: OperationCaller,
  query: string,
  variables: Record<string, unknown>,
) => Promise<OperationResult<Data>>

/**
 * REST and MCP ask GraphQL, so that all give the same number by the same limits and cache, and there is one place where
 * each is decided.
 */
export function createRunOperation(
  graphql: Pick<GraphQLServer, 'execute'>,
  budget: Pick<ResultBudget, 'charge'>,
): RunOperation {
  return async function runOperation<Data>(
    { sender, signal }: OperationCaller,
    query: string,
    variables: Record<string, unknown>,
  ): Promise<OperationResult<Data>> {
    const request = new Request('http://localhost/graphql', {
      method: 'POST',
      headers: {
        'Content-Type': 'application/json',
        Accept: 'application/json',
        'x-graphql-yoga-csrf': 'internal',
      },
      body: JSON.stringify({ query, variables }),
      signal,
    })
    const response = await graphql.execute(request, await withRights(sender))
    const text = await response.text()
    budget.charge(scopeOf(sender.viewer), text.length)
    const result = parseExactly(text) as Executed<Data>
    const [error] = result.errors ?? []
    if (error) throw toApiError(error)
    return { data: result.data as Data, extensions: result.extensions ?? {}, chars: text.length }
  }
}

/** Pages of a long response are operations of their own: what was taken away meanwhile is not in them. */
const RELOADED_AFTER_MS = 10_000

async function withRights(sender: Sender): Promise<Sender> {
  return performance.now() - sender.loadedAt < RELOADED_AFTER_MS ? sender : sender.reload()
}

interface ExecutedError {
  message: string
  extensions?: { code?: string; http?: unknown } & Record<string, unknown>
}

interface Executed<Data> {
  data?: Data | null
  errors?: ExecutedError[]
  extensions?: Record<string, unknown>
}

function toApiError({ message, extensions = {} }: ExecutedError): ApiError {
  const { code = 'INTERNAL_SERVER_ERROR', http: _, ...details } = extensions
  if (code in API_ERRORS || code in ERRORS)
    return new ApiError(code as ApiErrorCode, message, details)
  // Documents are ours and variables were checked: what GraphQL itself refuses is a fault of the caller's folder.
  throw new Error(`GraphQL rejected a built-in document: ${code} ${message}`)
}

/** How the result of a field was made. @param field its name or alias in the document */
export function infoOf(extensions: Record<string, unknown>, field: string): ResultInfo {
  return (extensions.metrics as Record<string, ResultInfo>)[field] as ResultInfo
}
