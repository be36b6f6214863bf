import type { Context } from 'hono'
import { API_ERRORS, type ApiErrorCode, ERRORS } from '../../../contract/errors.ts'
import { parseExactly } from '../../../contract/json/exact-parse.ts'
import { scopeOf } from '../../identity/viewer.ts'
import { ApiError } from '../../lib/api-error.ts'
import type { GraphQLServer } from '../graphql/server.ts'
import type { RestEnv } from './admit.ts'
import type { ResultBudget } from './result-budget.ts'

export interface OperationResult<Data> {
  data: Data
  extensions: Record<string, unknown>
}

/** Executes a GraphQL document for the sender of a REST request. @throws ApiError, as GraphQL responds with it */
export type RunOperation = <Data>(
  c: Context<RestEnv>,
  query: string,
  variables: Record<string, unknown>,
) => Promise<OperationResult<Data>>

/**
 * REST asks GraphQL, so that both give the same number by the same limits and cache, and there is one place where each
 * is decided.
 */
export function createRunOperation(
  graphql: Pick<GraphQLServer, 'execute'>,
  budget: Pick<ResultBudget, 'charge'>,
): RunOperation {
  return async function runOperation<Data>(
    c: Context<RestEnv>,
    query: string,
    variables: Record<string, unknown>,
  ): Promise<OperationResult<Data>> {
    const request = new Request(new URL('/graphql', c.req.url), {
      method: 'POST',
      headers: {
        'Content-Type': 'application/json',
        Accept: 'application/json',
        'x-graphql-yoga-csrf': 'rest',
      },
      body: JSON.stringify({ query, variables }),
      signal: c.req.raw.signal,
    })
    const response = await graphql.execute(request, c.var.sender)
    const text = await response.text()
    budget.charge(scopeOf(c.var.sender.viewer), text.length)
    const result = parseExactly(text) as Executed<Data>
    const [error] = result.errors ?? []
    if (error) throw toApiError(error)
    return { data: result.data as Data, extensions: result.extensions ?? {} }
  }
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
  // Documents are ours and variables were checked: what GraphQL itself refuses is a fault of this folder.
  throw new Error(`GraphQL refused a document of REST: ${code} ${message}`)
}
