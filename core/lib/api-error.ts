import { API_ERRORS, type ApiErrorCode, ERRORS } from '../../contract/errors.ts'

/**
 * An error that a client of an API may see as it is. It knows no transport: GraphQL maps it in
 * api/graphql/graphql-error.ts, plain HTTP in api/http/problem.ts.
 */
export class ApiError extends Error {
  override name = 'ApiError'
  readonly code: ApiErrorCode
  /** More for programs, beside the code: which argument is invalid, which limit was exceeded. */
  readonly details: Readonly<Record<string, unknown>>

  /** @param message default: the one of the table in contract/errors.ts */
  constructor(code: ApiErrorCode, message?: string, details: Record<string, unknown> = {}) {
    super(message ?? specOf(code).message)
    this.code = code
    this.details = details
  }

  /** The HTTP status, where there is one. */
  get status(): number {
    return specOf(this.code).status
  }
}

function specOf(code: ApiErrorCode) {
  return { ...ERRORS, ...API_ERRORS }[code]
}

/** @param argument the one that the client has to change; the message begins with it */
export function badInput(argument: string, message: string): ApiError {
  return new ApiError('BAD_USER_INPUT', `${argument} ${message}`, { argument })
}
