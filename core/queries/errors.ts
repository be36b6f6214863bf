import type { GraphQLError } from 'graphql'
import { createGraphQLError } from 'graphql-yoga'
import { unstorableText } from '../../contract/event/storable.ts'
import { QUERY_LIMITS } from './limits.ts'

/** Errors that may leave the house as they are. Everything else is masked (server.ts). */
export type QueryErrorCode =
  | 'BAD_USER_INPUT'
  | 'UNAUTHENTICATED'
  | 'FORBIDDEN'
  | 'QUERY_TOO_LARGE'
  | 'QUERY_TOO_SLOW'
  | 'DATABASE_UNAVAILABLE'
  | 'OVERLOADED'
  | 'INTERNAL_SERVER_ERROR'

const STATUS = {
  BAD_USER_INPUT: 400,
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  QUERY_TOO_LARGE: 422,
  QUERY_TOO_SLOW: 503,
  DATABASE_UNAVAILABLE: 503,
  OVERLOADED: 503,
  INTERNAL_SERVER_ERROR: 500,
} as const satisfies Record<QueryErrorCode, number>

export function queryError(
  code: QueryErrorCode,
  message: string,
  extensions: Record<string, unknown> = {},
): GraphQLError {
  const headers = code === 'UNAUTHENTICATED' ? { 'WWW-Authenticate': 'Bearer' } : undefined
  return createGraphQLError(message, {
    extensions: { code, ...extensions, http: { status: STATUS[code], headers } },
  })
}

/** @param argument what the client has to change */
export function badInput(argument: string, message: string): GraphQLError {
  return queryError('BAD_USER_INPUT', `${argument} ${message}`, { argument })
}

/** @returns the text, unless no column could ever hold it */
export function checkText(
  argument: string,
  text: string,
  charsMax: number = QUERY_LIMITS.textCharsMax,
): string {
  if (text.length > charsMax) throw badInput(argument, `is longer than ${charsMax} characters`)
  const why = unstorableText(text)
  if (why) throw badInput(argument, why)
  return text
}

/** What a failure inside a resolver means for whoever asked; undefined for one that is our own fault. */
export function fromDatabaseError(error: unknown): GraphQLError | undefined {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown }
  if (code === '57014' || message === 'Query read timeout')
    return queryError(
      'QUERY_TOO_SLOW',
      'The answer took too long. Ask for a shorter range, or without groupBy and filter.',
    )
  const away =
    /^(08|53|57P|ECONN|EPIPE|ETIMEDOUT|ENOTFOUND)/.test(String(code)) ||
    /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered)/.test(
      String(message),
    )
  return away
    ? queryError('DATABASE_UNAVAILABLE', 'The database cannot be asked right now; try again soon.')
    : undefined
}
