import type { Context } from 'hono'
import { API_ERRORS, type ApiErrorCode, ERRORS } from '../../../contract/errors.ts'
import { parseExactly } from '../../../contract/json/exact-parse.ts'
import { ApiError } from '../../lib/api-error.ts'
import type { GraphQLServer } from '../graphql/server.ts'
import { type AddressOf, clientOf } from '../http/client.ts'

export interface OperationDeps {
  graphql: Pick<GraphQLServer, 'fetch'>
  secure: boolean
  addressOf?: AddressOf | undefined
}

export interface OperationResult<Data> {
  data: Data
  extensions: Record<string, unknown>
}

/** Executes a GraphQL document for the sender of a REST request. @throws ApiError, as GraphQL responds with it */
export type RunOperation = <Data>(
  c: Context,
  query: string,
  variables: Record<string, unknown>,
) => Promise<OperationResult<Data>>

/** Who the sender is; nothing else of the REST request concerns GraphQL. */
const CREDENTIALS = ['authorization', 'x-api-key', 'cookie']

/**
 * REST asks GraphQL, so that both give the same number by the same identity, limits and cache, and there is one
 * place where each is decided.
 */
export function createRunOperation({ graphql, secure, addressOf }: OperationDeps): RunOperation {
  return async function runOperation<Data>(
    c: Context,
    query: string,
    variables: Record<string, unknown>,
  ): Promise<OperationResult<Data>> {
    const headers = new Headers({
      'Content-Type': 'application/json',
      Accept: 'application/json',
      'x-graphql-yoga-csrf': 'rest',
    })
    for (const name of CREDENTIALS) {
      const value = c.req.header(name)
      if (value !== undefined) headers.set(name, value)
    }
    const request = new Request(new URL('/graphql', c.req.url), {
      method: 'POST',
      headers,
      body: JSON.stringify({ query, variables }),
      signal: c.req.raw.signal,
    })
    const { address } = clientOf(c, addressOf)
    const requestId = c.get('requestId') as string | undefined
    const response = await graphql.fetch(request, { address, secure, requestId })
    const result = parseExactly(await response.text()) as Executed<Data>
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
