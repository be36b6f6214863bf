import type { GraphQLError } from 'graphql'
import { createGraphQLError } from 'graphql-yoga'
import { ApiError } from '../../lib/api-error.ts'
import { toApiError } from '../to-api-error.ts'

/** The one place where an ApiError becomes GraphQL's: `extensions.code`, HTTP status and headers. */
export function toGraphQLError({ code, message, status, details }: ApiError): GraphQLError {
  const headers = {
    ...(code === 'UNAUTHENTICATED' && { 'WWW-Authenticate': 'Bearer' }),
    ...(status === 429 && { 'Retry-After': String(details.retryAfterSeconds ?? 1) }),
  }
  return createGraphQLError(message, {
    extensions: { code, ...details, http: { status, headers } },
  })
}

/** Only errors that were made for clients leave as they are; every other one is INTERNAL_SERVER_ERROR. */
export function maskError(error: unknown): Error {
  if (!isGraphQLError(error)) return meaningOf(error)
  const { originalError: cause, nodes, source, positions, path } = error
  if (cause === undefined || isGraphQLError(cause)) return error
  const { message, extensions } = meaningOf(cause)
  return createGraphQLError(message, { nodes, source, positions, path, extensions })
}

function meaningOf(error: unknown): GraphQLError {
  return toGraphQLError(
    toApiError(error) ?? new ApiError('INTERNAL_SERVER_ERROR', undefined, { unexpected: true }),
  )
}

/** The error that a resolver threw, which graphql-js may have wrapped. */
export function causeOf(error: unknown): unknown {
  return isGraphQLError(error) ? (error.originalError ?? error) : error
}

/** By name: two copies of graphql may be loaded, and instanceof would not recognise the other one's. */
function isGraphQLError(error: unknown): error is GraphQLError {
  return error instanceof Error && error.name === 'GraphQLError'
}
