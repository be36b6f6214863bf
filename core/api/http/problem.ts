import type { Context, ErrorHandler } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { API_ERRORS, ERRORS } from '../../../contract/errors.ts'
import { ApiError } from '../../lib/api-error.ts'
import type { Logger } from '../../lib/logger.ts'
import { toApiError } from '../to-api-error.ts'

const PROBLEMS = { ...ERRORS, ...API_ERRORS }

export type ProblemCode = keyof typeof PROBLEMS

/**
 * Responds with RFC 9457 problem details; status and title are those of contract/errors.ts.
 * @param members further ones, beside those of every problem
 */
export function sendProblem(
  c: Context,
  code: ProblemCode,
  headers: Record<string, string> = {},
  detail?: string,
  members: Record<string, unknown> = {},
): Response {
  const { status, message } = PROBLEMS[code]
  const body = {
    type: `urn:sluice:problem:${code.toLowerCase().replaceAll('_', '-')}`,
    title: message,
    status,
    detail: detail ?? message,
    instance: c.req.path,
    code,
    request_id: c.get('requestId') as string | undefined,
    ...members,
  }
  return c.json(body, status satisfies ContentfulStatusCode, {
    'Content-Type': 'application/problem+json',
    ...headers,
  })
}

/** For any method of a path but those allowed. */
export function allowOnly(allow: string): (c: Context) => Response {
  return (c) => sendProblem(c, 'METHOD_NOT_ALLOWED', { Allow: allow })
}

/** The app's only error handler: logs the error, and responds with UNAVAILABLE or INTERNAL, without details. */
export function handleError(logger: Pick<Logger, 'error'>): ErrorHandler {
  return (error, c) => {
    if (error instanceof ApiError) return sendProblem(c, error.code, {}, error.message)
    const fields = { request_id: c.get('requestId'), path: c.req.path, error: String(error) }
    logger.error(fields, 'request failed')
    return sendProblem(c, toApiError(error) ? 'UNAVAILABLE' : 'INTERNAL')
  }
}
