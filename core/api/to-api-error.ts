import { IdentityError } from '../identity/identity-error.ts'
import { ApiError } from '../lib/api-error.ts'

/** What an error means for the client; undefined for a fault of ours, whose text no client may see. */
export function toApiError(error: unknown): ApiError | undefined {
  if (error instanceof ApiError) return error
  if (error instanceof IdentityError) {
    const { apiCode, argument, message } = error
    return new ApiError(apiCode, message, argument === undefined ? {} : { argument })
  }
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown }
  // 25P04: a transaction of several statements took too long.
  if (code === '57014' || code === '25P04' || message === 'Query read timeout')
    return new ApiError('QUERY_TOO_SLOW')
  const isUnavailable =
    /^(08|53|57P|ECONN|EPIPE|ETIMEDOUT|ENOTFOUND)/.test(String(code)) ||
    /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered)/.test(
      String(message),
    )
  return isUnavailable ? new ApiError('DATABASE_UNAVAILABLE') : undefined
}
